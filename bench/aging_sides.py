"""Aging on SQLite and on Postgres, and its peer, reading one topic of one broker in turn."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.aging_log import fill
from bench.figures import Figures
from bench.harness import Benchmark, Machine, Target, Verdict, run
from bench.quick import sized
from services.aging.adapters.sql import MIGRATIONS
from shared.bus.connect import connect
from shared.clock import SystemClock
from shared.contracts.tickets import Observation
from shared.contracts.topics import Topic
from shared.sql.engine import opened
from shared.sql.migrate import upgrade
from tests.servers.child import Unavailable
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

ROOT: Final = Path(__file__).resolve().parents[1]
PEER_PYTHON: Final = ROOT / ".cache" / "bench-peer" / "bin" / "python"
PEER: Final = "Quix Streams"
SQLITE: Final = "barometer aging, SQLite"
POSTGRES: Final = "barometer aging, Postgres"
PAUSE_P99_MS_MAX: Final = 300
_DEADLINE_S: Final = 180


def compared(name: str, title: str, topic: Topic, observations: Iterable[Observation]) -> list[Verdict]:
    """Fill `topic`, let every side read it several times, and return what became of the targets."""
    machine = Machine.now()
    with _servers() as (kafka, postgres, directory):
        total = asyncio.run(_filled(kafka.bus_url, topic, observations))
        own = partial(_aging, kafka, topic, total)
        sides: dict[str, Callable[[], Figures]] = {
            SQLITE: lambda: own(_sqlite(directory)),
            PEER: lambda: _quix(kafka, topic, total, directory),
        }
        if postgres is not None:
            sides[POSTGRES] = lambda: own(_postgres(postgres))
        ours = [side for side in sides if side != PEER]
        return run(
            name,
            Benchmark(
                title=f"{total:,} observations, {title}",
                sides=sides,
                rounds=sized(3, 1),
                targets=[target for side in ours for target in _targets(side)],
            ),
            machine,
        )


def _targets(side: str) -> Sequence[tuple[str, Target]]:
    return (
        (side, Target("events_per_second", 0.5, peer=PEER)),
        (side, Target("batch_pause_p99_ms", PAUSE_P99_MS_MAX, at_most=True)),
    )


@contextmanager
def _servers() -> Iterator[tuple[KafkaServer, PostgresServer | None, Path]]:
    if not PEER_PYTHON.exists():
        raise Unavailable("Quix Streams is not installed (requirements/install.sh bench-peer)")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-aging-")))
        kafka = stack.enter_context(KafkaServer())
        postgres: PostgresServer | None = None
        try:
            postgres = stack.enter_context(PostgresServer(fsync=True))
        except Unavailable as missing:
            print(f"without Postgres: {missing}")
        yield kafka, postgres, directory


async def _filled(bus_url: str, topic: Topic, observations: Iterable[Observation]) -> int:
    async with await connect(bus_url, clock=SystemClock(), environment={}) as bus:
        return await fill(bus, topic, observations)


def _sqlite(directory: Path) -> str:
    fresh = Path(tempfile.mkdtemp(dir=directory))
    return f"sqlite+aiosqlite:///{fresh / 'aging.db'}"


def _postgres(server: PostgresServer) -> str:
    url = server.new_database()

    async def prepare() -> None:
        async with opened(url) as engine:
            await upgrade(engine, MIGRATIONS)

    asyncio.run(prepare())
    return url


def _aging(kafka: KafkaServer, topic: Topic, total: int, database: str) -> Figures:
    return _asked(
        [
            sys.executable, "-m", "bench.aging_process", "--bus", kafka.bus_url, "--database", database,
            "--topic", topic.name, "--total", str(total),
        ]
    )  # fmt: skip


def _quix(kafka: KafkaServer, topic: Topic, total: int, directory: Path) -> Figures:
    script = str(ROOT / "bench" / "peers" / "quix_state.py")
    state = tempfile.mkdtemp(dir=directory)
    return _asked([str(PEER_PYTHON), "-W", "ignore", script, kafka.bootstrap, topic.name, str(total), state])


def _asked(command: Sequence[str]) -> Figures:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_DEADLINE_S, cwd=ROOT)
    assert done.returncode == 0, f"{done.stdout[-2000:]}{done.stderr[-6000:]}"
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
