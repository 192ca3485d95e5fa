"""The core against an independent slow count of the same rules, and what must hold whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from services.aging.core.mark import mark_of
from services.aging.core.policy import Policy, Promise, Stage
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import FactType
from shared.contracts.instants import SECOND_US, from_us
from shared.contracts.tickets import Activity, Actor, Observation
from tests.unit.aging.partitions import derived
from tests.unit.aging.sla.agreed import terms, us, when
from tests.unit.aging.sla.story import KEY, saw, tell
from tests.unit.aging.sla.ticking import DAY, Event, Rule, Ticking

QUARTER_US: Final = 900 * SECOND_US
MONDAY_US: Final = us("Mon 00:00")
UNTIL: Final = 9 * DAY
WINDOW: Final = DAY
RULES: Final = {
    "first_response": Rule({"p1": 2, "p2": 8}),
    "next_response": Rule({"p1": 4, "p2": 8}),
    "update": Rule({"p1": 12, "p2": 40}, ("customer",)),
    "resolution": Rule({"p1": 16, "p2": 60}, ("customer", "vendor")),
    "team": Rule({"p1": 8, "p2": 30}, ("customer",)),
}
PRIORITIES = ("p1", "p2")
STATUSES = (
    "new",
    "in_progress",
    "waiting/customer",
    "waiting/vendor",
    "waiting/internal",
    "solved",
    "closed",
)

# Quarters around the opening and the closing, and close to each other: then clocks meet their deadlines.
_TIMES = st.one_of(
    st.integers(0, 5 * DAY), st.integers(30, 72), st.sampled_from([36, 40, 44, 52, 67, 68, 69, 132, 164])
)
_EVENTS = st.builds(
    Event,
    _TIMES,
    st.sampled_from(["", "", "customer", "agent"]),
    st.one_of(st.none(), st.sampled_from(STATUSES)),
    st.one_of(st.none(), st.none(), st.sampled_from(PRIORITIES)),
    st.one_of(st.none(), st.none(), st.sampled_from(["first", "second"])),
)


@st.composite
def timelines(draw: st.DrawFn) -> list[Event]:
    """Draw the events of a ticket at different quarters, the first of which opens it."""
    events = draw(st.lists(_EVENTS, min_size=1, max_size=9, unique_by=lambda event: event.at))
    events.sort(key=lambda event: event.at)
    opening = draw(st.sampled_from(PRIORITIES))
    first = Event(events[0].at, draw(st.sampled_from(["customer", "customer", "agent"])), "new", opening,
                  draw(st.sampled_from(["", "first"])))  # fmt: skip
    return [first, *events[1:]]


TIMELINES = timelines()
CALENDARS = st.sampled_from(["24x7", "office"])


def is_office_hour(quarter: int) -> bool:
    day, of_day = divmod(quarter, DAY)
    return day % 7 < 5 and 36 <= of_day < 68


def seen(event: Event, number: int) -> Observation:
    """Return the observation of an event."""
    activity = {"customer": Activity.CUSTOMER_MESSAGE, "agent": Activity.AGENT_MESSAGE, "": Activity.UPDATED}
    actor = {"customer": Actor.CUSTOMER, "agent": Actor.AGENT, "": None}
    fields = {"status": event.status, "priority": event.priority, "queue": event.queue}
    shown: dict[str, Any] = {name: value for name, value in fields.items() if value}
    return saw(
        when(MONDAY_US + event.at * QUARTER_US),
        Activity.CREATED if number == 0 else activity[event.by],
        actor=actor[event.by],
        **shown,
    )


def policy(calendar: str, rules: Mapping[str, Rule] = RULES, *, stages: tuple[Stage, ...] = ()) -> Terms:
    """Return the terms that promise what `rules` do."""
    made = {
        name: Promise(
            {key: target * QUARTER_US for key, target in rule.targets.items()}, stages, frozenset(rule.pauses)
        )
        for name, rule in rules.items()
    }
    return terms(Policy("all", made, calendar=calendar, reopen_window_us=WINDOW * QUARTER_US, label="all@1"))


def told(by: Terms, events: Sequence[Event]) -> tuple[Ticket, list[Draft]]:
    """Return what the core makes of it."""
    marks = [mark_of(seen(event, number)) for number, event in enumerate(events)]
    return derived(marks, by, MONDAY_US + UNTIL * QUARTER_US)


def counted(calendar: str, events: Sequence[Event]) -> Ticking:
    """Return what counting makes of it."""
    is_open = is_office_hour if calendar == "office" else lambda quarter: True
    first = events[0]
    ticket = Ticking(RULES, is_open, WINDOW, first.by == "customer", first.priority or "", first.queue or "")
    ticket.run(events, UNTIL)
    return ticket


COUNTED = {
    FactType.SLA_STARTED: "started", FactType.SLA_MET: "met", FactType.SLA_FINISHED: "finished",
    FactType.SLA_BREACHED: "breached",
}  # fmt: skip


@settings(max_examples=150)
@given(TIMELINES, CALENDARS)
def test_the_core_and_a_slow_count_agree_on_used_time_verdicts_and_breach_instants(
    events: list[Event], calendar: str
) -> None:
    """Issue: an independent slow reference over short spans agrees."""
    expected = counted(calendar, events)
    ticket, drafts = told(policy(calendar), events)
    found = {
        (COUNTED[one.type], one.clock, one.instance, *quarters(one)) for one in drafts if one.type in COUNTED
    }
    assert expected.facts == found
    assert {(one.name, one.instance, one.breached) for one in expected.counters.values()} == {
        (one.name, one.instance, one.breached) for one in ticket.clocks
    }


def quarters(draft: Draft) -> tuple[float, float]:
    """Return when a fact is and how much was used by then, in quarters."""
    assert draft.detail is not None
    return (draft.at_us - MONDAY_US) / QUARTER_US, draft.detail.used_us / QUARTER_US


@settings(max_examples=25)
@given(TIMELINES, CALENDARS)
def test_in_order_and_shuffled_come_to_the_same(events: list[Event], calendar: str) -> None:
    """Issue: in-order and shuffled derivation equal."""
    by = policy(calendar)
    happened = [seen(event, number) for number, event in enumerate(events)]
    found = tell(by, *happened, until=when(MONDAY_US + UNTIL * QUARTER_US))
    assert {draft.key for draft in told(by, events)[1]} == {draft.key for draft in found.drafts[KEY]}


# ---------------------------------------------------------------------------------------------- properties
STAGES = st.lists(
    st.one_of(
        st.sampled_from([0.1, 0.5, 0.8, 0.99]).map(lambda share: Stage(share=share)),
        st.sampled_from([1, 2, 8, 20, 100]).map(lambda left: Stage(left_us=left * QUARTER_US)),
    ),
    max_size=3,
).map(tuple)


@settings(max_examples=100)
@given(TIMELINES, CALENDARS, STAGES)
def test_an_instance_is_breached_once_and_warned_before_in_open_hours(
    events: list[Event], calendar: str, stages: tuple[Stage, ...]
) -> None:
    """Section 3, items 3 and 4; row "Priority changes mid-ticket": at most one breach per instance."""
    _, drafts = told(policy(calendar, stages=stages), events)
    breaches = [(one.clock, one.instance) for one in drafts if one.type is FactType.SLA_BREACHED]
    assert sorted(set(breaches)) == sorted(breaches)
    broken_us = {(o.clock, o.instance): o.at_us for o in drafts if o.type is FactType.SLA_BREACHED}
    for warning in (one for one in drafts if one.type is FactType.SLA_WARNED):
        assert warning.detail is not None
        assert warning.at_us <= broken_us.get((warning.clock, warning.instance), warning.at_us)
        assert warning.at_us <= warning.detail.deadline_us
        quarter = (warning.at_us - MONDAY_US) / QUARTER_US
        at_closing = is_office_hour(int(quarter) - 1) and warning.detail.used_us > 0
        assert calendar == "24x7" or is_office_hour(int(quarter)) or at_closing, from_us(warning.at_us)


@settings(max_examples=75)
@given(TIMELINES, CALENDARS, st.integers(1, 40))
def test_a_longer_target_is_never_breached_earlier(events: list[Event], calendar: str, more: int) -> None:
    """Issue: monotone in target."""
    longer = {
        name: replace(rule, targets={key: target + more for key, target in rule.targets.items()})
        for name, rule in RULES.items()
    }
    short, long = breaches_of(policy(calendar), events), breaches_of(policy(calendar, longer), events)
    assert long.keys() <= short.keys()
    assert all(short[key] <= at_us for key, at_us in long.items())


@settings(max_examples=75)
@given(TIMELINES, CALENDARS)
def test_more_pauses_never_use_more_and_never_breach_earlier(events: list[Event], calendar: str) -> None:
    """Issue: monotone in pauses."""
    unpaused = {name: replace(rule, pauses=()) for name, rule in RULES.items()}
    paused, running = breaches_of(policy(calendar), events), breaches_of(policy(calendar, unpaused), events)
    assert paused.keys() <= running.keys()
    assert all(running[key] <= at_us for key, at_us in paused.items())


def breaches_of(by: Terms, events: Sequence[Event]) -> dict[tuple[str, int], int]:
    """Return when each instance is breached."""
    return {(o.clock, o.instance): o.at_us for o in told(by, events)[1] if o.type is FactType.SLA_BREACHED}
