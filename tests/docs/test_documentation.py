"""What the documents say is so: links lead somewhere, examples are accepted, names are those of the code."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from standardwebhooks import Webhook

from barometer.cli import _COMMANDS, _GROUPS, run
from services.aging.adapters.metrics import AgingCollector, Tally
from services.aging.settings import ProcessSettings as AgingSettings
from services.alerting.adapters.health import Health
from services.alerting.core.picture import FAMILIES
from services.alerting.settings import ProcessSettings as AlertingSettings
from services.intake.adapters.metrics import PrometheusMailboxes, counters
from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Reason
from services.intake.core.ticket import MEMBER_TYPES
from services.intake.settings import Settings as IntakeSettings
from shared.bus.connect import kafka_settings
from shared.clock import ManualClock, SystemClock
from shared.codec.envelope import parse_structured
from shared.contracts.instants import from_us
from shared.http.problems import TITLES, URN
from tests.architecture.tree import ROOT, modules
from tests.docs.examples import DOCUMENTS, Example, anchors, examples, first_cells, links, name_of, prose

DOCS: Final = ROOT / "docs"
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
SECRET: Final = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


def found(kind: str) -> list[Any]:
    """Return the examples of `kind` as parameters, named by where they stand; there is at least one."""
    every = list(examples(kind))
    assert every, kind
    return [pytest.param(example, id=example.place) for example in every]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if link.startswith(("http://", "https://")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert [] == broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_file_and_test_named_is_there(document: Path) -> None:
    named = re.findall(
        r"`((?:barometer|services|shared|tests|deploy|requirements|bench)/[\w/.\-]+?)(?:::(\w+))?`",
        prose(document),
    )
    missing = [
        f"{path}::{test}" if test else path
        for path, test in named
        if not (ROOT / path).exists() or (test and f"def {test}(" not in (ROOT / path).read_text("utf-8"))
    ]  # fmt: skip
    assert [] == missing


def test_every_test_named_by_its_short_name_is_there() -> None:
    files = {"P": "tests/unit/runtime/test_partition.py", "J": "tests/contract/test_journal.py"}
    named = re.findall(r"`([PJ])::(\w+)`", (DOCS / "batch.md").read_text("utf-8"))
    assert named
    assert [] == [
        test for short, test in named if f"def {test}(" not in (ROOT / files[short]).read_text("utf-8")
    ]


def test_every_step_of_a_batch_says_what_fails_what_is_seen_and_which_test_shows_it() -> None:
    text = (DOCS / "batch.md").read_text("utf-8")
    steps = [line.strip(" |").split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(steps) > 15
    assert [] == [cells for cells in steps if len(cells) != 5 or "::test_" not in cells[-1]]


@pytest.mark.parametrize("example", found("yaml"))
def test_every_yaml_example_is_a_configuration_or_a_mapping(
    example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(example.text, encoding="utf-8")
    is_mapping = re.search(r"^ticket:", example.text, re.MULTILINE)
    code = run(["check", "--mapping", str(file)] if is_mapping else ["check", str(file)])
    assert 0 == code, capsys.readouterr().err


@pytest.mark.parametrize("example", found("json ticket"))
def test_every_ticket_example_is_accepted(example: Example) -> None:
    outcome = Normaliser(SourceDefinition()).json(example.text.encode(), Defaults("event"), Arrival.at(NOW))
    assert isinstance(outcome, Normalised), outcome
    assert () == outcome.unmapped


@pytest.mark.parametrize("example", found("json cloudevent"))
def test_every_cloudevent_example_is_one(example: Example) -> None:
    assert "barometer.ticket.observed.v1" == parse_structured(example.text.encode()).type


@pytest.mark.parametrize("example", found("json"))
def test_every_json_example_is_json(example: Example) -> None:
    json.loads(example.text)


def test_the_receiver_in_the_documents_takes_what_is_signed_and_nothing_else() -> None:
    names: dict[str, Any] = {}
    (example,) = examples("python")
    exec(compile(example.text, example.place, "exec"), names)
    now, body = from_us(SystemClock().now_us()), '{"type": "barometer.alert.fired.v1"}'
    signature = Webhook(SECRET).sign("delivery-1", now, body)
    headers = {
        "webhook-id": "delivery-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": f"v1,AAAA {signature}",
    }
    assert {"type": "barometer.alert.fired.v1"} == names["verified"](SECRET, headers, body.encode())
    for wrong in ({"webhook-id": "delivery-2"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}):
        with pytest.raises(ValueError, match=r"signed|old"):
            names["verified"](SECRET, {**headers, **wrong}, body.encode())


def test_every_member_of_a_ticket_is_told_and_no_other() -> None:
    table = " ".join(first_cells(DOCS / "tickets.md"))
    told = set(re.findall(r"`(\w+)`", table))
    assert [] == sorted(set(MEMBER_TYPES) - told)


def test_the_problem_types_and_reasons_told_are_those_of_the_code() -> None:
    text = (DOCS / "problems.md").read_text("utf-8")
    assert {f"{URN}{name}" for name in TITLES} == set(re.findall(rf"{URN}[a-z-]+", text))
    assert [] == [reason.value for reason in Reason if f"`{reason.value}`" not in text]


class Recorded(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **values: str) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def variables_read() -> set[str]:
    """Return the variables `BAROMETER_*` that the code asks for."""
    environment = Recorded(BAROMETER_BUS="kafka://localhost:9092", BAROMETER_DATABASE="sqlite+aiosqlite:///x")
    for settings in (IntakeSettings, AgingSettings, AlertingSettings):
        settings.from_environment(environment)
    kafka_settings("kafka://localhost:9092", environment)
    literal = re.compile(r'"(BAROMETER_[A-Z_]+)"|f"\{PREFIX\}([A-Z_]+)"')
    for module in modules(ROOT):
        if module.name != "connect.py":  # its PREFIX is another
            for whole, part in literal.findall(module.read_text("utf-8")):
                environment.asked.add(whole or f"BAROMETER_{part}")
    return {name for name in environment.asked if name.startswith("BAROMETER_") and not name.endswith("_")}


def test_the_environment_variables_told_are_those_that_are_read() -> None:
    told = {
        name
        for cell in first_cells(DOCS / "operations.md")
        for name in re.findall(r"`(BAROMETER_\w+)`", cell)
    }
    assert variables_read() == told


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_document_names_a_variable_that_nobody_reads(document: Path) -> None:
    of_tests_and_deployment = {"BAROMETER_TEST_KAFKA", "BAROMETER_TEST_KAFKA_JARS", "BAROMETER_SHARED_DATA", "BAROMETER_PYTHON", "BAROMETER_FILE"}  # fmt: skip
    named = set(re.findall(r"BAROMETER_[A-Z_]+[A-Z]", document.read_text("utf-8")))
    assert set() == named - variables_read() - of_tests_and_deployment


def names_of(registry: Collector) -> Iterable[str]:
    for metric in registry.collect():
        yield f"{metric.name}_total" if metric.type == "counter" else metric.name


def metrics_exposed() -> set[str]:
    """Return the names of all metrics, as they stand in the exposition."""
    intake, alerting = CollectorRegistry(), CollectorRegistry()
    counters(intake)
    PrometheusMailboxes(intake)
    Health(alerting, rules=(), receivers=())
    aging = AgingCollector(Tally(), lambda: (), ManualClock())
    return {
        *(family.name for family in FAMILIES),
        *(name for registry in (intake, alerting, aging) for name in names_of(registry)),
    }


def test_the_metrics_told_are_those_exposed() -> None:
    cells = first_cells(DOCS / "metrics.md")
    assert metrics_exposed() == {cell.strip("`") for cell in cells if cell.startswith("`b")}


@pytest.mark.parametrize("example", found("promql"))
def test_every_question_to_prometheus_names_metrics_that_are_there(example: Example) -> None:
    named = re.findall(r"\b(?:backlog|barometer)_\w+", example.text)
    assert set() == {name.removesuffix("_bucket") for name in named} - metrics_exposed()


COMMANDS: Final = {name for name, *_ in _COMMANDS} | {name for name, *_ in _GROUPS}
INNER: Final = {group: {name for name, *_ in commands} for group, _, commands in _GROUPS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_named_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    said = re.findall(r"(?:[`$] |`|^    |run )barometer ([a-z]+)(?: ([a-z]+))?", text, re.MULTILINE)
    unknown = [
        f"{command} {inner}"
        for command, inner in said
        if command not in COMMANDS or (command in INNER and inner and inner not in INNER[command])
    ]
    assert [] == unknown


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_named_is_served(document: Path) -> None:
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "services").rglob("*.py"))
    served = {re.sub(r"\{\w+(:path)?\}", "{}", path) for path in re.findall(r'"(/v1/[\w/{}:]+)"', sources)}
    named = {
        re.sub(r"\{\w+\}", "{}", path)
        for path in re.findall(r"/v1/[a-z]+(?:/[a-z]+|/\{\w+\})*", document.read_text("utf-8"))
    }
    shapes = [re.escape(path).replace(r"\{\}", r"(?:\{\}|[a-z]+)") for path in served]
    assert set() == {path for path in named if not any(re.fullmatch(shape, path) for shape in shapes)}


def test_every_dependency_has_its_reason_and_no_other_is_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *(each for group in project["project"]["optional-dependencies"].values() for each in group),
        *(each for group in project["dependency-groups"].values() for each in group),
    ]
    names = {re.split(r"[\[<>=]", each)[0] for each in asked}
    told = {
        name for cell in first_cells(DOCS / "dependencies.md") for name in re.findall(r"`([\w-]+)`", cell)
    }
    assert names == told
