"""A desk over HTTP, on a free port of loopback: as little of HTTP/1.1 as a client needs, and a way to break it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import parse_qsl

from tests.servers.desks.desk import Answered, Asked, Desk

HEAD_BYTES_MAX: Final = 64 * 1024
_REASONS: Final = {200: "OK", 304: "Not Modified"}


@asynccontextmanager
async def served(desk: Desk, port: int = 0) -> AsyncIterator[str]:
    """Give the base address of `desk`."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await _send(desk.answer(parsed(head)), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away, which is its right
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", port, limit=HEAD_BYTES_MAX)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextmanager
def served_beside(desk: Desk) -> Iterator[str]:
    """Give the base address of `desk`, served by a thread of its own: for tests that wait for other processes."""
    started, address = threading.Event(), [""]
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), stop))
        async with served(desk) as address[0]:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10), "the desk did not start"
    try:
        yield address[0]
    finally:
        loop, stop = stopping[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def parsed(head: bytes) -> Asked:
    """Return the request of a head."""
    line, *rest = head.decode("latin-1").split("\r\n")
    target = line.split(" ")[1]
    path, _, query = target.partition("?")
    headers = dict(one.split(": ", 1) for one in rest if one)
    return Asked(path, dict(parse_qsl(query)), {name.lower(): value for name, value in headers.items()})


async def _send(answer: Answered, writer: asyncio.StreamWriter) -> None:
    reason = _REASONS.get(answer.status, "Other")
    headers = {**answer.headers, "connection": "close", "content-length": str(len(answer.body))}
    head = f"HTTP/1.1 {answer.status} {reason}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
    writer.write(head.encode("latin-1") + b"\r\n" + body)
    await writer.drain()
    if answer.cut:
        writer.transport.abort()
