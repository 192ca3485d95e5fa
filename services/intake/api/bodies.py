"""Bodies, read within bounds: no sender can make this process hold more than it is willing to.

The limit holds while a body streams in, whether or not it was announced. What is in flight is counted
in requests and in bytes over all senders; beyond the bound the answer is 429 at once, for waiting in
memory is what the bound is against. Compressed bodies are refused (415): a kilobyte can hold a gigabyte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from starlette.requests import ClientDisconnect, Request

from services.intake.settings import Limits
from shared.http.problems import Problem

IDENTITY: Final = b"identity"
_LENGTH_DIGITS_MAX: Final = 20
_HTTP_REQUEST_TIMEOUT: Final = 408


class Disconnected(Exception):
    """The sender went away before its body was whole; nobody reads an answer."""


class InFlight:
    """What is being worked on now, over all requests of this process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.bytes = 0

    def enter(self) -> Share:
        """Return the share of one more request; use it in a `with`. Raises Problem 429."""
        if self.requests >= self.limits.in_flight_requests_max:
            raise self._throttled(f"{self.requests} requests are in flight")
        return Share(self)

    def _throttled(self, why: str) -> Problem:
        wait = str(self.limits.retry_after_seconds)
        return Problem("too-many", 429, f"{why}; come again after {wait} s", headers={"Retry-After": wait})

    def take(self, number: int) -> None:
        """Count `number` more bytes. Raises Problem 429."""
        if self.bytes + number > self.limits.in_flight_bytes_max:
            raise self._throttled(f"{self.bytes} bytes are in flight")
        self.bytes += number


class Share:
    """One request's part of what is in flight, given back at its end."""

    __slots__ = ("_all", "_bytes")

    def __init__(self, all: InFlight) -> None:
        self._all = all
        self._bytes = 0

    def __enter__(self) -> Self:
        self._all.requests += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.requests -= 1
        self._all.bytes -= self._bytes

    def take(self, number: int) -> None:
        """Count `number` more bytes for this request. Raises Problem 429."""
        self._all.take(number)
        self._bytes += number


async def read_body(request: Request, headers: Mapping[bytes, bytes], share: Share, limits: Limits) -> bytes:
    """Return the whole body. Raises Problem 408, 413, 415, 429, or Disconnected."""
    if headers.get(b"content-encoding", IDENTITY).strip().lower() != IDENTITY:
        accepted = {"Accept-Encoding": IDENTITY.decode()}
        raise Problem("unsupported-media-type", 415, "send the body uncompressed", headers=accepted)
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:_LENGTH_DIGITS_MAX]) > limits.body_bytes_max:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_wait_seconds):
            return await _collect(request, share, limits)
    except TimeoutError:
        detail = f"the body was not here within {limits.body_wait_seconds} s"
        raise Problem("invalid-request", _HTTP_REQUEST_TIMEOUT, detail) from None
    except ClientDisconnect:
        raise Disconnected from None


async def _collect(request: Request, share: Share, limits: Limits) -> bytes:
    chunks: list[bytes] = []
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limits.body_bytes_max:
            raise _too_large(limits)
        share.take(len(chunk))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limits: Limits) -> Problem:
    detail = f"a request has at most {limits.body_bytes_max} bytes; split the batch"
    # The rest of the body is not read, so the connection is of no further use.
    return Problem("too-large", 413, detail, headers={"Connection": "close"})
