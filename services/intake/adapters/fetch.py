"""Asking vendors' APIs over HTTP: bounded, and never anywhere but where the configuration says.

Redirects are not followed, proxies of the environment are not used, and credentials stand in headers only: an
address ends up in logs. An error is told by its class, for its text may repeat the address.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httpx2

from services.intake.core.pull.port import Answer, Request, Unreached
from services.intake.core.pull.source import PulledSource
from shared.clock import Clock
from shared.contracts.instants import from_us

TIMEOUT_S: Final = 15.0
"""Of a request and its whole answer; a stop waits for it."""
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of an answer, unpacked. A page of 200 tickets has some 2 MiB."""
CONNECTIONS_MAX: Final = 16
AGENT: Final = "barometer"
"""GitHub refuses requests without a name."""


def open_client() -> httpx2.AsyncClient:
    """Return the client that all sources share; the caller closes it."""
    return httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=False,
        timeout=TIMEOUT_S,
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
    )


class HttpFetch:
    """`ports.Fetch` for one source."""

    def __init__(self, client: httpx2.AsyncClient, source: PulledSource, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._url = source.url
        self._headers = {"accept": "application/json", "user-agent": AGENT, **source.credentials}

    async def get(self, request: Request) -> Answer | Unreached:
        """See `ports.Fetch.get`."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._exchange(request)
        except (TimeoutError, httpx2.TimeoutException):
            return Unreached(f"none within {TIMEOUT_S:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Unreached(type(error).__name__)

    async def _exchange(self, request: Request) -> Answer | Unreached:
        asked = self._client.build_request(
            "GET",
            f"{self._url}/{request.path}",
            params=list(request.query),
            headers={**self._headers, **request.headers},
        )
        answer = await self._client.send(asked, stream=True)
        try:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    return Unreached(f"it is larger than {BODY_BYTES_MAX} bytes")
        finally:
            await answer.aclose()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, bytes(body), from_us(self._clock.now_us()))
