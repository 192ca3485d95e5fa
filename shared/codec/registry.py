"""Which struct an event type's data has, and in which topic it travels. The only place that pairs them.

A type is named `barometer.<noun>.<verb>.v<N>`. One struct may serve several types: every kind of fact
has the shape `Fact`, an alert that fires and one that resolves are both `Alert`. For those, one member
of the struct tells the types apart, and a reader refuses an event whose type and member disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from shared.contracts import topics
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.backlog import Cell, Fact, FactType, Flow, PartitionClock, TermsAdopted, TicketState
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.tickets import Absorbed, Observation, Rejected, RunBegan, RunEnded
from shared.contracts.topics import Topic

Event = (
    Observation
    | Absorbed
    | Rejected
    | RunBegan
    | RunEnded
    | Fact
    | TicketState
    | TermsAdopted
    | Cell
    | Flow
    | PartitionClock
    | Alert
    | ConfigVersion
    | ConfigApplied
)


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type. `member` = `value` holds in every event of it; None where the struct says it all."""

    name: str
    struct: type[msgspec.Struct]
    topic: Topic
    member: str | None = None
    value: Enum | None = None


def fact_type_name(fact_type: FactType) -> str:
    """Return the event type of a kind of fact, such as `barometer.age.crossed.v1`."""
    return f"barometer.{fact_type.value}.v1"


ALERT_FIRED: Final = "barometer.alert.fired.v1"
ALERT_RESOLVED: Final = "barometer.alert.resolved.v1"

_PLAIN: Final = (
    EventType("barometer.ticket.observed.v1", Observation, topics.EVENTS),
    EventType("barometer.ticket.absorbed.v1", Absorbed, topics.EVENTS),
    EventType("barometer.run.began.v1", RunBegan, topics.EVENTS),
    EventType("barometer.run.ended.v1", RunEnded, topics.EVENTS),
    EventType("barometer.config.applied.v1", ConfigApplied, topics.EVENTS),
    EventType("barometer.ticket.rejected.v1", Rejected, topics.REJECTED),
    EventType("barometer.ticket.state.v1", TicketState, topics.TICKETS),
    EventType("barometer.terms.adopted.v1", TermsAdopted, topics.FACTS),
    EventType("barometer.backlog.cell.v1", Cell, topics.CELLS),
    EventType("barometer.backlog.flow.v1", Flow, topics.CELLS),
    EventType("barometer.backlog.clock.v1", PartitionClock, topics.CELLS),
    EventType("barometer.config.recorded.v1", ConfigVersion, topics.CONFIG),
)
_FACTS: Final = tuple(EventType(fact_type_name(kind), Fact, topics.FACTS, "type", kind) for kind in FactType)
_ALERTS: Final = (
    EventType(ALERT_FIRED, Alert, topics.ALERTS, "state", AlertState.FIRING),
    EventType(ALERT_RESOLVED, Alert, topics.ALERTS, "state", AlertState.RESOLVED),
)

EVENT_TYPES: Final = {each.name: each for each in (*_PLAIN, *_FACTS, *_ALERTS)}
"""Every event type, by name."""

_BY_STRUCT: Final = {each.struct: each.name for each in _PLAIN}
_BY_FACT: Final = {kind: fact_type_name(kind) for kind in FactType}
_BY_ALERT: Final = {AlertState.FIRING: ALERT_FIRED, AlertState.RESOLVED: ALERT_RESOLVED}


def type_name(event: Event) -> str:
    """Return the event type of `event`."""
    if isinstance(event, Fact):
        return _BY_FACT[event.type]
    if isinstance(event, Alert):
        return _BY_ALERT[event.state]
    return _BY_STRUCT[type(event)]
