"""What docs/vendors.md tells: every kind there is, and an adapter written by its own words that works."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from services.intake.core.vendors import VENDORS
from shared.contracts.tickets import Activity, Observation, Priority, Status
from tests.api.intake_world import World, world
from tests.api.test_intake_webhooks import CONFIGURATION
from tests.architecture.tree import ROOT
from tests.docs.examples import examples, first_cells

DOCUMENT: Final = ROOT / "docs" / "vendors.md"
EVENT: Final = {
    "id": "e-1", "kind": "ticket_changed", "at": "2026-03-02T09:00:00Z",
    "ticket": {"number": 42, "title": "Printer", "state": "Asked", "urgency": "fire", "agent": None},
}  # fmt: skip


def test_every_vendor_there_is_has_its_row() -> None:
    told = {name for cell in first_cells(DOCUMENT) for name in re.findall(r"^`(\w+)`$", cell)}
    assert set(VENDORS) <= told


@pytest.mark.asyncio
async def test_the_adapter_in_the_document_does_what_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {}
    (example,) = examples("python adapter")
    exec(compile(example.text, example.place, "exec"), names)
    # The kind stands in for one that the configuration does not know yet.
    monkeypatch.setattr(
        "services.intake.settings.VENDORS", MappingProxyType({**VENDORS, "github": names["Deskly"]()})
    )
    async with world(tmp_path, CONFIGURATION) as running:
        codes = [
            await _sent(running, {**EVENT, "kind": kind}, secret)
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


async def _sent(running: World, event: dict[str, Any], secret: str) -> tuple[int, str]:
    body = json.dumps(event).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    answer = await running.http.post(
        "/v1/webhooks/github", content=body, headers={"x-deskly-signature": signature}
    )
    counts = answer.json()
    return answer.status_code, next((name for name in ("accepted", "ignored") if counts.get(name)), "")
