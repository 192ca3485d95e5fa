"""What was published, record by record as it comes: nothing says two things, nothing goes back.

Repeats are allowed (blocks are published again after a take-over), so each record is first compared with what is
known under its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

import msgspec

from services.aging.core.facts import CALENDAR_CHANGE
from shared.codec import decode
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.backlog import Cell, Fact, FactType, Flow, PartitionClock, TicketState
from shared.contracts.records import Record
from shared.contracts.tickets import Absorbed
from shared.contracts.topics import ALERTS, CELLS, EVENTS, FACTS, TICKETS
from tests.simulation.checks.hours import hours_were_edited
from tests.simulation.cluster import Cluster, Log

_TOPICS = (FACTS, TICKETS, CELLS, ALERTS, EVENTS)


class PublishedWatch:
    """Reads every log on, from where it was last looked at."""

    def __init__(self, cluster: Cluster, violation: Callable[[str], None]) -> None:
        self._logs = [log for topic in _TOPICS for log in cluster.topic(topic.name).logs]
        self._read = [0] * len(self._logs)
        self._cluster, self._violation = cluster, violation
        self._turns: dict[str, int] = {}
        self._statements: dict[tuple[str, int], Fact] = {}
        self._stamped: dict[object, TicketState | Cell | Flow | PartitionClock] = {}
        self._epochs: dict[tuple[str, int, int], int] = {}
        self._alerts: dict[tuple[str, AlertState], Alert] = {}
        self._firing: dict[str, str] = {}
        self._registers: dict[tuple[str, str, str, int], Absorbed] = {}
        self._repeats = 0
        self._digest = blake2b(digest_size=16)

    def look(self) -> None:
        """Read what is new."""
        for index, log in enumerate(self._logs):
            history = log.history
            for record in history[self._read[index] :]:
                self._digest.update(record.value or b"")
                self._take(log, record)
            self._read[index] = len(history)

    def counts(self) -> Counter[str]:
        """Return how much was published."""
        return Counter({
            "facts": len(self._statements), "alerts": sum(state is AlertState.FIRING for _, state in self._alerts),
            "repeats": self._repeats,
        })  # fmt: skip

    def digest(self) -> str:
        """Return what identifies all that was published."""
        return self._digest.hexdigest()

    def _take(self, log: Log, record: Record) -> None:
        match decode(record):
            case Absorbed() as register:
                self._take_register(register)
            case Fact() as fact:
                self._take_fact(fact)
            case TicketState() as state:
                self._take_stamped(log, (state.tenant, state.ticket), state)
            case Cell() | Flow() as cell:
                self._take_stamped(log, (log.partition, record.key), cell)
            case PartitionClock() as clock:
                self._take_stamped(log, (log.partition, record.key), clock)
            case Alert() as alert:
                self._take_alert(alert)
            case _:
                pass

    def _take_register(self, register: Absorbed) -> None:
        key = (register.tenant, register.survivor, register.ticket, register.revision)
        known = self._registers.setdefault(key, register)
        if known != register:
            self._violation(f"a register says two things: {known} and {register}")

    def _take_fact(self, fact: Fact) -> None:
        known = self._statements.get((fact.id, fact.turn))
        if known is not None:
            self._repeats += 1
            if not _agree(known, fact) and not self._was_foreseen(fact):
                self._violation(f"fact {fact.id} says two things in turn {fact.turn}: {known} and {fact}")
            return
        turn = self._turns.get(fact.id, -1)
        if fact.turn != turn + 1 and not self._was_foreseen(fact):
            self._violation(f"fact {fact.id}: turn {fact.turn} follows turn {turn}: {fact}")
        self._turns[fact.id] = fact.turn
        self._statements[fact.id, fact.turn] = fact

    def _was_foreseen(self, fact: Fact) -> bool:
        return fact.type is FactType.SLA_DEADLINE_CHANGED and hours_were_edited(self._cluster)

    def _take_stamped(self, log: Log, key: object, value: TicketState | Cell | Flow | PartitionClock) -> None:
        stamp = (value.epoch, value.version)
        known = self._stamped.setdefault((log.topic, log.partition, key, stamp), value)
        if known is not value:
            self._repeats += 1
            if known != value:
                self._violation(f"one version, two values: {known} and {value}")
            return
        # Of repeats this does not hold: all that is not confirmed comes again, in order.
        place = (log.topic, log.partition, value.partition)
        if value.epoch < self._epochs.get(place, 0):
            self._violation(
                f"{place}: after epoch {self._epochs[place]} there came, for the first time, {value}"
            )
        self._epochs[place] = value.epoch

    def _take_alert(self, alert: Alert) -> None:
        known = self._alerts.setdefault((alert.id, alert.state), alert)
        if known is not alert:
            self._repeats += 1
            if known != alert:
                self._violation(f"alert {alert.id} says two things: {known} and {alert}")
            return
        firing = self._firing.get(alert.fingerprint)
        if alert.state is AlertState.FIRING:
            if firing is not None:
                self._violation(f"{alert.rule} {alert.labels} fires twice: as {firing} and as {alert.id}")
            self._firing[alert.fingerprint] = alert.id
        else:
            if firing != alert.id:
                self._violation(f"alert {alert.id} is over, but {firing} fires")
            del self._firing[alert.fingerprint]


def _agree(known: Fact, fact: Fact) -> bool:
    if fact.type is FactType.SLA_DEADLINE_CHANGED and fact.reason == CALENDAR_CHANGE:
        # Told anew by an owner who cannot know whether the one before it told; what it says is the same.
        known = msgspec.structs.replace(known, stated_at=fact.stated_at, late_seconds=fact.late_seconds)
    return known == fact
