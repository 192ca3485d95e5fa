"""A small language for the stories of tickets: what happened when, and what the clocks made of it.

    told = tell(
        promises(resolution=clock("4h", pauses="customer")),
        opened("Mon 09:00"), waits("Mon 10:00", "customer"), customer("Mon 12:00"),
    )
    assert ["Mon 09:00 started", "Mon 10:00 paused (customer)", …] == told.of("resolution")

Times are Berlin's: `Mon 09:00` is of the week of 2 March 2026, `Mon+1 09:00` a week later, `2026-03-29 03:30` any
other, a `Z` at the end means UTC. The calendar `office` is open Monday to Friday, 09:00 to 17:00.

`tell` derives each story at once, in order from timer to timer, in order without a timer in between, and shuffled,
with a restart; all have to come to the same ticket and the same standing facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.aging.core.batch import Outcome
from services.aging.core.clock import Clock
from services.aging.core.facts import Statement, fact_of
from services.aging.core.mark import mark_of, order_of
from services.aging.core.policy import ALWAYS_OPEN, Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import HoursVersion, Terms
from services.aging.core.ticket import Draft, Ticket, TurnKey
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.calendars.hours import Hours
from shared.contracts.backlog import Cause, FactType
from shared.contracts.instants import SECOND_US, from_us, to_us
from shared.contracts.tickets import (
    Activity,
    Actor,
    Channel,
    Kind,
    Observation,
    Priority,
    Status,
    TicketFields,
    Visibility,
    WaitReason,
)
from tests.unit.aging.partitions import Partition, bare

KEY: Final = "desk:1"
OTHER: Final = "desk:2"
_TENANT: Final = "acme"
_MONDAY: Final = date(2026, 3, 2)
_WEEK: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BERLIN: Final = ZoneInfo("Europe/Berlin")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WORDS: Final = {
    "status": Status, "priority": Priority, "channel": Channel, "kind": Kind, "wait_reason": WaitReason,
}  # fmt: skip
_SHUFFLES: Final = 3


# ---------------------------------------------------------------------------------------------- times
def us(when: str) -> int:
    """Return the instant that `when` names."""
    day, time = when.removesuffix("Z").split(" ")
    if day[:3] in _WEEK:
        name, _, weeks = day.partition("+")
        on = _MONDAY + timedelta(days=_WEEK.index(name), weeks=int(weeks or 0))
    else:
        on = date.fromisoformat(day)
    zone = ZoneInfo("UTC") if when.endswith("Z") else _BERLIN
    naive = datetime.fromisoformat(f"{on} {time}")
    return to_us(naive.replace(tzinfo=zone))


def when(at_us: int) -> str:
    """Return how a story names an instant: by its weekday in March 2026, or whole."""
    local = from_us(at_us).astimezone(_BERLIN)
    time = local.strftime("%H:%M" if local.second == local.microsecond == 0 else "%H:%M:%S")
    time += f".{local.microsecond:06}" if local.microsecond else ""
    days = (local.date() - _MONDAY).days
    if not 0 <= days < 21:
        return f"{local.date()} {time}"
    return f"{_WEEK[days % 7]}{f'+{days // 7}' if days >= 7 else ''} {time}"


def long(text: str) -> int:
    """Return how many microseconds `90s`, `15m`, `4h`, `2d` or `1h30m` are."""
    total, digits = 0, ""
    for letter in text:
        if letter in _SECONDS:
            total, digits = total + int(digits) * _SECONDS[letter], ""
        else:
            digits += letter
    assert not digits, f"no unit in {text!r}"
    return total * SECOND_US


# ---------------------------------------------------------------------------------------------- terms
def hours(
    zone: str = "Europe/Berlin", days: str = "mon tue wed thu fri", *windows: str, **more: Any
) -> Hours:
    """Return hours of `days`, 09:00-17:00 unless `windows` say otherwise; `more`: holidays, overrides."""
    weekly = {day: [window.split("-") for window in windows or ("09:00-17:00",)] for day in days.split()}
    return compiled(definition_from({"timezone": zone, "weekly": weekly, **more}))


def clock(
    target: str | Mapping[str, str], *, warn: str = "", pauses: str = "", wall: bool = False
) -> Promise:
    """Return a promise; `warn` and `pauses` are words, such as `50% 30m` and `customer vendor`."""
    targets = {"default": target} if isinstance(target, str) else target
    stages = tuple(
        Stage(share=int(one[:-1]) / 100) if one.endswith("%") else Stage(left_us=long(one))
        for one in warn.split()
    )
    return Promise(
        {name: long(text) for name, text in targets.items()},
        stages,
        frozenset(pauses.split()),
        business=not wall,
    )


def policy(
    name: str = "support",
    match: Mapping[str, str] | None = None,
    calendar: str = ALWAYS_OPEN,
    version: str = "1",
    **clocks: Promise | str | Mapping[str, str],
) -> Policy:
    """Return a policy with the default settings; a clock that is only a text is a target and no more."""
    return Policy(
        name,
        {key: one if isinstance(one, Promise) else clock(one) for key, one in clocks.items()},
        {key: frozenset(words.split()) for key, words in (match or {}).items()},
        calendar,
        label=f"{name}@{version}",
    )


def terms(*policies: Policy | PolicyVersion, **timetables: Hours | tuple[HoursVersion, ...]) -> Terms:
    """Return terms of policies, or of versions of them; `office` is open in office hours."""
    versions = [one for one in policies if isinstance(one, PolicyVersion)]
    first = tuple(one for one in policies if isinstance(one, Policy))
    named: dict[str, Hours | tuple[HoursVersion, ...]] = {"office": OFFICE, **timetables}
    return Terms(
        policies=[PolicyVersion(first), *versions] if first else versions,
        timetables={
            name: found if isinstance(found, tuple) else (HoursVersion(0, found),)
            for name, found in named.items()
        },
    )


def promises(*, calendar: str = ALWAYS_OPEN, **clocks: Promise | str | Mapping[str, str]) -> Terms:
    """Return terms of the one policy that has these clocks."""
    return terms(policy("support", None, calendar, "1", **clocks))


def since(when_: str, *policies: Policy, running: bool = False) -> PolicyVersion:
    """Return the version of the policies from then on."""
    return PolicyVersion(policies, us(when_), running)


OFFICE: Final = hours()
NEVER: Final = compiled(definition_from({"timezone": "Europe/Berlin", "weekly": {}}, may_never_open=True))


# ------------------------------------------------------------------------------------------- what happens
def saw(
    when_: str, activity: Activity, *, of: str = KEY, actor: Actor | None = None,
    visibility: Visibility | None = None, sequence: int | None = None, **fields: Any,
) -> Observation:  # fmt: skip
    """Return what was seen; fields are words, `status` may be `waiting/vendor`."""
    if "/" in (fields.get("status") or ""):
        fields["status"], fields["wait_reason"] = fields["status"].split("/")
    if "created" in fields:
        fields["created_at"] = from_us(us(fields.pop("created")))
    shown = {name: _WORDS.get(name, _same)(word) if word else word for name, word in fields.items()}
    at = from_us(us(when_))
    name = f"{of} {when_} {activity.value} {sorted(fields.items())}"
    return Observation(
        tenant=_TENANT, source="desk", ticket=of, id=name, time=at, received_at=at, activity=activity,
        actor=actor, visibility=visibility, sequence=sequence, fields=TicketFields(**shown),
    )  # fmt: skip


def _same(word: Any) -> Any:
    return word


def opened(when_: str, **fields: Any) -> Observation:
    """The customer opens the ticket."""
    return saw(when_, Activity.CREATED, **{"actor": Actor.CUSTOMER, "status": "new", **fields})


def opened_by_agent(when_: str, **fields: Any) -> Observation:
    """An agent opens the ticket, publicly."""
    return saw(
        when_, Activity.CREATED,
        **{"actor": Actor.AGENT, "visibility": Visibility.PUBLIC, "status": "new", **fields},
    )  # fmt: skip


def customer(when_: str, **fields: Any) -> Observation:
    """The customer writes."""
    return saw(when_, Activity.CUSTOMER_MESSAGE, **{"actor": Actor.CUSTOMER, **fields})


def agent(when_: str, **fields: Any) -> Observation:
    """An agent writes to the customer."""
    return saw(when_, Activity.AGENT_MESSAGE, **{"actor": Actor.AGENT, **fields})


def note(when_: str, **fields: Any) -> Observation:
    """An agent writes what the customer cannot see."""
    fields = {"actor": Actor.AGENT, "visibility": Visibility.INTERNAL, **fields}
    return saw(when_, Activity.INTERNAL_NOTE, **fields)


def shows(when_: str, **fields: Any) -> Observation:
    """Some fields changed."""
    return saw(when_, Activity.UPDATED, **fields)


def waits(when_: str, reason: str, **fields: Any) -> Observation:
    """The ticket is set to wait."""
    return shows(when_, status=f"waiting/{reason}", **fields)


def works(when_: str, **fields: Any) -> Observation:
    """The ticket is in progress; of a solved one: it is reopened."""
    return shows(when_, status="in_progress", **fields)


def solves(when_: str, **fields: Any) -> Observation:
    """The ticket is solved."""
    return shows(when_, status="solved", **fields)


# ---------------------------------------------------------------------------------------------- told
@dataclass(frozen=True)
class Told:
    """What a story came to. Facts are lines: when, what, `#2` if it is not the first instance, (why)."""

    tickets: Mapping[str, Ticket]
    drafts: Mapping[str, Sequence[Draft]]

    @property
    def ticket(self) -> Ticket:
        return self.tickets[KEY]

    def of(self, name: str, ticket: str = KEY) -> list[str]:
        """Return the facts about a clock."""
        return [line_of(draft) for draft in self.drafts[ticket] if draft.clock == name]

    def fact(self, name: str, line: str, ticket: str = KEY) -> Draft:
        """Return the one fact about a clock whose line begins with `line`."""
        found = [one for one in self.drafts[ticket] if one.clock == name and line_of(one).startswith(line)]
        assert 1 == len(found), self.of(name, ticket)
        return found[0]

    def used(self, name: str, line: str, ticket: str = KEY) -> str:
        """Return how much of the target was used at a fact."""
        return length(_detail(self.fact(name, line, ticket)).used_us)

    def deadline(self, name: str, line: str, ticket: str = KEY) -> str | None:
        """Return the deadline that a fact tells; None if it tells none."""
        return _named(_detail(self.fact(name, line, ticket)).deadline_us)

    def notify_at(self, name: str, line: str, ticket: str = KEY) -> str | None:
        """Return before when nobody is paged for a fact; None if that is not said."""
        return _named(_detail(self.fact(name, line, ticket)).notify_us)

    def clock(self, name: str, ticket: str = KEY) -> Clock:
        """Return a clock that the ticket has at the end."""
        return next(one for one in self.tickets[ticket].clocks if one.name == name)


def cause_of(told: Told, name: str, line: str, *, cause: Cause = Cause.OBSERVED) -> Cause:
    """Return the cause that a fact about a clock is published with, if it is stated for `cause`."""
    draft = told.fact(name, line)
    ticket = told.ticket
    return fact_of(
        _TENANT, KEY, ticket, Statement(draft, 0), stated_us=draft.at_us, cause=cause
    ).cause  # fmt: skip


def line_of(draft: Draft) -> str:
    """Return a fact as a line."""
    detail = draft.detail
    why = " ".join(word for word in (detail.stage, detail.reason) if word) if detail is not None else ""
    instance = f" #{draft.instance}" if draft.instance > 1 else ""
    return f"{when(draft.at_us)} {draft.type.value.partition('.')[2]}{instance}{f' ({why})' if why else ''}"


def length(amount_us: int) -> str:
    """Return `1h30m` for an amount; `0s` for none."""
    assert amount_us % SECOND_US == 0, f"{amount_us} us are no whole seconds"
    seconds, parts = amount_us // SECOND_US, ""
    for unit, size in (("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += f"{count}{unit}" if count else ""
    return parts or "0s"


def tell(by: Terms, *happened: Observation, until: str = "Sun+2 00:00") -> Told:
    """Return what `happened` comes to by these terms at `until`, the same on every path."""
    until_us = us(until)
    at_once = _told(by, [list(happened)], until_us, clocks_us=[until_us])
    ordered = sorted(happened, key=lambda one: order_of(mark_of(one)))
    singly = [[one] for one in ordered]
    times = [to_us(one.time) for one in ordered]
    assert times[-1] <= until_us
    for step in (True, False):
        _assert_same(at_once, _told(by, singly, until_us, clocks_us=times, step=step), strictly=True)
    for seed in range(_SHUFFLES):
        shuffled = list(happened)
        Random(seed).shuffle(shuffled)
        singly = [[one] for one in shuffled]
        times = _never_back(to_us(one.time) for one in shuffled)
        _assert_same(at_once, _told(by, singly, until_us, clocks_us=times, step=bool(seed % 2)))
    return at_once


def _told(
    by: Terms, batches: Sequence[Sequence[Observation]], until_us: int, *, clocks_us: Sequence[int],
    step: bool = False,
) -> Told:  # fmt: skip
    """Send `batches` through a partition; `step`: time passes from timer to timer, and a restart in between."""
    here = _Listening(by)
    for batch, clock_us in zip(batches, clocks_us, strict=True):
        if step:
            here.pass_time(max(here.clock_us, clock_us - 1))
        here.take(*batch, clock_us=clock_us)
        if step:
            here.restart()
        here.hear()
    here.pass_time(until_us)
    here.check()
    assert not here.refused
    drafts: dict[str, list[Draft]] = {}
    for (_, ticket), key in here.standing():
        drafts.setdefault(ticket, []).append(here.details[ticket, key])
    for found in drafts.values():
        found.sort(key=_place)
    return Told({id_[1]: bare(ticket) for id_, ticket in here.awake().items()}, drafts)


_OF_A_CLOCK: Final = (
    FactType.SLA_STARTED, FactType.SLA_RESUMED, FactType.SLA_DEADLINE_CHANGED, FactType.SLA_WARNED,
    FactType.SLA_BREACHED, FactType.SLA_MET, FactType.SLA_FINISHED, FactType.SLA_PAUSED,
    FactType.SLA_SUPERSEDED,
)  # fmt: skip
"""In which order those of one instant read best."""


def _place(draft: Draft) -> tuple[int, int, int, TurnKey]:
    rank = _OF_A_CLOCK.index(draft.type) if draft.type in _OF_A_CLOCK else -1
    return (draft.at_us, draft.instance, rank, draft.key)


class _Listening(Partition):
    """A partition that keeps what was said of each fact."""

    def __init__(self, by: Terms) -> None:
        super().__init__(by)
        self.details: dict[tuple[str, TurnKey], Draft] = {}

    def hear(self) -> None:
        """Tell the tickets what they told each other."""
        while self.told:
            told, self.told = self.told, []
            self.absorb(*told)

    def _keep(self, outcome: Outcome) -> None:
        super()._keep(outcome)
        for stated in outcome.stated:
            self.details[stated.id[1], stated.statement.draft.key] = stated.statement.draft


def _never_back(times: Iterable[int]) -> list[int]:
    found: list[int] = []
    for time_us in times:
        found.append(max(time_us, found[-1] if found else 0))
    return found


def _assert_same(expected: Told, found: Told, *, strictly: bool = False) -> None:
    for ticket, drafts in expected.drafts.items():
        others = found.drafts.get(ticket, [])
        if strictly:
            assert [(line_of(one), one.detail) for one in drafts] == [(line_of(o), o.detail) for o in others]
        assert [one.key for one in drafts] == [one.key for one in others]
    assert expected.drafts.keys() == found.drafts.keys()
    assert expected.tickets == found.tickets


def _detail(draft: Draft) -> Any:
    assert draft.detail is not None
    return draft.detail


def _named(at_us: int) -> str | None:
    return when(at_us) if at_us >= 0 else None
