"""Nobody is called late over a reply that was there already.

What time brings is stated once the log is read up to that instant. So a fact of time that has to be withdrawn
was made untrue by something that came after its instant: if nothing did, what was acknowledged before it had
not been heard. Facts that stand in the end do not show this, since a withdrawal mends them; the person who was
called does not forget.

It holds where hosts and brokers have one time; whoever asks sees to that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from services.aging.core.facts import OF_TIME
from shared.codec import decode
from shared.contracts.backlog import Cause, Fact
from shared.contracts.instants import to_us
from shared.contracts.records import Record
from shared.contracts.tickets import Absorbed, Observation
from shared.contracts.topics import EVENTS, FACTS
from tests.simulation.faults import Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

SLACK_US: Final = 1_000
"""Append times may be cut to milliseconds."""

TicketId = tuple[str, str]


def unheard(events: Iterable[Record], facts: Iterable[Record]) -> Iterator[str]:
    """Yield each fact of time that was withdrawn though nothing that came after its instant can have done it.

    `events` is all that was ever appended to tickets.events.v1, `facts` to backlog.facts.v1.
    """
    came, early = _came(events)
    asserted: dict[tuple[str, int], Fact] = {}
    withdrawn: dict[tuple[str, int], Fact] = {}
    for record in facts:
        fact = decode(record)
        if isinstance(fact, Fact) and fact.type in OF_TIME and fact.cause not in _OTHER_CAUSES:
            (asserted if fact.stands else withdrawn).setdefault((fact.id, fact.turn), fact)
    for (id_, turn), fact in sorted(withdrawn.items()):
        stated = asserted.get((id_, turn - 1))
        ticket = (fact.tenant, fact.ticket)
        if stated is None or ticket in early:
            continue
        since_us, until_us = to_us(fact.at) - SLACK_US, to_us(fact.stated_at)
        if not any(since_us <= us <= until_us for us in came[ticket]):
            yield (
                f"{fact.type.value} of {'/'.join(ticket)} at {fact.at} was stated at {stated.stated_at} and "
                f"withdrawn at {fact.stated_at}, though nothing came in between"
            )


_OTHER_CAUSES: Final = frozenset({Cause.IMPORT, Cause.CONFIGURATION})


def _came(events: Iterable[Record]) -> tuple[dict[TicketId, list[int]], set[TicketId]]:
    """Return when things about each ticket came, and which tickets showed something ahead of its time."""
    came: defaultdict[TicketId, list[int]] = defaultdict(list)
    early: set[TicketId] = set()
    for record in events:
        match decode(record):
            case Observation(tenant=tenant, ticket=ticket, time=time):
                came[tenant, ticket].append(record.time_us)
                if to_us(time) > record.time_us:
                    early.add((tenant, ticket))
            case Absorbed(tenant=tenant, survivor=ticket):
                came[tenant, ticket].append(record.time_us)
            case _:
                pass
    return came, early


def check_heard(world: World) -> None:
    """Look for such facts where nobody's clock was set or drifted."""
    if world.swarm.intervals_us.keys() & {Fault.CLOCK_JUMP, Fault.CLOCK_DRIFT, Fault.BROKER_JUMP}:
        return
    events = [record for log in world.cluster.topic(EVENTS.name).logs for record in log.history]
    facts = [record for log in world.cluster.topic(FACTS.name).logs for record in log.history]
    for told in unheard(events, facts):
        world.violation(told)
