"""A TCP proxy that does to connections what networks do: delay them, cut them, let them hang.

A cut connection is an error at once. The dangerous ones hang: the other side neither answers nor closes, or
takes what we send while its answers never come, so that nobody can know what had an effect. Bytes held back are
delivered once the way is healed, as TCP delivers them after a partition; `heal(reset=True)` drops the
connections instead, as a firewall does that forgot them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

CHUNK_BYTES: Final = 64 * 1024
DEADLINE_S: Final = 10.0


class Held(Enum):
    """What is held back."""

    NOTHING = "nothing"
    ANSWERS = "answers"
    """Requests get through and have their effect; nobody hears of it."""
    BOTH = "both"
    """Connections are accepted, and nothing moves."""


class Proxy:
    """Forwards from a port of its own to a port of loopback, in a thread of its own."""

    def __init__(self, target_port: int) -> None:
        """Listen at once; whoever listens on `target_port` may come later."""
        self._target_port = target_port
        self._held = Held.NOTHING
        self._delay_s = 0.0
        self._cut = False
        self._changed = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(lambda: asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return f"127.0.0.1:{self.port}"

    def delay(self, delay_s: float) -> None:
        """Hold every piece back for `delay_s`, each way."""
        self._call(lambda: self._apply(delay_s=delay_s))

    def cut(self) -> None:
        """Reset all connections, and every new one."""
        self._call(lambda: self._apply(cut=True))

    def hold(self, held: Held) -> None:
        """Let connections hang, new ones too."""
        self._call(lambda: self._apply(held=held))

    def heal(self, *, reset: bool = False) -> None:
        """Let everything pass again: what was held back too, unless `reset` drops its connections."""
        self._call(lambda: self._apply(reset=reset))

    def close(self) -> None:
        """End it with its connections. Repeats are harmless."""
        if not self._loop.is_closed():
            self._call(self._end)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE_S)
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(DEADLINE_S)

    async def _apply(
        self, *, held: Held = Held.NOTHING, delay_s: float = 0.0, cut: bool = False, reset: bool = False
    ) -> None:
        self._held, self._delay_s, self._cut = held, delay_s, cut
        if cut or reset:
            for connection in self._connections:
                connection.cancel()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _end(self) -> None:
        self._server.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            if self._cut:
                return
            await self._passable(Held.BOTH)
            answers, there = await asyncio.open_connection("127.0.0.1", self._target_port)
            ways = (
                asyncio.create_task(self._pump(reader, there, Held.BOTH)),
                asyncio.create_task(self._pump(answers, writer, Held.ANSWERS, Held.BOTH)),
            )
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return  # nobody listens there: ours hears of it by the end of its connection
        finally:
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *held: Held) -> None:
        while piece := await source.read(CHUNK_BYTES):
            await asyncio.sleep(self._delay_s)
            await self._passable(*held)
            sink.write(piece)
            await sink.drain()

    async def _passable(self, *held: Held) -> None:
        while self._held in held:
            await self._changed.wait()


@dataclass(frozen=True)
class ProxyGroup:
    """Several proxies disturbed as one: the ways to all nodes of a cluster."""

    proxies: list[Proxy] = field(default_factory=list)

    def delay(self, delay_s: float) -> None:
        """See `Proxy.delay`."""
        for proxy in self.proxies:
            proxy.delay(delay_s)

    def cut(self) -> None:
        """See `Proxy.cut`."""
        for proxy in self.proxies:
            proxy.cut()

    def hold(self, held: Held) -> None:
        """See `Proxy.hold`."""
        for proxy in self.proxies:
            proxy.hold(held)

    def heal(self, *, reset: bool = False) -> None:
        """See `Proxy.heal`."""
        for proxy in self.proxies:
            proxy.heal(reset=reset)
