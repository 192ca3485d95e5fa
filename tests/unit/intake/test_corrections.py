from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.intake.core.corrections import Correction, corrected
from services.intake.core.rejection import Rejection
from shared.contracts.tickets import Activity, Actor, Observation, Status, TicketFields

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def correct(
    correction: Correction, ticket: str = "desk:1", why: str = "lost upstream"
) -> Observation | Rejection:
    return corrected(correction, ticket, tenant="acme", why=why, at=NOW, event_id="e1")


@pytest.mark.parametrize(
    ("correction", "activity", "fields"),
    [
        (Correction.VOID, Activity.SPAM, TicketFields()),
        (Correction.CLOSE, Activity.UPDATED, TicketFields(status=Status.CLOSED)),
        (Correction.ERASE, Activity.DELETED, TicketFields()),
        (Correction.REVIVE, Activity.RESTORED, TicketFields()),
        (Correction.RETRY, Activity.UPDATED, TicketFields()),
    ],
)
def test_a_correction_is_an_observation_with_its_reason(
    correction: Correction, activity: Activity, fields: TicketFields
) -> None:
    observation = correct(correction)
    assert isinstance(observation, Observation)

    assert (activity, fields, "lost upstream") == (
        observation.activity,
        observation.fields,
        observation.reason,
    )
    assert ("acme", "desk", "desk:1", Actor.SYSTEM) == (
        observation.tenant, observation.source, observation.ticket, observation.actor,
    )  # fmt: skip


@pytest.mark.parametrize("ticket", ["", "1", "desk:", ":1", "desk:" + "x" * 600, "desk:1\n"])
def test_what_is_no_key_is_refused(ticket: str) -> None:
    assert isinstance(correct(Correction.CLOSE, ticket), Rejection)


@pytest.mark.parametrize("why", ["", "x" * 1_001, "a\x00"])
def test_a_correction_needs_a_reason(why: str) -> None:
    assert isinstance(correct(Correction.CLOSE, why=why), Rejection)
