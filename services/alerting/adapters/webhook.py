"""Notifications as signed webhooks, by the Standard Webhooks scheme (standardwebhooks.com).

    POST <url>
    webhook-id: <the same at every attempt>         webhook-timestamp: <of this attempt, unix seconds>
    webhook-signature: v1,<base64 of HMAC-SHA256>   content-type: application/json
    {"type": "barometer.alert.fired.v1", "timestamp": "2026-01-02T03:04:05Z", "data": {...}}

`data` is the alert as on the topic `alerts.v1`. Delivery is at least once: a receiver drops repeats by
`webhook-id`. The address is looked up once an attempt, every address found is checked, and the one that
was checked is the one connected to: a name that changes its mind in between reaches nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
from standardwebhooks import Webhook as Signer

from services.alerting.core.delivery import Attempt, Outcome, judge
from shared.contracts.event_id import derived_id
from shared.contracts.instants import SECOND_US, from_us, to_us

TIMEOUT_S: Final = 15.0
"""Of a whole attempt: look-up, connection, request and the head of the answer."""
BODY_BYTES_MAX: Final = 20_000
"""Standard Webhooks asks for less than 20 KB."""
CONNECTIONS_MAX: Final = 16

SECRET_BYTES: Final = range(24, 65)
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (what a secret begins with, not one)
_HTTP_PORTS: Final = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class BadReceiver(ValueError):
    """The receiver's configuration is of no use; the message says what to mend and shows no secret."""


class Forbidden(Exception):
    """The receiver's name leads to an address that must not be called."""


class Unresolved(Exception):
    """The receiver's name leads nowhere, for now."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses may be called. Link-local (cloud metadata), multicast and reserved ones never."""

    loopback: bool = False
    private: bool = False

    def allows(self, address: Address) -> bool:
        """Return whether `address` may be called."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            return self.allows(address.ipv4_mapped)
        if address.is_loopback:
            return self.loopback
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        if address.is_private:
            return self.private
        return address.is_global


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host`. Raises Unresolved."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unresolved(str(error)) from error
    return [str(entry[4][0]) for entry in found]


def open_client() -> httpx2.AsyncClient:
    """Return the client that all receivers share: no redirects, no proxies from the environment."""
    return httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=TIMEOUT_S,
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
    )


def signers(secret: str) -> tuple[Signer, ...]:
    """Return what signs with `secret`; two of them, separated by a space, during a rotation.

    Raises BadReceiver. The library skips characters that are not base64, which would sign with a key
    that nobody else has, so they are refused here.
    """
    # An empty secret is checked like any other: it must not come to mean that nothing is signed.
    return tuple(_signer(part) for part in secret.split() or ("",))


def _signer(secret: str) -> Signer:
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise BadReceiver(
            "a webhook's secret is `whsec_` and the base64 of 24 to 64 random bytes; make one with "
            "`echo whsec_$(openssl rand -base64 32)`"
        )
    return Signer(key)


class WebhookNotifier:
    """Notifier: posts to one URL."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        *,
        secret: str | None,
        reach: Reach,
        resolve: Resolve = look_up,
    ) -> None:
        self._client = client
        self._url = httpx2.URL(url)
        self._signers = () if secret is None else signers(secret)
        self._reach = reach
        self._resolve = resolve

    @property
    def address(self) -> str:
        """A digest of the URL, which may hold a token."""
        return derived_id("webhook", str(self._url))

    async def send(self, delivery_id: str, body: bytes, *, at_us: int) -> Attempt:
        """Make one attempt."""
        assert len(body) <= BODY_BYTES_MAX, f"{len(body)} bytes"
        try:
            async with asyncio.timeout(TIMEOUT_S):
                request = await self._request(delivery_id, body, at_us)
                return await self._exchange(request, at_us)
        except Forbidden as error:
            return Attempt(Outcome.FAILED, str(error))
        except Unresolved:
            return Attempt(Outcome.RETRY, "the name cannot be resolved")
        except (TimeoutError, httpx2.TimeoutException):
            return Attempt(Outcome.RETRY, f"no answer within {TIMEOUT_S:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            # The name of the class only: the text may repeat the URL, and that may hold a token.
            return Attempt(Outcome.RETRY, f"not reached: {type(error).__name__}")

    async def _request(self, delivery_id: str, body: bytes, at_us: int) -> httpx2.Request:
        host = self._url.host
        address = await self._checked_address(host)
        headers = {
            "host": self._url.netloc.decode(),
            "content-type": "application/json",
            "user-agent": "barometer",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(at_us // SECOND_US),
        }
        if self._signers:
            # from_us gives UTC: the library replaces an instant's zone instead of converting it.
            at, text = from_us(at_us), body.decode()
            headers["webhook-signature"] = " ".join(
                signer.sign(delivery_id, at, text) for signer in self._signers
            )
        return self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body,
            headers=headers,
            # The certificate must be that of the name, though the connection goes to the address.
            extensions={"sni_hostname": host},
        )

    async def _checked_address(self, host: str) -> str:
        port = self._url.port or _HTTP_PORTS[self._url.scheme]
        found = await self._resolve(host, port)
        for each in found:
            if not self._reach.allows(ipaddress.ip_address(each)):
                raise Forbidden(
                    "the address is private or local: allow it with BAROMETER_WEBHOOK_PRIVATE=true"
                )
        if not found:
            raise Unresolved(host)
        return found[0]

    async def _exchange(self, request: httpx2.Request, at_us: int) -> Attempt:
        # The status is all that counts. The body is never read, so it cannot be too large or too slow.
        answer = await self._client.send(request, stream=True)
        await answer.aclose()
        return judge(answer.status_code, retry_after_us(answer.headers.get("retry-after"), at_us))


def retry_after_us(value: str | None, at_us: int) -> int | None:
    """Return how long a `Retry-After` header asks to wait: seconds, or an HTTP date; None if neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return int(value) * SECOND_US
    try:
        wanted = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0, to_us(wanted) - at_us) if wanted.tzinfo is not None else None
