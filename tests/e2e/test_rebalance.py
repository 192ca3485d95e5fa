"""Two, then three aging processes share the partitions of a running import; one is killed, one leaves in order.

Whoever owns a partition at any moment, what it all comes to is what one process on one machine comes to.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.harness import (
    COMMAND_S,
    Deployment,
    command,
    eventually,
    one_machine,
    running,
    surroundings,
    three_processes,
    with_aging,
)
from tests.e2e.records import LOOK_EVERY_S, acknowledged, rows
from tests.e2e.truth import Log, assert_same, known, live_figures_are_true, real_logs
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

BATCH: Final = 20
DEADLINE_S: Final = 120.0
PARTITIONS: Final = 4


@pytest.fixture
def log(shared_data: Path) -> Log:
    return real_logs(shared_data)[0]


@contextmanager
def importing(deployment: Deployment, log: Log) -> Iterator[None]:
    """Import `log` in small batches beside the body."""
    arguments = deployment.import_arguments(log.path, log.mapping, "--batch", str(BATCH))
    with subprocess.Popen(
        command(*arguments), cwd=deployment.directory, env=surroundings(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            yield
            _, complaints = child.communicate(timeout=COMMAND_S)
        finally:
            child.kill()
        assert 0 == child.returncode, complaints


def owners(deployment: Deployment) -> set[str]:
    """Return who owns the events partitions, by their rows; nobody if a partition was never owned."""
    statement = "SELECT owner FROM partitions WHERE topic = 'tickets.events.v1'"
    found = [str(row[0]) for row in rows(deployment.databases["aging"], statement)]
    return set(found) if len(found) == PARTITIONS else set()


def shared_by(deployment: Deployment, *members: str) -> None:
    """Return once exactly `members` own the partitions."""
    eventually(
        lambda: owners(deployment),
        lambda seen: seen == set(members),
        f"owners {members}",
        deadline_s=DEADLINE_S,
        poll_s=LOOK_EVERY_S,
    )


def test_two_then_three_aging_processes_share_an_import_and_survive_each_other(
    kafka_server: KafkaServer, postgres: PostgresServer, log: Log, tmp_path: Path
) -> None:
    (tmp_path / "calm").mkdir()
    with running(one_machine(tmp_path / "calm")) as calm:
        calm.import_log(log.path, log.mapping)
        expected = known(calm)

    urls = {service: postgres.new_database() for service in ("aging", "alerting")}
    two = with_aging(three_processes(tmp_path, bus=kafka_server.bus_url, databases=urls), 2)
    first, second, third = (
        two.processes["aging"],
        two.processes["aging-2"],
        with_aging(two, 3).processes["aging-3"],
    )
    with running(two), ExitStack() as stack:
        with importing(two, log):
            shared_by(two, "aging-1", "aging-2")
            third.start()
            stack.callback(third.kill9)
            shared_by(two, "aging-1", "aging-2", "aging-3")
            assert len(acknowledged(two)) < len(log.rows), "the import was over before all shared it"
            first.kill9()
            shared_by(two, "aging-2", "aging-3")
            first.start().wait_ready(DEADLINE_S)
            assert 0 == second.stop()
        got = known(two)

        assert_same(expected, got)
        live_figures_are_true(two, [log])
    for url in urls.values():
        postgres.drop_database(url)
