"""How to reach the cluster, and the limits of every wait. Plain data: built in shared/bus/connect.py."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Literal

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

PROTOCOLS: Final[tuple[SecurityProtocol, ...]] = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final[tuple[SaslMechanism, ...]] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

REQUEST_WAIT_MS_MAX: Final = 15_000
"""One request to a broker. The answer to a produce request waits for all in-sync replicas."""
ACK_WAIT_S_MAX: Final = 30.0
"""An append, its retries included: over an election of a new leader, which takes seconds."""
START_WAIT_S_MAX: Final = 30.0
"""Opening a connection, a producer or a membership."""
STOP_WAIT_S_MAX: Final = 5.0
"""Closing one; a broker that is away must not hold a shutdown up."""
RETRY_WAIT_MS: Final = 100


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Addresses, TLS and SASL. The password never shows in a representation."""

    bootstrap: tuple[str, ...]
    """`host:port` each."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    def options(self) -> dict[str, Any]:
        """Return what every aiokafka client is opened with. Raises OSError for unreadable TLS files."""
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap),
            "security_protocol": self.security_protocol,
            "request_timeout_ms": REQUEST_WAIT_MS_MAX,
            "retry_backoff_ms": RETRY_WAIT_MS,
        }
        if self.security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile is not None:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
            options["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options
