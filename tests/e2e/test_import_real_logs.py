"""Two real logs, every way of bringing them in, both ways of running: one truth.

The figures are held against tests/e2e/recount.py, which counts the raw rows and knows nothing of ours.
What is stored and stated is held against the same log brought in another way: twice, shuffled, in two
parts at once, through SQLite or through Kafka and Postgres.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from barometer.backtest.command import Question, read_notes, terms_for
from barometer.backtest.true import timelines
from barometer.mapping import load_mapping
from services.aging.core.facts import fact_id
from services.aging.core.fold import derive
from shared.configuration.models import Configuration
from shared.contracts.instants import from_us, to_us
from tests.e2e import recount
from tests.e2e.harness import (
    COMMAND_S,
    MAPPINGS,
    Deployment,
    command,
    one_machine,
    run,
    running,
    surroundings,
    three_processes,
)
from tests.e2e.records import (
    Standing,
    acknowledged,
    facts,
)
from tests.e2e.truth import (
    INSTANTS,
    Known,
    Log,
    assert_figures,
    assert_same,
    known,
    live_figures_are_true,
    of,
    real_logs,
)
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def logs(shared_data: Path) -> list[Log]:
    """Give both logs."""
    return real_logs(shared_data)


def backtested(log: Log, instants: Sequence[datetime], directory: Path) -> list[dict[str, Any]]:
    """Return what `barometer backtest` says of `log` at `instants`."""
    at = [flag for instant in instants for flag in ("--at", instant.isoformat())]
    done = run("backtest", log.path, "--mapping", MAPPINGS / log.mapping, "--json", *at, directory=directory)
    assert 0 == done.returncode, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["instants"]
    return found


def derived(log: Log) -> set[Standing]:
    """Return the facts of `log` as the pure fold of each ticket's set of observations gives them."""
    question = Question(
        log.path, load_mapping(MAPPINGS / log.mapping), Configuration(), (), as_known=False, quiet=True
    )
    _, notes = read_notes(question)
    terms, until_us = terms_for(question.configuration), to_us(datetime(2026, 1, 1, tzinfo=UTC))
    found = set()
    for (tenant, key), marks in timelines(notes).items():
        for draft in derive(marks, b"", terms=terms, until_us=until_us)[1]:
            at = from_us(draft.at_us).isoformat()
            id_ = fact_id(tenant, key, draft)
            found.add(Standing(id_, key, draft.type.value, draft.clock, draft.instance, at))
    return found


# One machine first: it is what everything else is held against.


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Give a running `barometer serve`."""
    with running(one_machine(tmp_path_factory.mktemp("serve"))) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def plain(embedded: Deployment, logs: list[Log]) -> Known:
    """Give what one import of each log comes to."""
    for log in logs:
        report = embedded.import_log(log.path, log.mapping)
        assert {} == report["rejected"]
    return known(embedded)


@pytest.mark.parametrize("number", [0, 1], ids=["italian", "servicenow"])
def test_a_backtest_counts_what_the_raw_rows_say(number: int, logs: list[Log], tmp_path: Path) -> None:
    log = logs[number]
    instants = log.instants()
    got = backtested(log, instants, tmp_path)
    assert INSTANTS == len(got)
    for instant, figures in zip(instants, got, strict=True):
        assert_figures(recount.recount(log.rows, instant), figures, f"{log.source} at {instant}")


def test_one_machine_shows_at_past_instants_what_the_raw_rows_say(
    embedded: Deployment, plain: Known, logs: list[Log]
) -> None:
    assert {row.ticket for log in logs for row in log.rows} == {
        key.partition(":")[2] for key in plain.tickets
    }
    live_figures_are_true(embedded, logs)


def test_the_lists_show_every_ticket_once(embedded: Deployment, plain: Known) -> None:
    shown = [*embedded.tickets(open=True), *embedded.tickets(open=False)]
    assert sorted(plain.tickets) == sorted(ticket["key"] for ticket in shown)
    assert embedded.backlog()["open"] == len(embedded.tickets(open=True))


def test_the_facts_stated_are_those_of_the_set_of_observations(plain: Known, logs: list[Log]) -> None:
    expected = set().union(*(derived(log) for log in logs))
    assert (set(), set()) == (expected - plain.facts, plain.facts - expected)


def test_everything_acknowledged_is_a_mark_once(embedded: Deployment, plain: Known) -> None:
    sent = {(one.ticket, one.id) for one in acknowledged(embedded)}
    assert len(sent) == len(plain.marks)


def test_an_import_pages_nobody(embedded: Deployment, plain: Known) -> None:
    assert [] == embedded.ask("alerting", "/v1/alerts")["alerts"]


def test_importing_again_changes_nothing(embedded: Deployment, plain: Known, logs: list[Log]) -> None:
    before = Counter(fact.id for fact in facts(embedded))
    embedded.import_log(logs[0].path, logs[0].mapping, "--shuffle", "3")
    assert_same(plain, known(embedded))
    assert before == Counter(fact.id for fact in facts(embedded))


@pytest.mark.parametrize("seed", [11])
def test_a_shuffled_import_comes_to_the_same(
    seed: int, plain: Known, logs: list[Log], tmp_path: Path
) -> None:
    with running(one_machine(tmp_path)) as deployment:
        for log in logs:
            deployment.import_log(log.path, log.mapping, "--shuffle", str(seed))
        assert_same(plain, known(deployment))


def in_parts(deployment: Deployment, log: Log) -> None:
    """Import `log` by two processes at once, each a shuffled half."""
    halves = [
        subprocess.Popen(
            command(*deployment.import_arguments(log.path, log.mapping, "--part", part, "--shuffle", "5")),
            cwd=deployment.directory, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for part in ("1/2", "2/2")
    ]  # fmt: skip
    for half in halves:
        _, complaints = half.communicate(timeout=COMMAND_S)
        assert 0 == half.returncode, complaints


def test_two_processes_that_import_half_each_at_once_come_to_the_same(
    plain: Known, logs: list[Log], tmp_path: Path
) -> None:
    with running(one_machine(tmp_path)) as deployment:
        in_parts(deployment, logs[1])
        assert_same(of(plain, logs[1]), known(deployment))


# The three services on Kafka and Postgres: the same, by the same words.

Distributed = Callable[[KafkaServer], Deployment]


@pytest.fixture
def distributed(postgres: PostgresServer, tmp_path: Path) -> Iterator[Distributed]:
    """Give a way to make the three services on a broker and fresh databases."""
    urls = {service: postgres.new_database() for service in ("aging", "alerting")}
    yield lambda kafka: three_processes(tmp_path, bus=kafka.bus_url, databases=urls)
    for url in urls.values():
        postgres.drop_database(url)


def test_three_processes_on_kafka_and_postgres_come_to_the_same(
    kafka_server: KafkaServer, distributed: Distributed, plain: Known, logs: list[Log]
) -> None:
    with running(distributed(kafka_server)) as deployment:
        for log in logs:
            deployment.import_log(log.path, log.mapping)
        assert_same(plain, known(deployment))
        live_figures_are_true(deployment, logs)
        deployment.import_log(logs[0].path, logs[0].mapping)
        assert_same(plain, known(deployment))


def test_two_processes_at_once_on_kafka_come_to_the_same(
    kafka_server: KafkaServer, distributed: Distributed, plain: Known, logs: list[Log]
) -> None:
    with running(distributed(kafka_server)) as deployment:
        in_parts(deployment, logs[0])
        assert_same(of(plain, logs[0]), known(deployment))
