"""Barometer as its users run it: commands in processes of their own, killed and restarted at will.

A `Deployment` is either one `barometer serve` with its data directory, or the three services on a bus and
databases that the test brings. Both answer the same questions, so a test written once holds for both.
What it reads beside HTTP (SQL, the bus) it reads as a stranger would: by table and topic, without asking
a process of ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import httpx2
import yaml

from tests.servers.child import POLL_S, Child, free_port, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
MAPPINGS: Final = ROOT / "tests" / "data" / "mappings"
SERVICES: Final = ("intake", "aging", "alerting")
READY_S: Final = 40.0
COMMAND_S: Final = 240.0
ASK_S: Final = 30.0
LOG_TAIL: Final = 6_000


def command(*arguments: str | Path) -> list[str]:
    """Return the command line of `barometer ARGUMENTS`."""
    return [sys.executable, "-m", "barometer", *map(str, arguments)]


def surroundings(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nobody's own settings of Barometer count."""
    foreign = {name: "" for name in os.environ if name.startswith("BAROMETER_")}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "PYTHONPATH": str(ROOT), **(given or {})}


def run(
    *arguments: str | Path,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    deadline_s: float = COMMAND_S,
) -> subprocess.CompletedProcess[str]:
    """Return what `barometer ARGUMENTS`, run in `directory`, said and how it ended."""
    return subprocess.run(
        command(*arguments),
        check=False,
        capture_output=True,
        text=True,
        timeout=deadline_s,
        cwd=directory,
        env=surroundings(environment),
    )


class Process:
    """One `barometer ...` that serves HTTP on a port that stays the same over restarts."""

    def __init__(
        self, name: str, *arguments: str | Path, directory: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Prepare it; PORT and HOST are added as settings."""
        self.name = name
        self.port = free_port()
        self._arguments = arguments
        self._directory = directory
        self._environment = {
            **(environment or {}), "PYTHONPATH": str(ROOT),
            "BAROMETER_HOST": "127.0.0.1", "BAROMETER_PORT": str(self.port),
        }  # fmt: skip
        self.log = directory / f"{name}.log"
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.child is not None and self.child.alive

    def set(self, settings: Mapping[str, str]) -> None:
        """Give it further environment variables from the next start on; an empty value takes one away."""
        merged = {**self._environment, **settings}
        self._environment = {name: value for name, value in merged.items() if value or name not in settings}

    def start(self) -> Self:
        """Start it; it is not ready yet."""
        assert not self.alive
        self.child = Child(
            command(*self._arguments), self.log, environment=self._environment, directory=self._directory
        )
        return self

    def wait_ready(self, deadline_s: float = READY_S) -> Self:
        """Return once /readyz answers 200."""
        assert self.child is not None
        self.child.wait_ready(self.ready, deadline_s=deadline_s)
        return self

    def ready(self) -> bool:
        """Whether /readyz answers 200 now."""
        try:
            # Without certificates, which cost more to load than the process needs to answer.
            return httpx2.get(f"{self.url}/readyz", timeout=5, verify=False).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self, first: signal.Signals = signal.SIGTERM, deadline_s: float = 35.0) -> int:
        """End it in order; return its exit code."""
        assert self.child is not None
        if self.child.alive:
            os.kill(self.child.pid, first)
        return self.child.wait(deadline_s)

    def kill9(self) -> None:
        """End it between any two lines."""
        assert self.child is not None
        self.child.kill()

    def lines(self) -> list[dict[str, Any]]:
        """Return its log: the lines that are JSON objects."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith('{"')]

    def tail(self) -> str:
        """Return the end of its output."""
        return self.log.read_bytes()[-LOG_TAIL:].decode(errors="replace") if self.log.exists() else ""


@dataclass
class Deployment:
    """A running Barometer. `databases` are SQLAlchemy URLs by service."""

    directory: Path
    bus: str
    databases: Mapping[str, str]
    processes: Mapping[str, Process]
    config: Path | None = None
    key: str | None = None
    _client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=ASK_S))

    @property
    def distinct(self) -> list[Process]:
        """Each process once."""
        return list({id(process): process for process in self.processes.values()}.values())

    def start(self) -> Self:
        """Start every process, wait until all are ready."""
        for process in self.distinct:
            process.start()
        for process in self.distinct:
            process.wait_ready()
        return self

    def close(self) -> None:
        """End everything."""
        for process in self.distinct:
            if process.child is not None:
                process.kill9()
        self._client.close()

    def url(self, service: str, path: str = "") -> str:
        """Return the address of `path` at `service`."""
        return self.processes[service].url + path

    def headers(self) -> dict[str, str]:
        """Return what proves who asks."""
        return {} if self.key is None else {"authorization": f"Bearer {self.key}"}

    def ask(self, service: str, path: str, **parameters: Any) -> Any:
        """Return the JSON of a GET; the answer must be 200."""
        answer = self._client.get(self.url(service, path), params=parameters, headers=self.headers())
        assert 200 == answer.status_code, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, **request: Any) -> httpx2.Response:
        """Return the answer to a POST at intake."""
        headers = {**self.headers(), **request.pop("headers", {})}
        return self._client.post(self.url("intake", path), headers=headers, **request)

    def backlog(self, **parameters: Any) -> dict[str, Any]:
        """Return the total of GET /v1/backlog."""
        total: dict[str, Any] = self.ask("aging", "/v1/backlog", **parameters)["total"]
        return total

    def tickets(self, **parameters: Any) -> list[dict[str, Any]]:
        """Return all pages of GET /v1/tickets."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.ask("aging", "/v1/tickets", limit=500, **cursor, **parameters)
            found += page["tickets"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def metrics(self, service: str = "alerting") -> str:
        """Return /metrics as text."""
        answer = self._client.get(self.url(service, "/metrics"), headers=self.headers())
        assert 200 == answer.status_code, answer.text
        return answer.text

    def import_log(self, log: Path, mapping: str, *flags: str) -> dict[str, Any]:
        """Run `barometer import`; return its report."""
        done = run(*self.import_arguments(log, mapping, *flags), directory=self.directory)
        assert 0 == done.returncode, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def import_arguments(self, log: Path, mapping: str, *flags: str) -> list[str | Path]:
        """Return the arguments of an import of `log` to here."""
        config: list[str | Path] = [] if self.config is None else ["--config", self.config]
        return ["import", log, "--mapping", MAPPINGS / mapping, "--bus", self.bus, *config, "--json", *flags]

    def logs(self) -> str:
        """Return the ends of all logs, for a person who looks at a failure."""
        return "\n".join(f"== {process.name}\n{process.tail()}" for process in self.distinct)


@contextmanager
def running(deployment: Deployment) -> Iterator[Deployment]:
    """Start `deployment`, give it, end it; if anything fails, show its logs."""
    try:
        yield deployment.start()
    except BaseException:
        print(deployment.logs())
        raise
    finally:
        deployment.close()


def one_machine(directory: Path, *, config: Path | None = None, **environment: str) -> Deployment:
    """Return `barometer serve` on `directory`, not started."""
    data = directory / "data"
    flags: list[str | Path] = ["--data", data]
    if config is not None:
        flags += ["--config", config]
    process = Process("serve", "serve", *flags, directory=directory, environment=environment)
    return Deployment(
        directory=directory,
        bus=f"embedded:{data}",
        databases={name: f"sqlite+aiosqlite:///{data / name}.db" for name in ("aging", "alerting")},
        processes=dict.fromkeys(SERVICES, process),
        config=config,
    )


def composed(service: str) -> dict[str, str]:
    """Return the settings that docker-compose.yml gives `service`."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    settings: dict[str, str] = document["services"][service]["environment"]
    return settings


