"""A child process that is ready or says why not, and is gone when told so.

What this prevents: a broker left behind by an interrupted run, a start that waits for ever, and a failure
whose reason stands in a file that nobody saw.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

READY_DEADLINE_S: Final = 60.0
STOP_DEADLINE_S: Final = 20.0
POLL_S: Final = 0.05
LOG_TAIL_BYTES: Final = 4_000
_GUARD: Final = Path(__file__).with_name("guard.py")


class Unavailable(Exception):
    """A real server cannot be had on this machine; the text says what is missing."""


class StartFailed(Exception):
    """A server that is installed did not get ready; the text ends with its log."""


def free_port() -> int:
    """Return a port that nobody listens on at this moment (loopback)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Tell whether somebody accepts connections on `port` of loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def wait_until(
    holds: Callable[[], bool], what: str, *, deadline_s: float = READY_DEADLINE_S, poll_s: float = POLL_S
) -> None:
    """Return once `holds()`; raises TimeoutError naming `what` after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {deadline_s} s")
        time.sleep(poll_s)


class Child:
    """One child process in a session of its own, its output in a log file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
        directory: Path | None = None,
    ) -> None:
        """Start `command`; `user` is (uid, gid) to become. Output is appended to `log`."""
        uid, gid = user or (-1, -1)
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(uid), str(gid), *command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=directory,
                start_new_session=True,  # Ctrl-C is for the test run, which then stops its servers in order
            )
        self._log = log

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], *, deadline_s: float = READY_DEADLINE_S) -> None:
        """Return once `ready()`; raises StartFailed when it dies first or takes longer than `deadline_s`."""
        try:
            wait_until(lambda: not self.alive or ready(), "readiness", deadline_s=deadline_s)
        except TimeoutError:
            self.kill()
            raise StartFailed(f"not ready within {deadline_s} s\n{self.log_tail()}") from None
        if not self.alive:
            raise StartFailed(f"ended with {self._process.returncode}\n{self.log_tail()}")

    def wait(self, deadline_s: float) -> int:
        """Return its exit code once it ended by itself; SIGKILL after `deadline_s`."""
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def stop(self, first: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end with `first`, insist after STOP_DEADLINE_S; returns its exit code. Repeats are harmless."""
        if self.alive:
            self._process.send_signal(first)
        return self.wait(STOP_DEADLINE_S)

    def kill(self) -> None:
        """End it and its children with SIGKILL, and wait."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        """Return the end of the log."""
        return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
