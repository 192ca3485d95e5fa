"""How processes end: in order when asked to, at once and loudly when they cannot go on."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from shared.clock import monotonic_seconds
from shared.contracts.topics import CONFIG
from tests.e2e.harness import Deployment, eventually, one_machine, run, running, three_processes
from tests.e2e.records import read_topic, rows
from tests.servers.child import free_port
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

CLEAN, USAGE, UNAVAILABLE = 0, 2, 3
STOP_S: Final = 10.0
SOON_S: Final = 60.0
TICKETS: Final = 300


def stopped(deployment: Deployment, first: signal.Signals) -> list[int]:
    """End every process by `first`; return the exit codes."""
    begin = monotonic_seconds()
    codes = [process.stop(first) for process in deployment.distinct]
    assert monotonic_seconds() - begin < STOP_S * len(codes)
    return codes


def taken_over(deployment: Deployment, service: str) -> list[dict[str, object]]:
    """Return what the process of `service` said of each partition it took over."""
    lines = deployment.processes[service].lines()
    return [line for line in lines if line["event"] == "partition taken over"]


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_one_machine_with_everything_committed(first: signal.Signals, tmp_path: Path) -> None:
    with running(one_machine(tmp_path)) as deployment:
        answer = deployment.post("/v1/events", json=[{"id": str(n)} for n in range(TICKETS)])
        assert 202 == answer.status_code
        eventually(lambda: deployment.backlog()["open"], lambda seen: seen == TICKETS, "the tickets")
        clock_us = max(
            row[0] for row in rows(deployment.databases["aging"], "SELECT clock_us FROM partitions")
        )
        assert [CLEAN] == stopped(deployment, first)
        committed = rows(deployment.databases["aging"], "SELECT position, clock_us FROM partitions")
        assert all(position is not None and at_us >= clock_us for position, at_us in committed)
        before = len(taken_over(deployment, "aging"))
        deployment.start()
        again = [line for line in taken_over(deployment, "aging")[before:] if "events" in str(line["topic"])]
        assert [committed[0][0]] == [line["position"] for line in again]
        assert TICKETS == deployment.backlog()["open"]


def test_a_signal_ends_each_of_the_three_services(
    kafka_server: KafkaServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    urls = {service: postgres.new_database() for service in ("aging", "alerting")}
    with running(three_processes(tmp_path, bus=kafka_server.bus_url, databases=urls)) as deployment:
        assert [CLEAN] * 3 == stopped(deployment, signal.SIGTERM)
    for process in deployment.distinct:
        # A fresh broker has no coordinator for a moment, which the client library calls an error.
        ours = [line for line in process.lines() if not line["logger"].startswith("aiokafka")]
        assert [] == [line for line in ours if line["level"] in {"error", "critical"}]
    for url in urls.values():
        postgres.drop_database(url)


@contextmanager
def taken_port() -> Iterator[int]:
    """Give a port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_port_in_use_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    with taken_port() as port:
        done = run("serve", "--data", tmp_path / "d", "--port", str(port), directory=tmp_path)
    assert USAGE == done.returncode
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_one_on_a_data_directory_is_refused_before_it_changes_anything(tmp_path: Path) -> None:
    config = tmp_path / "other.yaml"
    config.write_text("age: {edges: [1h, 2h], buckets: [1h]}\n", encoding="utf-8")
    flags: list[str | Path] = ["--data", tmp_path / "data", "--config", config, "--port", str(free_port())]
    with running(one_machine(tmp_path)) as deployment:
        done = run("serve", *flags, directory=tmp_path)
        assert USAGE == done.returncode, done.stderr
        assert "another barometer serve uses" in done.stderr
        assert "Traceback" not in done.stderr
        assert 1 == len(read_topic(deployment, CONFIG))


@pytest.mark.parametrize("command", ["serve", "intake", "aging", "alerting"])
def test_a_bad_configuration_is_told_with_its_line_and_mend(command: str, tmp_path: Path) -> None:
    config = tmp_path / "barometer.yaml"
    config.write_text("age:\n  edges: [24h]\nruels: []\n", encoding="utf-8")
    done = run(
        command, "--config", config, directory=tmp_path,
        environment={"BAROMETER_BUS": f"embedded:{tmp_path}", "BAROMETER_DATABASE": f"sqlite+aiosqlite:///{tmp_path}/x.db"},
    )  # fmt: skip
    assert USAGE == done.returncode
    assert "barometer.yaml:3" in done.stderr
    assert "rules" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_open_port_beyond_loopback_is_refused(tmp_path: Path) -> None:
    done = run(
        "serve", "--data", tmp_path, "--host", "0.0.0.0", "--port", str(free_port()), directory=tmp_path
    )
    assert USAGE == done.returncode
    assert "key" in done.stderr


@pytest.mark.parametrize("service", ["intake", "aging", "alerting"])
def test_a_kafka_that_is_not_there_is_told(service: str, tmp_path: Path) -> None:
    done = run(
        service, "--port", str(free_port()), directory=tmp_path, deadline_s=SOON_S,
        environment={
            "BAROMETER_BUS": f"kafka://127.0.0.1:{free_port()}",
            "BAROMETER_DATABASE": f"sqlite+aiosqlite:///{tmp_path}/x.db",
        },
    )  # fmt: skip
    assert UNAVAILABLE == done.returncode, done.stderr
    assert "cannot start" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("service", ["aging", "alerting"])
def test_a_postgres_that_is_not_there_is_told(service: str, tmp_path: Path) -> None:
    done = run(
        service, "--port", str(free_port()), directory=tmp_path, deadline_s=SOON_S,
        environment={
            "BAROMETER_BUS": f"embedded:{tmp_path}",
            "BAROMETER_DATABASE": f"postgresql+asyncpg://somebody:hunter2secret@127.0.0.1:{free_port()}/x",
        },
    )  # fmt: skip
    assert UNAVAILABLE == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2secret" not in done.stderr


@pytest.mark.parametrize("service", ["aging", "alerting"])
def test_a_database_without_its_schema_is_told_with_the_mend(
    service: str, postgres_url: str, tmp_path: Path
) -> None:
    done = run(
        service, "--port", str(free_port()), directory=tmp_path, deadline_s=SOON_S,
        environment={"BAROMETER_BUS": f"embedded:{tmp_path}", "BAROMETER_DATABASE": postgres_url},
    )  # fmt: skip
    assert USAGE == done.returncode, done.stderr
    assert "barometer db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("service", ["aging", "alerting"])
def test_a_worker_that_dies_takes_the_process_with_it(service: str, tmp_path: Path) -> None:
    with running(one_machine(tmp_path)) as deployment:
        database = deployment.databases[service].split("///", 1)[1]
        connection = sqlite3.connect(database, timeout=20)
        connection.execute("ALTER TABLE partitions RENAME TO lost")
        connection.commit()
        connection.close()
        process = deployment.processes[service]
        assert process.child is not None
        assert process.child.wait(SOON_S) not in {CLEAN, -signal.SIGKILL}, "it had to be killed"
        assert service in {line.get("part") for line in process.lines() if line["event"] == "died"}
