"""The real parts as fixtures, and the truth about which of them ran.

A test says what it needs by asking for `kafka`, `postgres` or `prometheus`; where it can only ask later
(`request.getfixturevalue`), it carries the mark of the same name. A part that cannot be had skips its tests
on a developer's machine and fails them where CI=true; either way the last lines of the run say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import pytest

from tests.servers import child
from tests.servers.child import Unavailable
from tests.servers.environment import in_ci, shared_data_directory
from tests.servers.kafka import VERSION as KAFKA_VERSION
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.postgres import version as postgres_version
from tests.servers.prometheus import PrometheusServer, promtool
from tests.servers.prometheus import version as prometheus_version

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_Part = TypeVar("_Part")

PARTS: Final = ("Kafka", "PostgreSQL", "Prometheus", "shared data")
_MARKS: Final = {
    "kafka": "kafka", "kafka_server": "kafka",
    "postgres": "postgres", "postgres_url": "postgres",
    "prometheus": "prometheus", "promtool": "prometheus",
}  # fmt: skip
_ran: Final = pytest.StashKey[dict[str, str]]()
_missing: Final = pytest.StashKey[dict[str, str]]()


@dataclass(frozen=True, slots=True)
class Kafka:
    """A broker that tests share: name topics and groups after the test."""

    bootstrap: str

    @property
    def bus_url(self) -> str:
        """The address as BAROMETER_BUS takes it."""
        return f"kafka://{self.bootstrap}"


# --------------------------------------------------------------------------------------------- fixtures
@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    """Give a broker shared by the whole run (or the one BAROMETER_TEST_KAFKA names). Never stop it."""
    given = os.environ.get("BAROMETER_TEST_KAFKA")
    if given:
        record(request, "Kafka", f"at {given}")
        yield Kafka(given)
        return
    with have(request, "Kafka", KafkaServer) as server:
        record(request, "Kafka", KAFKA_VERSION)
        yield Kafka(server.bootstrap)


@pytest.fixture
def kafka_server(request: pytest.FixtureRequest) -> Iterator[KafkaServer]:
    """Give a started broker of the test's own, which it may stop, kill and start again."""
    with have(request, "Kafka", KafkaServer) as server:
        record(request, "Kafka", KAFKA_VERSION)
        yield server


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """Give a server shared by the whole run; `new_database()` makes a database. Never stop it."""
    with have(request, "PostgreSQL", PostgresServer) as server:
        record(request, "PostgreSQL", postgres_version())
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the address of an empty database of the test's own, postgresql+asyncpg://..."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def prometheus(request: pytest.FixtureRequest) -> Iterator[PrometheusServer]:
    """Give a Prometheus that is not started yet: add targets and rules, then `start()`."""
    server = have(request, "Prometheus", PrometheusServer)
    record(request, "Prometheus", prometheus_version())
    yield server
    server.close()


@pytest.fixture(scope="session", name="promtool")
def promtool_path(request: pytest.FixtureRequest) -> Path:
    """Give the path of promtool."""
    path = have(request, "Prometheus", promtool)
    record(request, "Prometheus", prometheus_version())
    return path


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """Give the directory of real logs, webhook bodies and e-mails; skips where it is not there."""
    directory = shared_data_directory()
    if not directory.is_dir():
        request.config.stash[_missing]["shared data"] = (
            f"shared data: no directory ../shared/{directory.name}"
        )
        pytest.skip("the shared data are not there (BAROMETER_SHARED_DATA)")
    record(request, "shared data", "yes")
    return directory


@pytest.fixture
def free_port() -> int:
    """Give a port on loopback that nobody listens on at this moment."""
    return child.free_port()


def have(request: pytest.FixtureRequest, part: str, make: Callable[[], _Part]) -> _Part:
    """Make `part`, or skip (in CI: fail) and remember why."""
    try:
        return make()
    except Unavailable as unavailable:
        request.config.stash[_missing][part] = str(unavailable)
        _give_up(str(unavailable))


def _give_up(reason: str) -> NoReturn:
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def record(request: pytest.FixtureRequest, part: str, version: str) -> None:
    request.config.stash[_ran][part] = version


# ------------------------------------------------------------------------------------------------ hooks
def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller name the parts that this run is about."""
    parser.addoption(
        "--require-parts",
        default="",
        help=f"comma-separated parts of {', '.join(PARTS)}; where CI=true, one that did not run fails the run",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing known."""
    config.stash[_ran] = {}
    config.stash[_missing] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the parts it asks for, before `-m` selects."""
    for item in items:
        for name in getattr(item, "fixturenames", ()):
            if name in _MARKS:
                item.add_marker(_MARKS[name])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a parallel worker saw."""
    output = getattr(node, "workeroutput", {})
    config: pytest.Config = node.config  # type: ignore[attr-defined] # pytest-xdist has no types
    config.stash[_ran].update(output.get("parts_ran", {}))
    config.stash[_missing].update(output.get("parts_missing", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that silently did without a part it is about."""
    config = session.config
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["parts_ran"] = config.stash[_ran]
        output["parts_missing"] = config.stash[_missing]
        return
    if in_ci() and _lacking(config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost, so that its lines come after all others
def pytest_terminal_summary(
    terminalreporter: TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """End the run with the parts that were real, and those that were not there."""
    yield
    ran, missing = config.stash[_ran], config.stash[_missing]
    said = [f"{part} {ran.get(part, 'NO' if part in missing else 'not asked for')}" for part in PARTS]
    terminalreporter.write_line("Real parts: " + ", ".join(said))
    for _, reason in sorted(missing.items()):
        terminalreporter.write_line(f"Missing: {reason}")
    for part in _lacking(config):
        terminalreporter.write_line(f"Required and not used: {part}", red=True)


def _lacking(config: pytest.Config) -> list[str]:
    required = [part.strip() for part in config.getoption("--require-parts").split(",") if part.strip()]
    return [part for part in required if part not in config.stash[_ran]]
