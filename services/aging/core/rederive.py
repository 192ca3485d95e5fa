"""Deriving a ticket again from all its marks: late observations, repeats, merges, and first sight.

The result is what any order of arrival would have led to. What has to be stated is the difference
between the facts of the timeline as it was known, up to the instant the ticket had been advanced to,
and the facts of the timeline as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.aging.core.age import AgePolicy
from services.aging.core.batch import Arrival, Dated, Item, Register, TicketId
from services.aging.core.facts import Statement, changes
from services.aging.core.fold import derive
from services.aging.core.mark import MARKS_MAX, identity_of, without_repeats
from services.aging.core.merges import ignores_own_link, known_links, tell_survivors
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.tickets import Absorbed


class Derived(NamedTuple):
    """What deriving a ticket again came to. `ticket` None: nothing changed, or it has no marks yet."""

    ticket: Ticket | None
    added: tuple[Dated, ...] = ()
    registers: tuple[Absorbed, ...] = ()
    """Registers that are newer than those known."""
    before: Sequence[Draft] = ()
    after: Sequence[Draft] = ()
    statements: Sequence[Statement] = ()
    told: Sequence[Absorbed] = ()
    repeated: int = 0
    too_many: Sequence[Arrival] = ()
    """Arrivals for which there is no room in the timeline."""


def derive_again(
    id_: TicketId,
    was: Ticket | None,
    *,
    marks: Sequence[Dated],
    registers: Sequence[Absorbed],
    items: Sequence[Item],
    policy: AgePolicy,
    until_us: int,
) -> Derived:
    """Return the ticket with `items` added to its `marks` (in order) and `registers`.

    `was` is the ticket as stated before; None if nothing was ever stated of it (first sight, waking).
    """
    added, repeated, too_many = _added(marks, [item for item in items if isinstance(item, Arrival)])
    timeline = sorted((*marks, *added.values()), key=lambda dated: dated.order)
    newer = _newer(registers, [item.absorbed for item in items if isinstance(item, Register)])
    if not timeline or (was is not None and not added and not newer):
        return Derived(None, registers=tuple(newer.values()), repeated=repeated, too_many=too_many)
    linked = {register.ticket: register for register in registers} | newer
    ticket, after, links = _derive(id_[1], timeline, tuple(linked.values()), policy, until_us)
    before = _stated(was, marks, policy)
    statements, turns = changes(before, after, was.turns if was is not None else None)
    telling = tell_survivors(
        *id_,
        was,
        ticket,
        links=links,
        marks=without_repeats([dated.mark for dated in timeline]),
        now_us=until_us,
    )
    ticket.turns, ticket.revision, ticket.told = turns, telling.revision, telling.told
    ticket.version = was.version if was is not None else 0
    return Derived(
        ticket,
        tuple(added.values()),
        tuple(newer.values()),
        before,
        after,
        statements,
        telling.said,
        repeated,
        too_many,
    )


def _added(
    marks: Sequence[Dated], arrivals: Sequence[Arrival]
) -> tuple[dict[bytes, Dated], int, list[Arrival]]:
    """Return the new marks, how many arrivals are none, and those for which there is no room."""
    known = {dated.order for dated in marks}
    earliest = {
        identity_of(dated.order): dated.order for dated in reversed(marks) if dated.mark.dated_by_receipt
    }
    added: dict[bytes, Dated] = {}
    too_many: list[Arrival] = []
    for arrival in arrivals:
        if arrival.order in known or arrival.order in added:
            continue
        if earliest.get(identity_of(arrival.order), arrival.order) < arrival.order:
            continue
        if arrival.mark.dated_by_receipt:
            earliest[identity_of(arrival.order)] = arrival.order
        if len(known) + len(added) >= MARKS_MAX:
            too_many.append(arrival)
        else:
            added[arrival.order] = Dated(arrival.order, arrival.mark)
    return added, len(arrivals) - len(added) - len(too_many), too_many


def _newer(registers: Sequence[Absorbed], arrived: Sequence[Absorbed]) -> dict[str, Absorbed]:
    known = {register.ticket: register.revision for register in registers}
    newer: dict[str, Absorbed] = {}
    for register in arrived:
        if register.revision > known.get(register.ticket, -1):
            known[register.ticket] = register.revision
            newer[register.ticket] = register
    return newer


def _derive(
    key: str, timeline: Sequence[Dated], registers: Sequence[Absorbed], policy: AgePolicy, until_us: int
) -> tuple[Ticket, list[Draft], dict[str, str]]:
    marks = [dated.mark for dated in timeline]
    last_order = timeline[-1].order
    ticket, drafts = derive(marks, last_order, policy=policy, until_us=until_us)
    links = known_links(key, ticket.link if ticket.merged else "", registers)
    if ticket.merged and ignores_own_link(key, links):
        ticket, drafts = derive(marks, last_order, policy=policy, until_us=until_us, ignores_link=True)
    return ticket, drafts, links


def _stated(was: Ticket | None, marks: Sequence[Dated], policy: AgePolicy) -> list[Draft]:
    if was is None or not marks:
        return []
    _, drafts = derive(
        [dated.mark for dated in marks],
        marks[-1].order,
        policy=policy,
        until_us=was.advanced_us,
        ignores_link=was.ignores_link,
    )
    return drafts
