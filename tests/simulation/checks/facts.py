"""The facts that stand are those of the timelines, and the stored tickets are their folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.aging.core.batch import TicketId
from services.aging.core.facts import CALENDAR_CHANGE, fact_id
from services.aging.core.rederive import _derive
from services.aging.core.ticket import Ticket, decode_ticket
from shared.codec import decode
from shared.contracts.backlog import Fact, FactType
from shared.contracts.topics import FACTS
from tests.simulation.checks.hours import hours_were_edited
from tests.simulation.checks.truth import Timeline, Truth
from tests.unit.aging.partitions import _stored

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_facts(world: World, truth: Truth) -> None:
    """Each ticket has the facts that the fold of its timeline gives, and no others."""
    is_edited = hours_were_edited(world.cluster)
    standing = _standing(world, is_edited=is_edited)
    for id_, timeline in truth.timelines.items():
        if not timeline.observations:
            continue  # it was told of a ticket merged into it, and never seen itself
        ticket, expected = _derived(id_, timeline, truth, is_edited=is_edited)
        found = standing.pop(id_, {})
        if expected.keys() != found.keys():
            missing = [expected[one] for one in sorted(expected.keys() - found.keys())]
            extra = [found[one] for one in sorted(found.keys() - expected.keys())]
            world.violation(f"facts of {id_}: missing {missing}, too much {extra}")
        _compare(world, id_, ticket, is_edited=is_edited)
    if standing:
        world.violation(f"facts of tickets that nobody observed: {sorted(standing)}")


def _standing(world: World, *, is_edited: bool) -> dict[TicketId, dict[str, str]]:
    """Return the facts whose highest turn asserts them, as a reader has them who read every log."""
    newest: dict[str, Fact] = {}
    for log in world.cluster.topic(FACTS.name).logs:
        for record in log.history:
            fact = decode(record)
            if isinstance(fact, Fact) and not _is_outside(fact, is_edited=is_edited):
                known = newest.get(fact.id)
                newest[fact.id] = fact if known is None or known.turn < fact.turn else known
    found: dict[TicketId, dict[str, str]] = {}
    for fact in newest.values():
        if fact.stands:
            told = f"{fact.type.value} {fact.clock} {fact.instance} {fact.at}"
            found.setdefault((fact.tenant, fact.ticket), {})[fact.id] = told
    return found


def _is_outside(fact: Fact, *, is_edited: bool) -> bool:
    """Return whether a fact tells of what no timeline has: a change of mind, or of the hours."""
    if fact.type is FactType.SLA_DEADLINE_CHANGED:
        return is_edited or fact.reason == CALENDAR_CHANGE
    return fact.type is FactType.SLA_RESTATED


def _derived(
    id_: TicketId, timeline: Timeline, truth: Truth, *, is_edited: bool
) -> tuple[Ticket, dict[str, str]]:
    terms = truth.terms(timeline.partition, id_[0])
    registers = tuple(timeline.registers.values())
    until_us = truth.clocks[timeline.partition]
    ticket, drafts, _ = _derive(id_[1], timeline.dated, registers, terms, until_us)
    return ticket, {
        fact_id(*id_, draft): f"{draft.type.value} {draft.clock} {draft.instance} {draft.at_us}"
        for draft in drafts
        if not (is_edited and draft.type is FactType.SLA_DEADLINE_CHANGED)
    }


def _compare(world: World, id_: TicketId, ticket: Ticket, *, is_edited: bool) -> None:
    row = world.aging_database.tickets.get(*id_)
    if row is None or row.asleep:
        world.violation(f"{id_} is {'not stored' if row is None else 'asleep'}")
        return
    stored = decode_ticket(row.body)
    stored.told = b""  # to survivors; checked by what survivors know
    found, expected = _stored(stored), _stored(ticket)
    if is_edited:
        for one in (*found.clocks, *expected.clocks):
            one.notice_us = 0
    if found != expected:
        differing = {
            name: (one, other)
            for name in found.__struct_fields__
            if (one := getattr(found, name)) != (other := getattr(expected, name))
        }
        world.violation(f"{id_}: (stored, as its timeline gives it): {differing}")
