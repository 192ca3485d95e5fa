"""The count finds what is lost and what is double: it is what all the other tests here believe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.receiver import Received
from tests.faults.count import CELLS, EVENTS, FACTS, REJECTED, Raw, Seen, count
from tests.faults.load import EDGE, Story

CREATED = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREATED_US = 1_772_366_400_000_000
SOLVED = CREATED + EDGE + timedelta(minutes=5)
KEY = "default:1"


def story() -> Story:
    return Story(KEY, "desk", CREATED, SOLVED, "solved", {"new", "solved"})


def raw(kind: str, data: dict[str, object], *, key: bytes = b"k") -> Raw:
    late_ms = int(SOLVED.timestamp()) * 1_000
    return Raw(key, f"barometer.{kind}.v1".encode(), data, late_ms, 0)


def fact(kind: str, at: datetime, fact_id: str, turn: int = 0) -> Raw:
    said = {"id": fact_id, "turn": turn, "type": kind, "ticket": KEY, "at": at.isoformat(), "instance": 1}
    return raw(kind, said)


def told(state: str, message_id: str) -> Received:
    body = json.dumps({"data": {"state": state, "labels": {"queue": "desk"}}}).encode()
    return Received("/", {"webhook-id": message_id}, body)


def cell(open_: int, epoch: int, version: int) -> Raw:
    shown: dict[str, object] = {"partition": 0, "epoch": epoch, "version": version, "open": open_}
    return raw("backlog.cell", shown, key=b"cell")


def good() -> Seen:
    """Return what is there if nothing went wrong; each thing said twice under one id."""
    observed = [raw("ticket.observed", {"ticket": KEY, "id": event}) for event in ("new", "solved", "new")]
    facts = [
        fact("ticket.opened", CREATED, "a"), fact("age.crossed", CREATED + EDGE, "b"),
        fact("ticket.solved", SOLVED, "c"), fact("ticket.solved", SOLVED, "c"),
    ]  # fmt: skip
    cells = [cell(1, 7, 1), cell(0, 7, 2)]
    return Seen(
        {EVENTS: observed, FACTS: facts, CELLS: cells, REJECTED: []},
        [(KEY, "solved", "desk", False, CREATED_US)],
        {KEY: 2},
        [told("firing", "m1"), told("resolved", "m2"), told("resolved", "m2")],
    )


def records(seen: Seen, topic: str, change: Callable[[list[Raw]], list[Raw]]) -> Seen:
    return replace(seen, topics={**seen.topics, topic: change(list(seen.topics[topic]))})


def test_repeats_under_one_id_are_neither_lost_nor_double() -> None:
    counted = count([story()], good())
    assert ([], []) == (counted.lost, counted.double)
    assert {"events": 1, "facts": 1, "messages": 1} == counted.repeats


def test_an_alert_of_barometers_own_is_nobodys_loss() -> None:
    body = json.dumps({"data": {"state": "firing", "labels": {"partition": "0"}}}).encode()
    own = Received("/", {"webhook-id": "m9"}, body)
    seen = good()
    assert count([story()], replace(seen, received=[*(seen.received or ()), own])).good


LOST = {
    "an event": lambda seen: records(seen, EVENTS, lambda all_: all_[:1]),
    "a row": lambda seen: replace(seen, tickets=[]),
    "a change": lambda seen: replace(seen, tickets=[(KEY, "new", "desk", True, CREATED_US)]),
    "a mark": lambda seen: replace(seen, marks={KEY: 1}),
    "a fact": lambda seen: records(seen, FACTS, lambda all_: all_[1:]),
    "a fact withdrawn": lambda seen: records(
        seen, FACTS, lambda all_: [*all_, fact("age.crossed", CREATED + EDGE, "b", 1)]
    ),
    "a message": lambda seen: replace(seen, received=seen.received[:1]),
}  # fmt: skip
DOUBLE = {
    "an event of nobody": lambda seen: records(
        seen, EVENTS, lambda all_: [*all_, raw("ticket.observed", {"ticket": KEY, "id": "other"})]
    ),
    "a row of nobody": lambda seen: replace(
        seen, tickets=[*seen.tickets, ("default:2", "new", "", True, CREATED_US)]
    ),
    "a mark": lambda seen: replace(seen, marks={KEY: 3}),
    "a fact under two ids": lambda seen: records(
        seen, FACTS, lambda all_: [*all_, fact("ticket.opened", CREATED, "d")]
    ),
    "a fact of nothing": lambda seen: records(
        seen, FACTS, lambda all_: [*all_, fact("ticket.opened", SOLVED, "d")]
    ),
    "a fact before its time": lambda seen: records(
        seen, FACTS, lambda all_: [one._replace(time_ms=0) for one in all_]
    ),
    "a cell": lambda seen: records(seen, CELLS, lambda all_: [*all_, cell(1, 7, 3)]),
    "a cell of a former owner": lambda seen: records(seen, CELLS, lambda all_: [*all_, cell(0, 6, 9)]),
    "a message under two ids": lambda seen: replace(seen, received=[*seen.received, told("firing", "m3")]),
    "a rejected event": lambda seen: records(
        seen, REJECTED, lambda _: [raw("ticket.rejected", {"reason": "x"})]
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", LOST.values(), ids=LOST)
def test_what_is_missing_is_lost(change: Callable[[Seen], Seen]) -> None:
    counted = count([story()], change(good()))
    assert 1 == len(counted.lost), counted.lost
    assert [] == counted.double


@pytest.mark.parametrize("change", DOUBLE.values(), ids=DOUBLE)
def test_what_is_there_without_reason_is_double(change: Callable[[Seen], Seen]) -> None:
    counted = count([story()], change(good()))
    assert 1 == len(counted.double), counted.double
    assert [] == counted.lost
