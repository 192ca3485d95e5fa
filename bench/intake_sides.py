"""Intake and its bare peer as processes on one broker, each with one worker."""

from __future__ import annotations

import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from bench.cpu import processor_seconds
from bench.figures import Figures
from bench.load import Post, Pressed, press
from tests.servers.child import Child, free_port
from tests.servers.kafka import KafkaServer

ROOT: Final = Path(__file__).resolve().parents[1]
WARM_SECONDS: Final = 3.0


class Servers(NamedTuple):
    """Where the two answer, and their processes."""

    intake: str
    bare: str
    intake_pid: int
    bare_pid: int


@contextmanager
def running(configuration: str = "", variables: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Give intake (`barometer intake`) and the bare app, both ready, on a broker of their own.

    `configuration` is what stands in intake's barometer.yaml, `variables` its environment beside the usual.
    """
    with tempfile.TemporaryDirectory(prefix="bench-intake-") as directory, KafkaServer() as kafka:
        ports = free_port(), free_port()
        barometer = [sys.executable, "-m", "barometer", "intake", "--port", str(ports[0])]
        uvicorn = [
            sys.executable, "-m", "uvicorn", "bench.peers.bare_intake:app", "--workers", "1",
            "--no-access-log", "--log-level", "warning", "--port", str(ports[1]),
        ]  # fmt: skip
        environment = {
            "PYTHONPATH": str(ROOT),
            "BENCH_KAFKA": kafka.bootstrap,
            "BAROMETER_BUS": kafka.bus_url,
            **(variables or {}),
        }
        if configuration:
            file = Path(directory) / "barometer.yaml"
            file.write_text(configuration, encoding="utf-8")
            environment["BAROMETER_CONFIG"] = str(file)
        children = []
        try:
            for name, command, port in (("intake", barometer, ports[0]), ("bare", uvicorn, ports[1])):
                children.append(_started(name, command, port, Path(directory), environment))
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            yield Servers(urls[0], urls[1], children[0].pid, children[1].pid)
        finally:
            for child in children:
                child.kill()


def _started(
    name: str, command: Sequence[str], port: int, directory: Path, environment: Mapping[str, str]
) -> Child:
    child = Child(command, directory / f"{name}.log", environment=environment, directory=directory)
    child.wait_ready(lambda: _ready(f"http://127.0.0.1:{port}/readyz"))
    return child


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Side:
    """One way to send the same tickets."""

    url: str
    pid: int
    bodies: Sequence[bytes]
    content_type: str
    events_a_request: int
    connections: int
    seconds: float
    headers: Sequence[Mapping[str, str]] = ()
    """Of each body, beside the content type; empty: none."""

    def warm(self) -> None:
        """Let the server get going."""
        self._press(WARM_SECONDS)

    def __call__(self) -> Figures:
        """Press it for a while."""
        before = processor_seconds(self.pid)
        pressed = self._press(self.seconds)
        events = pressed.requests * self.events_a_request
        used = processor_seconds(self.pid) - before
        return {
            "events_per_second": events / pressed.seconds,
            "p50_ms": pressed.p50_ms,
            "p99_ms": pressed.p99_ms,
            "own_cpu_us_per_event": used / events * 1e6,
            "own_cpu_share": used / pressed.seconds,
        }

    def _press(self, seconds: float) -> Pressed:
        own = self.headers or [{}] * len(self.bodies)
        posts = [
            Post(body, {"Content-Type": self.content_type, **headers})
            for body, headers in zip(self.bodies, own, strict=True)
        ]
        return press(self.url, posts, connections=self.connections, seconds=seconds)
