"""A small language for the stories of tickets: what happened when, and what the clocks made of it.

    told = tell(
        promises(resolution=clock("4h", pauses="customer")),
        opened("Mon 09:00"), waits("Mon 10:00", "customer"), customer("Mon 12:00"),
    )
    assert ["Mon 09:00 started", "Mon 10:00 paused (customer)", …] == told.of("resolution")

How times and promises are written is in agreed.py.

`tell` derives each story at once, in order from timer to timer, in order without a timer in between, and shuffled,
with a restart; all have to come to the same ticket and the same standing facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from services.aging.core.batch import Outcome, Stated
from services.aging.core.clock import Clock
from services.aging.core.facts import Statement, fact_of
from services.aging.core.mark import mark_of, order_of
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket, TurnKey
from shared.contracts.backlog import Cause, FactType
from shared.contracts.instants import from_us, to_us
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
from tests.unit.aging.sla.agreed import length, us, when

KEY: Final = "desk:1"
OTHER: Final = "desk:2"
_TENANT: Final = "acme"
_WORDS: Final = {
    "status": Status, "priority": Priority, "channel": Channel, "kind": Kind, "wait_reason": WaitReason,
}  # fmt: skip
_SHUFFLES: Final = 3


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


def tell(by: Terms, *happened: Observation, until: str = "Sun+2 00:00") -> Told:
    """Return what `happened` comes to by these terms at `until`, the same on every path."""
    until_us = us(until)
    at_once = _told(by, [list(happened)], until_us, clocks_us=[until_us])
    ordered = sorted(happened, key=lambda one: order_of(mark_of(one)))
    singly = [[one] for one in ordered]
    times = [to_us(one.time) for one in ordered]
    assert times[-1] <= until_us
    # What tickets tell each other comes after the first statement, whose members stay those of then.
    is_alone = len(at_once.tickets) == 1
    for step in (True, False):
        _assert_same(at_once, _told(by, singly, until_us, clocks_us=times, step=step), strictly=is_alone)
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
    here = Listening(by)
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


class Listening(Partition):
    """A partition that keeps what was said of each fact."""

    def __init__(self, by: Terms) -> None:
        super().__init__(by)
        self.details: dict[tuple[str, TurnKey], Draft] = {}
        self.stated: list[Stated] = []

    def hear(self) -> None:
        """Tell the tickets what they told each other."""
        while self.told:
            told, self.told = self.told, []
            self.absorb(*told)

    def _keep(self, outcome: Outcome) -> None:
        super()._keep(outcome)
        self.stated += outcome.stated
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
