"""A process as a whole: workers and the HTTP server side by side, signals, the exit code.

Shapes that look natural and are wrong (each was tried): a worker started in the
web framework's lifespan dies and leaves a process that answers 200; uvicorn's own signal handling raises
SIGTERM again and ends the process before the last commit. So workers and server are siblings in one task
group, the signals are ours, and the order of a stop is fixed: workers finish and commit, then the
server goes, then whoever opened the adapters closes them.

Nothing here waits for ever. A stop and a crash each have a budget, watched by a thread that ends the
process when asyncio no longer can.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final, Protocol

import structlog
import uvicorn
from starlette.types import ASGIApp

from shared.bus.port import BusMisconfigured, BusUnavailable
from shared.runtime import collector
from shared.runtime.port import PositionLost, PositionMismatch, StoreMisconfigured, StoreUnavailable

STOP_BUDGET_S: Final = 28.0
"""From the first signal to the end: a worker's 20 s, the server's 5 s, closing. Kubernetes gives 30 s."""
CRASH_BUDGET_S: Final = 10.0
"""From a worker's death (or a second signal) to the end: siblings are cancelled, adapters closed."""
SERVER_STOP_S: Final = 5
"""For requests in flight; open event streams never end by themselves."""
BACKLOG_MAX: Final = 2_048
"""Connections the kernel keeps waiting; further ones are refused."""

_log = structlog.get_logger(__name__)


class Exit(IntEnum):
    """Exit codes of every command that runs a service."""

    CLEAN = 0
    CRASH = 1
    """A worker or the server died, or a second signal cut the stop short."""
    USAGE = 2
    """Arguments, configuration, schema or stored position: only a person can mend it."""
    UNAVAILABLE = 3
    """The bus or the database could not be reached at start: starting again may help."""


class Worker(Protocol):
    """Something that runs until stopped; ending earlier is a failure."""

    async def run(self) -> None:
        """Work until stopped."""
        ...

    def stop(self) -> None:
        """Let `run` finish what it has in hand and return."""
        ...


class CannotListen(Exception):
    """The HTTP address is taken or not ours."""


class Died(Exception):
    """A worker or the server ended without being asked to; the cause, if any, is chained."""


_FOR_A_PERSON: Final[tuple[type[Exception], ...]] = (
    StoreMisconfigured, BusMisconfigured, PositionMismatch, PositionLost, CannotListen,
)  # fmt: skip


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Port 0 takes a free one. Raises CannotListen."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG_MAX)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror or error}") from error


def run(main: Callable[[], Coroutine[Any, Any, None]], *, refusals: tuple[type[Exception], ...] = ()) -> Exit:
    """Run `main` to its end on the fastest event loop installed and return the exit code.

    `refusals` are further exceptions that mean Exit.USAGE. What went wrong is logged once.
    """
    if sys.flags.optimize:
        # Assertions are part of the program: they stop it before it writes something false.
        _log.critical("refused to start", reason="python -O removes the assertions this program relies on")
        return Exit.USAGE
    collector.tune()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        _log.error("aborted")
        return Exit.CRASH
    except Exception as error:  # noqa: BLE001 (the outermost frame: every error ends here, as an exit code)
        return _verdict(error, refusals)
    return Exit.CLEAN


async def serve(app: ASGIApp, workers: Mapping[str, Worker], listening: socket.socket) -> None:
    """Serve `app` beside `workers` until SIGTERM or SIGINT; returns when all of them ended in order.

    If one of them ends by itself, all are cancelled, and an exception group with Died is raised.
    """
    host, port = listening.getsockname()[:2]
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",  # workers are not the framework's to start; cancelled, it would log a traceback
            timeout_graceful_shutdown=SERVER_STOP_S,
        )
    )
    stopping = _install_signals()
    async with asyncio.TaskGroup() as tasks:
        working = [
            tasks.create_task(_guarded(name, worker.run(), stopping), name=name)
            for name, worker in workers.items()
        ]
        web = _guarded("http", _serve_http(server, listening), stopping)
        tasks.create_task(web, name="http")
        tasks.create_task(_stop_in_order(stopping, workers, working, server), name="stop")
        _log.info("listening", host=host, port=port)


