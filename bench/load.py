"""Pressing a server as hard as a number of connections can: by wrk where it is installed.

wrk takes far less of the machine than anything in Python, and the machine is what it shares with the
server under test. Where it is missing, a loader on asyncio stands in; both sides of a comparison then
suffer alike, but absolute figures are lower.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bench.figures import percentile

_SCRIPT: Final = Path(__file__).with_name("wrk") / "post.lua"
_GRACE_S: Final = 30


class Pressed(NamedTuple):
    """What a load came to; latencies are those of whole requests."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int
    """Answers other than 2xx and 3xx."""
    broken: int
    """Requests that got no answer."""


class Post(NamedTuple):
    """One request to send: its body, and its headers beside the usual ones."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def lines(self) -> str:
        """The headers, one a line."""
        return "\r\n".join(f"{name}: {value}" for name, value in self.headers.items())


def press(url: str, posts: Sequence[Post], *, connections: int, seconds: float) -> Pressed:
    """POST `posts` in turn to `url` over `connections` for `seconds`; each must be answered well."""
    wrk = shutil.which("wrk")
    if wrk is None:
        found = asyncio.run(_press(url, posts, connections, seconds))
    else:
        found = _by_wrk(wrk, url, posts, connections, seconds)
    assert found.requests > 0, f"{url}: nothing was answered"
    assert found.failed == 0, f"{url}: {found}"
    return found


def _by_wrk(wrk: str, url: str, posts: Sequence[Post], connections: int, seconds: float) -> Pressed:
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as directory:
        paths = []
        for number, post in enumerate(posts):
            path = Path(directory) / str(number)
            path.write_bytes(f"{post.lines}\r\n\r\n".encode() + post.body)
            paths.append(str(path))
        shape = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
        done = subprocess.run(
            [wrk, *shape, "-s", str(_SCRIPT), url, "--", *paths],
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE_S,
        )
    last = [line for line in done.stdout.splitlines() if line.startswith("{")][-1]
    return Pressed(**json.loads(last))


async def _press(url: str, posts: Sequence[Post], connections: int, seconds: float) -> Pressed:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    requests = [
        f"{head}{post.lines}\r\nContent-Length: {len(post.body)}\r\n\r\n".encode() + post.body
        for post in posts
    ]
    turn, taken, failed = cycle(requests), list[float](), list[int]()
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (began := time.perf_counter()) < end:
            writer.write(next(turn))
            status = await _answer(reader)
            taken.append((time.perf_counter() - began) * 1e3)
            if not 200 <= status < 400:
                failed.append(status)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    span = time.perf_counter() - began
    return Pressed(
        len(taken), span, percentile(taken, 0.5), percentile(taken, 0.99), failed=len(failed), broken=0
    )


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(lines[0].split()[1])
