"""What docs/vendors.md tells: every kind there is, and an adapter written by its own words that works."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

import pytest

from services.intake.core.vendors import VENDORS
from shared.configuration.webhooks import SourceKind
from shared.contracts.tickets import Activity, Observation, Priority, Status
from tests.api.intake_world import NOW, World, world
from tests.api.test_intake_webhooks import CONFIGURATION
from tests.architecture.tree import ROOT
from tests.docs.examples import examples, first_cells
from tests.unit.intake.vendors.own_request import Request, Signing

DOCUMENT: Final = ROOT / "docs" / "vendors.md"


def test_every_vendor_there_is_has_its_row() -> None:
    told = {name for cell in first_cells(DOCUMENT) for name in re.findall(r"^`(\w+)`$", cell)}
    assert set(VENDORS) <= told, "each vendor has its row in the table of docs/vendors.md"


def test_the_configuration_tells_every_kind() -> None:
    (row,) = re.findall(
        r"^\| `kind` \|.*$", (ROOT / "docs" / "configuration.md").read_text("utf-8"), re.MULTILINE
    )
    told = set(re.findall(r"`(\w+)`", row))
    assert {kind.value for kind in SourceKind} <= told, (
        "each is named in the row `kind` of docs/configuration.md"
    )


def executed(kind: str, monkeypatch: pytest.MonkeyPatch, name: str = "") -> dict[str, Any]:
    """Execute the document's block of `kind`, as the module `name` if it has one."""
    (example,) = examples(kind)
    module = ModuleType(name or "example")
    if name:
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(example.text, example.place, "exec"), vars(module))
    return vars(module)


@pytest.mark.asyncio
async def test_the_adapter_in_the_document_does_what_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = executed("python adapter", monkeypatch, "services.intake.core.vendors.deskly")
    test = executed("python adapter test", monkeypatch)
    steps = [one for name, one in test.items() if name.startswith("test_")]
    assert len(steps) > 1
    for step in steps:
        step()
    # The kind stands in for one that the configuration does not know yet.
    monkeypatch.setattr(
        "services.intake.settings.VENDORS", MappingProxyType({**VENDORS, "github": adapter["VENDOR"]})
    )
    async with world(tmp_path, CONFIGURATION) as running:
        codes = [
            await _sent(running, test["REQUEST"], kind, secret)
            for kind, secret in (
                ("ticket_changed", "topsecret"),
                ("survey", "topsecret"),
                ("survey", "wrong"),
            )
        ]
        (observation,) = await running.observations()

    assert [(202, "accepted"), (202, "ignored"), (401, "")] == codes
    assert ("github:42", "e-1", Activity.UPDATED) == _identity(observation)
    assert (Status.WAITING, Priority.P1, None) == (
        observation.fields.status, observation.fields.priority, observation.fields.assignee,
    )  # fmt: skip


def _identity(one: Observation) -> tuple[str, str, Activity]:
    return one.ticket, one.id, one.activity


async def _sent(running: World, request: Request, kind: str, secret: str) -> tuple[int, str]:
    body = json.dumps({**request.ticket, "kind": kind}).encode()
    headers = request.headers(Signing(body, secret, NOW, ""))
    answer = await running.http.post("/v1/webhooks/github", content=body, headers=headers)
    counts = answer.json()
    return answer.status_code, next((name for name in ("accepted", "ignored") if counts.get(name)), "")
