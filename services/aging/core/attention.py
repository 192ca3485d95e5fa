"""What asks for attention: tickets that no deadline tells of, because nothing happens to them, or too much.

A signal begins at an exact instant, which follows from the ticket as it stands, so a timer can wait for it
like for an age edge, and nobody sweeps. While it lasts its bit is set in the ticket, for the counts; when
it is over before the ticket leaves the stock, that is a fact too. What each signal means, and its setting,
is in docs/worklist.md.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from services.aging.core.clock import NOT
from services.aging.core.clocks import Standing, why_it_stands
from services.aging.core.terms import Terms, Watch
from services.aging.core.ticket import MERGED, VOID, Draft, Ticket
from shared.contracts.backlog import FactType
from shared.contracts.tickets import WaitReason

CUSTOMER_SILENT: Final = "customer_silent"
"""Why a ticket may be closed. Whoever reads it expects other reasons as well."""

_CUSTOMER: Final = WaitReason.CUSTOMER.value
_UNDONE: Final = frozenset({MERGED, VOID})


class Signal(IntFlag):
    """The signals; a ticket keeps those that stand as one small number."""

    ESCALATED = 1
    STUCK = 2
    STALE = 4
    BOUNCING = 8
    CLOSE_CANDIDATE = 16


# Numbers, because arithmetic on flags takes ten times as long, several times for each observation.
ESCALATED: Final = int(Signal.ESCALATED)
STUCK: Final = int(Signal.STUCK)
STALE: Final = int(Signal.STALE)
BOUNCING: Final = int(Signal.BOUNCING)
CLOSE_CANDIDATE: Final = int(Signal.CLOSE_CANDIDATE)

PAST_SLA: Final = 32
AT_RISK: Final = 64
CONDENSED: Final = 128
COUNTED: Final = (PAST_SLA, AT_RISK, STUCK, STALE, BOUNCING, CLOSE_CANDIDATE)
"""What figures count of the flags of a ticket's row, in their order."""

NAMES: Final = {int(signal): str(signal.name).lower() for signal in Signal}
"""How people and facts call them."""
_FACTS: Final = {
    ESCALATED: FactType.ESCALATED,
    STUCK: FactType.STUCK,
    STALE: FactType.STALE,
    BOUNCING: FactType.BOUNCING,
    CLOSE_CANDIDATE: FactType.CLOSE_CANDIDATE,
}
_OF_A_WAIT: Final = STUCK | CLOSE_CANDIDATE


Awaited = tuple[int, int]
"""(at_us, signal): it begins then if nothing happens before. Bare, because it is made for each observation."""


def names_of(signals: int) -> list[str]:
    """Return what stands, in words."""
    return [name for bit, name in NAMES.items() if signals & bit]


def flags_of(ticket: Ticket) -> int:
    """Return what a ticket's row says about it beside its fields: its signals and its promises."""
    return (
        ticket.signals | PAST_SLA * ticket.past_sla | AT_RISK * ticket.at_risk | CONDENSED * ticket.condensed
    )


def awaited(ticket: Ticket, terms: Terms) -> list[Awaited]:
    """Return when each signal begins that does not stand; `ticket` is open.

    A signal begins at the first instant at which it is true by the version in force then. So a version with a
    shorter time reaches tickets that waited for longer already, at the instant from which it counts.
    """
    watches = terms.watches
    if len(watches) == 1:
        return _awaited(ticket, watches[0])
    found: dict[int, int] = {}
    for watch in watches:
        for at_us, signal in _awaited(ticket, watch):
            begin_us = max(at_us, watch.since_us)
            if begin_us < watch.until_us:
                found.setdefault(signal, begin_us)
    return [(at_us, signal) for signal, at_us in found.items()]


def pass_time(ticket: Ticket, drafts: list[Draft], terms: Terms, *, before_us: int) -> None:
    """State the signals of an open ticket that begin before `before_us` and do not stand yet."""
    for at_us, signal in awaited(ticket, terms):
        if at_us < before_us:
            ticket.signals |= signal
            ticket.timed_us = max(ticket.timed_us, at_us)
            drafts.append(Draft(_FACTS[signal], at_us, ticket.episode, reason=_reason(ticket, signal)))


def follow(ticket: Ticket, drafts: list[Draft], at_us: int, was: Standing) -> None:
    """End what a mark at `at_us` ends, and remember what signals count from; its fields are shown."""
    if not ticket.open:
        ticket.signals, ticket.wait_us = 0, NOT
        return
    if not was.open:
        ticket.bounces += was.status not in _UNDONE
    elif _is_other(was.assignee, ticket.assignee) or _is_other(was.queue, ticket.queue):
        ticket.bounces += 1
    why = why_it_stands(ticket)
    over = STALE
    if why != was.why:
        ticket.wait_us = at_us if why else NOT
        over |= _OF_A_WAIT
    over &= ticket.signals
    if over:
        ticket.signals &= ~over
        drafts += [
            Draft(FactType.RELIEVED, at_us, ticket.episode, name) for bit, name in NAMES.items() if over & bit
        ]


def _awaited(ticket: Ticket, watch: Watch) -> list[Awaited]:
    stands, settings = ticket.signals, watch.attention
    found: list[Awaited] = []
    if watch.edge_us is not None and not stands & ESCALATED:
        start_us = ticket.episode_us if watch.from_episode else ticket.created_us
        found.append((max(ticket.episode_us, start_us + watch.edge_us), ESCALATED))
    if not ticket.marks:
        return found  # nothing was ever observed that could be missed
    if not stands & STALE:
        # What was said in absorbed tickets was heard as well.
        heard_us = max(ticket.updated_us, ticket.customer_us, ticket.agent_us)
        found.append((heard_us + settings.stale_after_us, STALE))
    if ticket.bounces >= settings.bounces and not stands & BOUNCING:
        found.append((ticket.updated_us, BOUNCING))
    if ticket.wait_us >= 0:
        if not stands & STUCK:
            found.append((ticket.wait_us + settings.stuck_after_us, STUCK))
        if ticket.wait_reason == _CUSTOMER and not stands & CLOSE_CANDIDATE:
            found.append((ticket.wait_us + settings.close_after_us, CLOSE_CANDIDATE))
    return found


def _is_other(was: str, now: str) -> bool:
    return was != now and bool(was) and bool(now)


def _reason(ticket: Ticket, signal: int) -> str:
    if signal == CLOSE_CANDIDATE:
        return CUSTOMER_SILENT
    return ticket.wait_reason if signal == STUCK else ""
