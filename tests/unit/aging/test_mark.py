"""Marks: the identity of an observation, and its place in a ticket's timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.mark import (
    Mark,
    decode_mark,
    encode_mark,
    mark_of,
    observation_of,
    order_of,
    shows_link,
)
from shared.contracts.instants import from_us
from shared.contracts.tickets import Activity, Actor, Observation, Status, TicketFields, Visibility
from tests.unit.aging.observations import START_US, observations, seen


def order(observation: Observation) -> bytes:
    return order_of(mark_of(observation))


def test_how_and_when_it_was_received_is_no_part_of_an_observations_identity() -> None:
    by_webhook = seen(id="7", received_us=START_US + 5)
    by_import = seen(id="7", received_us=START_US + 9, run="run")
    assert order(by_webhook) == order(by_import)


@pytest.mark.parametrize(
    "other",
    [
        seen(id="8"),
        seen(id="7", source="mail"),
        seen(id="7", activity=Activity.CREATED),
        seen(id="7", actor=Actor.BOT),
        seen(id="7", status=Status.NEW),
        seen(id="7", queue=None),
        seen(id="7", sequence=0),
        seen(id="7", plus_us=1),
        msgspec.structs.replace(seen(id="7"), visibility=Visibility.PUBLIC),
        msgspec.structs.replace(seen(id="7"), reason="by hand"),
    ],
)
def test_anything_else_is_another_observation(other: Observation) -> None:
    assert order(seen(id="7")) != order(other)


def test_the_same_instant_in_another_zone_is_the_same_observation() -> None:
    here = datetime(2026, 3, 1, 12, tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(hours=5)))
    shown = [
        msgspec.structs.replace(seen(id="7"), time=time, fields=TicketFields(created_at=time))
        for time in (here, there)
    ]
    assert order(shown[0]) == order(shown[1])


def test_marks_sort_by_time_then_sequence_then_stop_pause_start() -> None:
    ascending = [
        seen(hours=0, sequence=9, status=Status.NEW),
        seen(hours=1, status=Status.NEW),
        seen(hours=1, sequence=-(2**63), status=Status.NEW),
        seen(hours=1, sequence=-1, status=Status.NEW),
        seen(hours=1, sequence=0, status=Status.NEW),
        seen(hours=1, sequence=1, status=Status.SOLVED),
        seen(hours=1, sequence=1, status=Status.WAITING),
        seen(hours=1, sequence=1, status=Status.IN_PROGRESS),
        seen(hours=1, sequence=2, status=Status.CLOSED),
        seen(hours=1, sequence=2**63 - 1, activity=Activity.SPAM),
        seen(hours=2),
    ]
    orders = [order(one) for one in ascending]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize("activity", [Activity.MERGED, Activity.DELETED, Activity.SPAM])
def test_an_activity_that_ends_a_ticket_is_a_stop(activity: Activity) -> None:
    assert order(seen(activity=activity, status=Status.NEW)) < order(seen(status=Status.WAITING))


@given(observations())
def test_a_mark_is_read_back_as_it_was_written_and_gives_its_observation_back(seen_: Observation) -> None:
    mark = mark_of(seen_)
    assert mark == decode_mark(encode_mark(mark))
    assert seen_ == observation_of(seen_.tenant, seen_.ticket, mark)


@given(st.lists(observations(), max_size=5))
def test_equal_orders_mean_equal_marks(all_seen: list[Observation]) -> None:
    by_order: dict[bytes, set[bytes]] = {}
    for one in all_seen:
        plain = msgspec.structs.replace(one, run=None, ticket="", tenant="")
        by_order.setdefault(order(one), set()).add(msgspec.json.encode(plain))
    assert all(len(contents) == 1 for contents in by_order.values())


def test_a_mark_shows_a_link_if_it_makes_clears_or_undoes_one() -> None:
    fields = (TicketFields(merged_into="desk:2"), TicketFields(merged_into=None))
    assert all(shows_link(Mark(0, "1", "desk", fields=one)) for one in fields)
    assert all(shows_link(Mark(0, "1", "desk", one)) for one in (Activity.MERGED, Activity.RESTORED))
    assert not shows_link(Mark(0, "1", "desk", Activity.SPAM, fields=TicketFields(status=Status.SOLVED)))


def test_a_time_before_1970_has_no_place_in_the_order() -> None:
    with pytest.raises(OverflowError):
        order_of(Mark(-1, "1", "desk"))
    assert order_of(Mark(0, "1", "desk")) < order(msgspec.structs.replace(seen(), time=from_us(1)))
