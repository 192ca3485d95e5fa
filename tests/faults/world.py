"""A whole Barometer on a real cluster and a real database, under load, with everything that can fail at hand."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import yaml

from tests.contract.receiver import Receiver, receiving
from tests.e2e.harness import Deployment, Process, running, three_processes
from tests.faults.count import FACTS, TOPICS, Count, Raw, Seen, count
from tests.faults.load import Desk
from tests.faults.raw import Tail, rows
from tests.servers.cluster import KafkaCluster
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy, ProxyGroup

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
RULE: Final = {
    "name": "many open", "measure": "open", "by": ["queue"], "above": 2, "severity": "critical",
    "summary": "More than two.",
}  # fmt: skip
SETTLE_S: Final = 120.0
LOOK_EVERY_S: Final = 0.3


@dataclass
class Recovery:
    """How long a fault was felt by whoever came at the moment it struck: seconds since then."""

    acknowledged_s: float
    stated_s: float
    told_s: float

    def __str__(self) -> str:
        return (
            f"acknowledged after {self.acknowledged_s:.1f} s, stated after {self.stated_s:.1f} s, "
            f"told after {self.told_s:.1f} s"
        )


@dataclass
class World:
    """The parts, the load, and what is known to have been promised."""

    cluster: KafkaCluster
    postgres: PostgresServer
    database_way: Proxy
    deployment: Deployment
    receiver: Receiver
    desk: Desk
    tail: Tail
    recoveries: dict[str, list[Recovery]] = field(default_factory=dict)
    _decoded: dict[str, list[Raw]] = field(default_factory=dict)
    """What the tail has found, decoded once."""

    @property
    def processes(self) -> Mapping[str, Process]:
        """Every process of ours."""
        return self.deployment.processes

    def count(self) -> Count:
        """Count now; raises OSError and the drivers' errors where something is still away."""
        url = self.deployment.databases["aging"]
        marks = rows(url, "SELECT ticket, count(*) FROM marks GROUP BY ticket")
        tickets = rows(url, "SELECT ticket, status, queue, open, created_us FROM tickets")
        for topic, records in self.tail.look().items():
            decoded = self._decoded.setdefault(topic, [])
            decoded += map(_raw, records[len(decoded) :])
        seen = Seen(self._decoded, tickets, dict(marks), tuple(self.receiver.received))
        return count(self.desk.stories.values(), seen)

    def settled(self, deadline_s: float = SETTLE_S) -> Count:
        """Return the count once it is good; the failure shows what is wrong with the last one."""
        end = time.monotonic() + deadline_s
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                last = self.count()
                if last.good or time.monotonic() > end:
                    break
            assert time.monotonic() < end, "nothing can be counted"
            time.sleep(LOOK_EVERY_S)
        assert ([], []) == (last.lost[:5], last.double[:5]), str(last)
        return last

    def suffer(self, name: str, strike: Callable[[], object], *, after_s: float = 0.7) -> Recovery:
        """Let `strike` happen under load; return once everything that was acknowledged came to pass, once."""
        start = time.monotonic()
        with self.desk.sending():
            time.sleep(after_s)
            begin_us = time.time_ns() // 1_000
            strike()
            queue = self.desk.probe()
            asked_us = time.time_ns() // 1_000
        counted = self.settled()
        recovery = Recovery(
            (asked_us - begin_us) / 1e6, self._stated(queue, begin_us), self._told(queue, begin_us)
        )
        self.recoveries.setdefault(name, []).append(recovery)
        print(f"{name}: {recovery}; {counted}; {time.monotonic() - start:.1f} s in all", flush=True)
        return recovery

    def heal(self) -> None:
        """Let every way pass again, start what does not run, and return once all is ready and counted."""
        ProxyGroup(
            [self.database_way, *(each for way in self.cluster.ways.values() for each in way.proxies)]
        ).heal()
        for node in self.cluster.nodes.values():
            if not node.alive:
                node.begin()
        for process in self.processes.values():
            if not process.alive:
                process.start()
        self.wait_ready()
        self.settled()

    def wait_ready(self) -> None:
        """Return once every node and every process of ours is ready."""
        for node in self.cluster.nodes.values():
            node.wait_ready()
        for process in self.processes.values():
            process.wait_ready()

    def _stated(self, queue: str, begin_us: int) -> float:
        times = [
            raw.time_ms
            for raw in self._decoded[FACTS]
            if raw.data.get("queue") == queue and raw.data["type"] == "ticket.opened"
        ]
        return max(times) / 1e3 - begin_us / 1e6

    def _told(self, queue: str, begin_us: int) -> float:
        times = [
            one.at_us
            for one in self.receiver.received
            if json.loads(one.body)["data"]["labels"].get("queue") == queue
        ]
        return (min(times) - begin_us) / 1e6


@contextmanager
def opened(directory: Path, *, seed: int, disturbed: bool) -> Iterator[World]:
    """Give a world at work. `disturbed`: aging and intake go by ways that can be disturbed. Raises Unavailable."""
    with ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(*(("aging", "intake") if disturbed else ())))
        postgres = stack.enter_context(PostgresServer(fsync=True))
        way = stack.enter_context(Proxy(postgres.port))
        receiver = stack.enter_context(receiving())
        config = directory / "barometer.yaml"
        hook = {"url": receiver.url, "secret": {"env": "HOOK_SECRET"}}
        document = {"rules": [RULE], "receivers": [{"name": "chat", "webhook": hook}]}
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        databases = {service: postgres.new_database() for service in ("aging", "alerting")}
        own = {
            "aging": {
                "BAROMETER_BUS": cluster.by_way_of("aging"),
                "BAROMETER_DATABASE": databases["aging"].replace(f":{postgres.port}/", f":{way.port}/"),
            },
            "intake": {"BAROMETER_BUS": cluster.by_way_of("intake")},
        } if disturbed else {}  # fmt: skip
        deployment = three_processes(
            directory, bus=cluster.bus_url, databases=databases, config=config, own=own, HOOK_SECRET=SECRET,
            BAROMETER_METRICS_QUEUES_MAX="1000",
        )  # fmt: skip
        stack.enter_context(running(deployment))
        desk = Desk(lambda: deployment.url("intake"), seed)
        yield World(cluster, postgres, way, deployment, receiver, desk, Tail(cluster.bootstrap, TOPICS))


def _raw(record: Any) -> Raw:
    headers = dict(record.headers)
    data = {} if record.value is None else json.loads(record.value)
    return Raw(record.key or b"", headers.get("ce_type", b""), data, record.timestamp, record.partition)