def three_processes(
    directory: Path,
    *,
    bus: str,
    databases: Mapping[str, str],
    config: Path | None = None,
    own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    **environment: str,
) -> Deployment:
    """Return the three services on `bus`, not started, with the settings that docker-compose.yml gives them.

    Only addresses differ from there, and what `own` says for single services. Databases on Postgres are brought
    to the newest schema first, as Compose does.
    """
    for service, url in databases.items():
        if url.startswith("postgresql"):
            done = run("db", "upgrade", service, directory=directory, environment={"BAROMETER_DATABASE": url})
            assert 0 == done.returncode, done.stderr
    processes = {}
    for service in SERVICES:
        settings = {**composed(service), "BAROMETER_BUS": bus, **environment}
        settings["BAROMETER_CONFIG"] = "" if config is None else str(config)
        if service in databases:
            settings["BAROMETER_DATABASE"] = databases[service]
        settings.pop("PGPASSWORD", None)  # the tests' server trusts loopback
        settings |= own.get(service, {})
        processes[service] = Process(service, service, directory=directory, environment=settings)
    return Deployment(
        directory=directory, bus=bus, databases=dict(databases), processes=processes, config=config
    )


def with_aging(deployment: Deployment, number: int) -> Deployment:
    """Return `deployment` with another aging process, `aging-NUMBER`, beside those it has; not started."""
    name = f"aging-{number}"
    settings = {
        **composed("aging"), "BAROMETER_BUS": deployment.bus, "BAROMETER_DATABASE": deployment.databases["aging"],
        "BAROMETER_CONFIG": "", "BAROMETER_MEMBER": name,
    }  # fmt: skip
    settings.pop("PGPASSWORD", None)
    another = Process(name, "aging", directory=deployment.directory, environment=settings)
    return replace(deployment, processes={**deployment.processes, name: another})


def eventually(
    look: Callable[[], Any],
    good: Callable[[Any], bool],
    what: str,
    *,
    deadline_s: float = 60.0,
    poll_s: float = POLL_S,
) -> Any:
    """Return the first thing seen that is good; the failure shows the last one. Only look: it is done often."""
    seen: list[Any] = []

    def holds() -> bool:
        seen[:] = [look()]
        return good(seen[0])

    try:
        wait_until(holds, what, deadline_s=deadline_s, poll_s=poll_s)
    except TimeoutError as error:
        raise AssertionError(f"{error}; last seen: {seen}") from None
    return seen[0]


def names(values: Sequence[object]) -> str:
    """Return a few of `values` for a message."""
    return ", ".join(map(str, values[:5])) + (" ..." if len(values) > 5 else "")
