"""What a pulled state says of its source's webhooks: they had told, or one was lost."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.aging.adapters.metrics import AgingCollector, Tally
from services.aging.core.batch import Outcome
from services.aging.core.mark import decode_mark, encode_mark, mark_of, observation_of, order_of
from services.aging.core.pulled import PullOutcome
from services.aging.worker.output import Output
from shared.clock import ManualClock
from shared.contracts.tickets import Activity, Observation, Status
from tests.unit.aging.observations import TENANT, at, seen
from tests.unit.aging.partitions import Partition

KNOWN, CHANGED, OPENED = PullOutcome.KNOWN, PullOutcome.CHANGED, PullOutcome.OPENED
LAST = 2**63 - 1
WHOLE: dict[str, Any] = {
    "status": Status.NEW, "queue": "hardware", "assignee": None, "subject": "Printer on fire", "tags": ("a", "b"),
}  # fmt: skip


def pulled(hours: float = 0.0, **shown: Any) -> Observation:
    return msgspec.structs.replace(
        seen("desk:1", hours, id=f"pull@{hours}", sequence=LAST, **shown), pulled=True
    )


def outcomes(*batches: tuple[Observation, ...]) -> list[PullOutcome]:
    """Return what the pulled ones of `batches` came to, one fold each."""
    partition, found = Partition(), []
    for number, batch in enumerate(batches):
        outcome = partition.take(*batch, clock_us=at(10 + number))
        found += [one.outcome for _, one in outcome.pulled]
    return found


def test_a_state_that_a_webhook_had_shown_is_known() -> None:
    assert [KNOWN] == outcomes((seen(**WHOLE),), (pulled(**WHOLE),))


def test_a_ticket_that_no_webhook_told_of_is_found() -> None:
    assert [OPENED] == outcomes((pulled(**WHOLE),))


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.CLOSED},
        {"queue": "network"},
        {"assignee": "ann"},
        {"subject": "Fire"},
        {"tags": ("a",)},
    ],
    ids=str,
)
def test_a_change_that_no_webhook_told_of_is_found(change: dict[str, Any]) -> None:
    assert [CHANGED] == outcomes((seen(**WHOLE),), (pulled(1, **WHOLE | change),))


def test_the_order_of_tags_and_what_only_a_list_shows_are_no_change() -> None:
    more = {"tags": ("b", "a"), "url": "https://desk.example.com/1", "requester": "7"}
    assert [KNOWN] == outcomes((seen(**WHOLE),), (pulled(1, **WHOLE | more),))


def test_a_deletion_that_no_webhook_told_of_is_found_once() -> None:
    gone = pulled(1, activity=Activity.DELETED)
    later = pulled(2, activity=Activity.DELETED)
    assert [CHANGED, KNOWN] == outcomes((seen(**WHOLE),), (gone,), (later,))
    assert [KNOWN] == outcomes((seen(**WHOLE),), (seen("desk:1", 1, activity=Activity.DELETED),), (later,))


def test_pulled_again_it_counts_no_more() -> None:
    state = pulled(1, **WHOLE)
    again = msgspec.structs.replace(state, received_at=seen("desk:1", 5).time)
    assert [OPENED] == outcomes((state,), (again,), (state, again))


def test_webhook_and_pull_in_one_batch_are_told_apart_as_in_two() -> None:
    webhook, state = seen("desk:1", 1, status=Status.SOLVED), pulled(1, status=Status.SOLVED)
    opened = seen(**WHOLE)
    assert [KNOWN] == outcomes((opened, webhook, state))
    assert [KNOWN] == outcomes((opened,), (webhook, state))
    assert [CHANGED] == outcomes((opened, state))
    assert [CHANGED] == outcomes((opened,), (state,))


def test_a_pull_that_comes_late_is_judged_by_its_place_in_the_timeline() -> None:
    opened, solved = seen(**WHOLE), seen("desk:1", 3, status=Status.SOLVED)
    assert [CHANGED] == outcomes((opened, solved), (pulled(1, **WHOLE | {"queue": "network"}),))
    assert [KNOWN] == outcomes((opened, solved), (pulled(1, **WHOLE),))


def test_the_order_within_a_batch_changes_nothing() -> None:
    three = (seen(**WHOLE), seen("desk:1", 1, status=Status.SOLVED), pulled(1, status=Status.SOLVED))
    assert {(KNOWN,)} == {tuple(outcomes(each)) for each in permutations(three)}


def test_what_is_told_and_what_is_listed_are_two_marks_whichever_comes_first() -> None:
    state = pulled(1, **WHOLE)
    told = msgspec.structs.replace(state, pulled=False)
    mark = decode_mark(encode_mark(mark_of(state)))
    assert state == observation_of(TENANT, "desk:1", mark)
    assert order_of(mark) != order_of(mark_of(told))


def test_they_are_counted_by_source_with_every_outcome_from_the_first_on() -> None:
    partition, output, registry = Partition(), Output(0, 1, 1), CollectorRegistry()
    tally = Tally()
    registry.register(AgingCollector(tally, lambda: (), ManualClock()))

    class Logic:
        def __init__(self) -> None:
            self.output, self.backlog = output, partition.backlog

    tally.watch(0, Logic())
    outcome: Outcome = partition.take(pulled(**WHOLE), clock_us=at(10))
    output.write(outcome, partition.backlog)

    def figure(name: str) -> float | None:
        return registry.get_sample_value("barometer_pulled_total", {"source": "desk", "outcome": name})

    assert (0, 0, 1) == (figure("known"), figure("changed"), figure("opened"))
    tally.watch(0, Logic())  # the partition was lost and came back
    assert 2 == figure("opened")
