"""Deriving a ticket again from all its marks: late observations, repeats, merges, and first sight.

The result is what any order of arrival would have led to. What has to be stated is the difference
between the facts of the timeline as it was known, up to the instant the ticket had been advanced to,
and the facts of the timeline as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

from services.aging.core.batch import Arrival, Dated, Item, Register, TicketId
from services.aging.core.erasure import erases, without_content
from services.aging.core.facts import Statement, changes
from services.aging.core.fold import derive
from services.aging.core.mark import MARKS_MAX, Mark, identity_of, is_message, time_of, without_repeats
from services.aging.core.merges import heard, ignores_own_link, known_links, tell_survivors
from services.aging.core.retold import NEAR_US, without_retold
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import Cause, FactType
from shared.contracts.tickets import Absorbed


class Derived(NamedTuple):
    """What deriving a ticket again came to. `ticket` None: it did not change, or it has no marks yet."""

    ticket: Ticket | None
    added: tuple[Dated, ...] = ()
    rewritten: tuple[Dated, ...] = ()
    """Marks that were there and lost their content."""
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
    terms: Terms,
    former: Terms | None = None,
    until_us: int,
    stated_us: int | None = None,
    again: bool = False,
) -> Derived:
    """Return the ticket with `items` added to its `marks` (in order) and `registers`.

    `was` is the ticket as stated before; None if nothing was ever stated of it (first sight, waking).
    `former`: the terms it was stated by, if the past was judged anew since. `again`: even if nothing came.
    `stated_us`: when it is stated, if that is later than `until_us`.
    """
    now_us = until_us if stated_us is None else stated_us
    arrivals = [item for item in items if isinstance(item, Arrival)]
    added, repeated, too_many = _added(marks, arrivals, is_erased=was is not None and was.erased)
    timeline = without_content(id_[1], sorted((*marks, *added.values()), key=lambda dated: dated.order))
    newer = _newer(registers, [item.absorbed for item in items if isinstance(item, Register)])
    is_stated = was is not None and not newer and not again
    if not timeline or (is_stated and _says_nothing(marks, timeline, added.values())):
        kept = tuple(dated for dated in timeline if dated.order in added)
        return Derived(None, kept, registers=tuple(newer.values()), repeated=repeated, too_many=too_many)
    linked = {register.ticket: register for register in registers} | newer
    ticket, after, links = _derive(id_[1], timeline, tuple(linked.values()), terms, until_us)
    before = _stated(was, marks, registers, former or terms)
    statements, turns = changes(before, after, was.turns if was is not None else None)
    statements += _restated(before, after, now_us)
    telling = tell_survivors(
        *id_, was, ticket, links=links, marks=_counting(timeline), messages=heard(linked.values()), now_us=now_us
    )  # fmt: skip
    ticket.turns, ticket.revision, ticket.told = turns, telling.revision, telling.told
    ticket.version = was.version if was is not None else 0
    known = {dated.order: dated.mark for dated in marks}
    return Derived(
        ticket,
        added=tuple(dated for dated in timeline if dated.order not in known),
        rewritten=tuple(dated for dated in timeline if dated.mark != known.get(dated.order, dated.mark)),
        registers=tuple(newer.values()),
        before=before,
        after=after,
        statements=statements,
        told=telling.said,
        repeated=repeated,
        too_many=too_many,
    )


def _added(
    marks: Sequence[Dated], arrivals: Sequence[Arrival], *, is_erased: bool
) -> tuple[dict[bytes, Dated], int, list[Arrival]]:
    """Return the new marks, how many arrivals are none, and those for which there is no room.

    There is room for what erases the others. What is older than a condensed timeline was part of it, or might
    as well have been: it is none either.
    """
    known = {dated.order for dated in marks}
    earliest = {
        identity_of(dated.order): dated.order for dated in reversed(marks) if dated.mark.dated_by_receipt
    }
    over = max((dated.order for dated in marks if dated.mark.condensed), default=b"")
    added: dict[bytes, Dated] = {}
    too_many: list[Arrival] = []
    for arrival in arrivals:
        if arrival.order in known or arrival.order in added:
            continue
        if _was_condensed(arrival, over) and (is_erased or not erases(arrival.mark)):
            continue
        if earliest.get(identity_of(arrival.order), arrival.order) < arrival.order:
            continue
        if arrival.mark.dated_by_receipt:
            earliest[identity_of(arrival.order)] = arrival.order
        if len(known) + len(added) >= MARKS_MAX and (is_erased or not erases(arrival.mark)):
            too_many.append(arrival)
        else:
            added[arrival.order] = Dated(arrival.order, arrival.mark)
    return added, len(arrivals) - len(added) - len(too_many), too_many


def _was_condensed(arrival: Arrival, over: bytes) -> bool:
    """Return whether what comes was part of the timeline that was condensed to `over`, or might as well have been.

    A pulled message stands a little behind the one that tells of it, and so perhaps behind all that counted.
    """
    if not over or arrival.order < over:
        return arrival.order < over
    return (
        is_message(arrival.mark) and arrival.mark.pulled and arrival.mark.time_us <= time_of(over) + NEAR_US
    )


def _says_nothing(marks: Sequence[Dated], timeline: Sequence[Dated], added: Collection[Dated]) -> bool:
    """Return whether nothing was added but messages that were told already: most that a pull finds are.

    To see that costs a tenth of deriving the ticket twice, to find the two alike.
    """
    if not all(dated.mark.pulled and is_message(dated.mark) for dated in added):
        return False
    return not added or _counting(marks) == _counting(timeline)


def _counting(timeline: Sequence[Dated]) -> Sequence[Mark]:
    """Return the marks of a timeline that count: each thing that was told once."""
    return without_retold(without_repeats([dated.mark for dated in timeline]))


def _newer(registers: Sequence[Absorbed], arrived: Sequence[Absorbed]) -> dict[str, Absorbed]:
    known = {register.ticket: told_by(register) for register in registers}
    newer: dict[str, Absorbed] = {}
    for register in arrived:
        if told_by(register) > known.get(register.ticket, (-1, 0)):
            known[register.ticket] = told_by(register)
            newer[register.ticket] = register
    return newer


def cause_of(items: Sequence[Item], was: Ticket | None, *, waking: bool) -> Cause:
    """Return why what `items` bring about is stated now, though their ticket was stated (`was`) without them."""
    arrivals = [item for item in items if isinstance(item, Arrival)]
    if waking or any(arrival.mark.run is not None for arrival in arrivals):
        return Cause.IMPORT
    if not arrivals:
        return Cause.MERGE
    return Cause.OBSERVED if was is None else Cause.LATE


def told_by(register: Absorbed) -> tuple[int, int]:
    """Return what grows with each telling: of one revision, messages whose time had not come follow later."""
    return register.revision, len(register.messages)


def _derive(
    key: str, timeline: Sequence[Dated], registers: Sequence[Absorbed], terms: Terms, until_us: int
) -> tuple[Ticket, list[Draft], dict[str, str]]:
    marks = [dated.mark for dated in timeline]
    fold = partial(
        derive, marks, timeline[-1].order, terms=terms, until_us=until_us, messages=heard(registers)
    )
    ticket, drafts = fold()
    links = known_links(key, ticket.link if ticket.merged else "", registers)
    if ticket.merged and ignores_own_link(key, links):
        ticket, drafts = fold(ignores_link=True)
    return ticket, drafts, links


def _stated(
    was: Ticket | None, marks: Sequence[Dated], registers: Sequence[Absorbed], terms: Terms
) -> list[Draft]:
    if was is None or not marks:
        return []
    _, drafts = derive(
        [dated.mark for dated in marks],
        marks[-1].order,
        terms=terms,
        until_us=was.advanced_us,
        ignores_link=was.ignores_link,
        messages=heard(registers),
    )
    return drafts


def _restated(before: Sequence[Draft], after: Sequence[Draft], at_us: int) -> list[Statement]:
    """Return a statement for each finished instance whose verdict is another than was stated.

    It tells of a change of mind, stands outside the law of facts, and is never withdrawn.
    """
    was, now = _verdicts(before), _verdicts(after)
    statements = []
    for key, draft in was.items():
        found = now.get(key)
        if found is None or found.type is not draft.type:
            verdict = found.type.value if found is not None else "none"
            detail = (found or draft).detail
            if detail is not None:
                detail = detail._replace(reason=f"{draft.type.value} -> {verdict}")
            told = Draft(FactType.SLA_RESTATED, at_us, draft.instance, draft.clock, 0, detail)
            statements.append(Statement(told, 0))
    return statements


def _verdicts(drafts: Sequence[Draft]) -> dict[tuple[str, int], Draft]:
    """Return how each instance ended, or that it is breached; a breach is never undone by what follows."""
    found: dict[tuple[str, int], Draft] = {}
    for draft in drafts:
        if draft.type is FactType.SLA_BREACHED:
            found[draft.clock, draft.instance] = draft
        elif draft.type is FactType.SLA_MET:
            found.setdefault((draft.clock, draft.instance), draft)
    return found