async def run_workers(workers: Mapping[str, Worker]) -> None:
    """Run `workers` without a server, under the same signals; as `serve` does."""
    stopping = _install_signals()
    async with asyncio.TaskGroup() as tasks:
        working = [
            tasks.create_task(_guarded(name, worker.run(), stopping), name=name)
            for name, worker in workers.items()
        ]
        tasks.create_task(_stop_in_order(stopping, workers, working, None), name="stop")


async def _stop_in_order(
    stopping: asyncio.Event,
    workers: Mapping[str, Worker],
    working: list[asyncio.Task[None]],
    server: uvicorn.Server | None,
) -> None:
    await stopping.wait()
    for worker in workers.values():
        worker.stop()
    if working:
        await asyncio.wait(working)
    if server is not None:
        server.should_exit = True


async def _guarded(name: str, work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> None:
    """Run `work`; make sure that its death is heard at once, and ends the process in bounded time."""
    try:
        await work
    except Exception as error:
        _watch(CRASH_BUDGET_S)
        # A group's own text only counts its errors; what each says is what a person needs.
        reason = "; ".join(dict.fromkeys(map(str, _leaves(error))))
        # Logged here and nowhere else: if a sibling cannot be cancelled, nobody gets further than this.
        _log.critical("died", part=name, reason=reason, exc_info=not _needs_person(error, ()))
        raise Died(f"{name} died: {reason}") from error
    if not stopping.is_set():
        _watch(CRASH_BUDGET_S)
        _log.critical("died", part=name, reason="ended without being asked to")
        raise Died(f"{name} ended without being asked to")


async def _serve_http(server: uvicorn.Server, listening: socket.socket) -> None:
    try:
        await server.serve(sockets=[listening])
    except SystemExit as error:
        raise Died("the HTTP server could not start") from error


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would end the process before the last commit."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


def _install_signals() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; a second one cancels the main task.

    The handlers stay until the loop closes: a signal while the adapters close must not kill.
    """
    stopping = asyncio.Event()
    main = asyncio.current_task()
    assert main is not None

    def signalled(number: int) -> None:
        if not stopping.is_set():
            _log.info("stopping", signal=signal.Signals(number).name)
            _watch(STOP_BUDGET_S)
            stopping.set()
        else:
            _log.warning("stopping at once", signal=signal.Signals(number).name)
            _watch(CRASH_BUDGET_S)
            main.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled, number)
    return stopping


def _watch(budget_s: float) -> None:
    """End the process after `budget_s` if it is still there: the last resort, and no clean-up."""

    def end() -> None:
        _log.critical("ended by force", budget_s=budget_s)
        sys.stderr.flush()
        os._exit(Exit.CRASH)

    watchdog = threading.Timer(budget_s, end)
    watchdog.daemon = True
    watchdog.start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (an extra: it may not be there)
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _verdict(error: Exception, refusals: tuple[type[Exception], ...]) -> Exit:
    leaves = list(_leaves(error))
    died = [leaf for leaf in leaves if isinstance(leaf, Died)]
    if died:
        return Exit.USAGE if all(_needs_person(leaf.__cause__, refusals) for leaf in died) else Exit.CRASH
    if all(_needs_person(leaf, refusals) for leaf in leaves):
        for leaf in leaves:
            _log.critical("refused to start", reason=str(leaf))
        return Exit.USAGE
    if all(isinstance(leaf, StoreUnavailable | BusUnavailable) for leaf in leaves):
        for leaf in leaves:
            _log.critical("cannot start", reason=str(leaf))
        return Exit.UNAVAILABLE
    _log.critical("crashed", exc_info=error)
    return Exit.CRASH


def _needs_person(error: BaseException | None, refusals: tuple[type[Exception], ...]) -> bool:
    if error is None:
        return False
    return all(isinstance(leaf, (*_FOR_A_PERSON, *refusals)) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
