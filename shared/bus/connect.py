"""From a URL to a bus: `embedded:DIR`, or `kafka://host:port,host:port`.

How to reach Kafka beyond its addresses stands in the environment (BAROMETER_KAFKA_*), never in the URL:
URLs end up in logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from shared.bus.kafka.settings import MECHANISMS, PROTOCOLS, KafkaSettings
from shared.bus.port import Bus, BusMisconfigured
from shared.clock import Clock

EMBEDDED: Final = "embedded:"
KAFKA: Final = "kafka://"
PREFIX: Final = "BAROMETER_KAFKA_"

Choice = TypeVar("Choice", bound=str)


async def connect(url: str, *, clock: Clock, environment: Mapping[str, str]) -> Bus:
    """Return the bus that `url` names. Raises BusMisconfigured, BusUnavailable.

    `clock` gives the append times of the embedded log; Kafka has its own.
    """
    # Each adapter is imported when it is used: a laptop needs no Kafka client, and it costs 0.2 s.
    if url.startswith(EMBEDDED):
        from shared.bus.embedded import EmbeddedBus  # noqa: PLC0415

        directory = url.removeprefix(EMBEDDED)
        if not directory:
            raise BusMisconfigured("embedded: needs a directory, such as embedded:/var/lib/barometer")
        return await EmbeddedBus.open(Path(directory), clock)
    if url.startswith(KAFKA):
        from shared.bus.kafka.bus import KafkaBus  # noqa: PLC0415

        return await KafkaBus.open(kafka_settings(url, environment))
    raise BusMisconfigured("the bus is named embedded:DIR or kafka://host:port,host:port")


def kafka_settings(url: str, environment: Mapping[str, str]) -> KafkaSettings:
    """Return the settings of a `kafka://` URL and the environment. Raises BusMisconfigured.

    BAROMETER_KAFKA_SECURITY_PROTOCOL (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL), ..._SASL_MECHANISM (PLAIN,
    SCRAM-SHA-256, SCRAM-SHA-512), ..._SASL_USERNAME, ..._SASL_PASSWORD or ..._SASL_PASSWORD_FILE,
    ..._SSL_CAFILE, ..._SSL_CERTFILE, ..._SSL_KEYFILE.
    """
    bootstrap = tuple(_address(part) for part in url.removeprefix(KAFKA).rstrip("/").split(","))
    protocol = _chosen(environment, "SECURITY_PROTOCOL", PROTOCOLS)
    username, password = environment.get(f"{PREFIX}SASL_USERNAME"), _secret(environment, "SASL_PASSWORD")
    if protocol.startswith("SASL") and (username is None or password is None):
        text = f"{PREFIX}SECURITY_PROTOCOL={protocol} needs {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD(_FILE)"
        raise BusMisconfigured(text)
    return KafkaSettings(
        bootstrap=bootstrap,
        security_protocol=protocol,
        sasl_mechanism=_chosen(environment, "SASL_MECHANISM", MECHANISMS),
        sasl_username=username,
        sasl_password=password,
        ssl_cafile=environment.get(f"{PREFIX}SSL_CAFILE"),
        ssl_certfile=environment.get(f"{PREFIX}SSL_CERTFILE"),
        ssl_keyfile=environment.get(f"{PREFIX}SSL_KEYFILE"),
    )


def _address(text: str) -> str:
    host, _, port = text.strip().rpartition(":")
    if "@" in text or not host or not port.isdecimal():
        # The text is not repeated: somebody may have put a password into it.
        raise BusMisconfigured(
            "kafka:// takes host:port,host:port and nothing else; secrets go to the environment"
        )
    return f"{host}:{port}"


def _chosen(environment: Mapping[str, str], name: str, choices: Sequence[Choice]) -> Choice:
    """Return the choice made, the first one if none was."""
    value = environment.get(f"{PREFIX}{name}", choices[0]).upper()
    for choice in choices:
        if choice == value:
            return choice
    raise BusMisconfigured(f"{PREFIX}{name} must be one of {', '.join(choices)}")


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """Return the secret from the variable, or from the file that the `_FILE` variable names."""
    if (path := environment.get(f"{PREFIX}{name}_FILE")) is None:
        return environment.get(f"{PREFIX}{name}")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        text = f"{PREFIX}{name}_FILE cannot be read: {error.strerror}"
        raise BusMisconfigured(text) from error
