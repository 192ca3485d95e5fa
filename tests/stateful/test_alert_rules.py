"""The evaluator against a model that anybody can check: look at everything again at every microsecond."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.alerting.core.alerts import AlertRecord, Labels, Pending
from services.alerting.core.evaluator import Evaluator
from services.alerting.core.rules import AGES, BadRule, Comparison, Measure, Rule
from shared.contracts.backlog import Cell
from shared.contracts.instants import from_us

pytestmark = pytest.mark.slow

EDGES = (10, 20)
START_US = 1_000
QUEUES = ("", "tier1", "tier2")
PRIORITIES = ("p1", "p4")
STATUSES = ("new", "in_progress", "waiting")
PARTITIONS = 2

Seen = tuple[str, str, Labels, int, int | None]
"""(fired or resolved, rule, labels, fired_at, resolved_at)."""


def seen(alert: AlertRecord) -> Seen:
    kind = "fired" if alert.firing else "resolved"
    return (kind, alert.rule, alert.labels, alert.fired_at_us, alert.resolved_at_us)


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    drawn = []
    for number in range(draw(st.integers(1, 5))):
        measure = draw(st.sampled_from(Measure))
        threshold = draw(st.integers(0, 40 if measure in AGES else 6))
        comparison = draw(st.sampled_from(Comparison))
        slack = draw(st.integers(0, 10 if measure in AGES else 3))
        direction = -1 if comparison is Comparison.ABOVE else 1
        drawn.append(
            Rule(
                name=f"rule-{number}",
                measure=measure,
                comparison=comparison,
                threshold=threshold,
                clear=draw(st.sampled_from((None, threshold + direction * slack))),
                edge_seconds=draw(st.sampled_from(EDGES)) if measure is Measure.OLDER_THAN else 0,
                by=draw(st.sampled_from(((), ("queue",), ("queue", "priority")))),
                where=draw(st.sampled_from(((), (("priority", ("p1",)),)))),
                for_us=draw(st.sampled_from((0, 0, 1, 7, 25))),
            )
        )
    return tuple(drawn)


class SlowModel:
    """Adds up all cells for each rule and group at each microsecond."""

    def __init__(self, watched: Iterable[Rule]) -> None:
        self.rules = tuple(watched)
        self.now_us = START_US - 1
        self.cells: dict[tuple[object, ...], Cell] = {}
        self.coming: list[Cell] = []
        self.known: set[tuple[str, Labels]] = {(one.name, ()) for one in self.rules if not one.by}
        self.since: dict[tuple[str, Labels], int] = {}
        self.fired: dict[tuple[str, Labels], int] = {}
        self.told: list[Seen] = []

    def advance(self, until_us: int) -> None:
        while self.now_us < until_us:
            self.now_us += 1
            for cell in [one for one in self.coming if one.at == from_us(self.now_us)]:
                self.coming.remove(cell)
                self.cells[(cell.partition, cell.queue, cell.priority, cell.status)] = cell
                for one in self.rules:
                    if self.counts(one, cell):
                        self.known.add((one.name, self.labels(one, cell)))
            for one in self.rules:
                for name, labels in sorted(self.known):
                    if name == one.name:
                        self.look(one, labels)

    @staticmethod
    def labels(one: Rule, cell: Cell) -> Labels:
        return tuple((name, getattr(cell, name)) for name in one.by)

    @staticmethod
    def counts(one: Rule, cell: Cell) -> bool:
        wanted = {"not_started": "new", "in_progress": "in_progress", "waiting": "waiting"}
        if cell.status != wanted.get(one.measure.value, cell.status):
            return False
        return all(getattr(cell, name) in values for name, values in one.where)

    def value(self, one: Rule, labels: Labels) -> float | None:
        mine = [
            cell
            for cell in self.cells.values()
            if self.counts(one, cell) and self.labels(one, cell) == labels
        ]
        total = sum(cell.open for cell in mine)
        if one.measure is Measure.OLDEST_AGE:
            oldest = [cell.created_min_us for cell in mine if cell.created_min_us is not None]
            return self.now_us - min(oldest) if oldest else None
        if one.measure is Measure.AVERAGE_AGE:
            combined = total * self.now_us - sum(cell.created_sum_us for cell in mine)
            return combined / total if total else None
        if one.measure is Measure.OLDER_THAN:
            return sum(cell.older[EDGES.index(one.edge_seconds)] for cell in mine)
        if one.measure in {Measure.UNOWNED, Measure.PAST_SLA, Measure.AT_RISK}:
            return float(sum(getattr(cell, one.measure.value) for cell in mine))
        return total

    def holds(self, one: Rule, labels: Labels, limit: int) -> bool:
        value = self.value(one, labels)
        if value is None:
            return False
        if one.comparison is Comparison.BELOW:
            return value < limit
        return value >= limit if one.measure in AGES else value > limit

    def look(self, one: Rule, labels: Labels) -> None:
        key = (one.name, labels)
        if key in self.fired:
            limit = one.threshold if one.clear is None else one.clear
            if not self.holds(one, labels, limit):
                self.told.append(("resolved", one.name, labels, self.fired.pop(key), self.now_us))
        elif not self.holds(one, labels, one.threshold):
            self.since.pop(key, None)
        elif self.now_us - self.since.setdefault(key, self.now_us) >= one.for_us:
            self.fired[key] = self.now_us
            del self.since[key]
            self.told.append(("fired", one.name, labels, self.now_us, None))


class AlertRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clocks = [START_US] * PARTITIONS
        self.version = 0
        self.newest: dict[tuple[object, ...], Cell] = {}
        self.told: list[Seen] = []
        self.firing: dict[str, AlertRecord] = {}
        self.pending: dict[tuple[str, Labels], Pending] = {}

    @initialize(drawn=rules())
    def begin(self, drawn: tuple[Rule, ...]) -> None:
        self.watched = drawn
        self.model = SlowModel(drawn)
        self.model.advance(START_US)
        self.evaluator = Evaluator("default", drawn)
        self.take(self.evaluator.begin(START_US))

    @rule(
        partition=st.integers(0, PARTITIONS - 1),
        queue=st.sampled_from(QUEUES),
        priority=st.sampled_from(PRIORITIES),
        status=st.sampled_from(STATUSES),
        ages=st.lists(st.integers(0, 45), max_size=4),
        later=st.integers(1, 12),
        data=st.data(),
    )
    def publish(self, partition: int, queue: str, priority: str, status: str, ages: list[int], later: int, data: st.DataObject) -> None:  # fmt: skip
        at_us = self.clocks[partition] + later
        created = [at_us - age for age in ages]
        flags = st.integers(0, len(ages))
        self.version += 1
        cell = Cell(
            partition=partition,
            epoch=1,
            version=self.version,
            at=from_us(at_us),
            tenant="default",
            queue=queue,
            priority=priority,
            status=status,
            open=len(ages),
            edges_seconds=EDGES,
            older=(data.draw(flags), data.draw(flags)),
            past_sla=data.draw(flags),
            at_risk=data.draw(flags),
            unowned=data.draw(flags),
            created_sum_us=sum(created),
            created_min_us=min(created, default=None),
        )
        self.clocks[partition] = at_us - 1
        self.newest[(partition, queue, priority, status)] = cell
        self.model.coming.append(cell)
        self.evaluator.apply(cell)

    @precondition(lambda self: self.newest)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        self.evaluator.apply(
            data.draw(st.sampled_from(sorted(self.newest.values(), key=lambda one: one.version)))
        )

    @rule(partition=st.integers(0, PARTITIONS - 1), later=st.integers(0, 40))
    def clock(self, partition: int, later: int) -> None:
        self.clocks[partition] += later
        self.advance(min(self.clocks))

    @rule(later=st.integers(0, 40))
    def all_clocks(self, later: int) -> None:
        self.clocks = [max(self.clocks) + later] * PARTITIONS
        self.advance(min(self.clocks))

    @precondition(lambda self: not self.model.coming)
    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        self.evaluator = Evaluator("default", self.watched)
        over = self.evaluator.restore(
            self.firing.values(),
            self.pending.values(),
            self.model.now_us,
            ended_lately=(),
        )
        for cell in data.draw(st.permutations(list(self.newest.values()))):
            self.evaluator.apply(cell)
        assert [] == over
        assert [] == self.evaluator.begin(self.model.now_us)
        assert [] == self.evaluator.drain_pending()

    def advance(self, until_us: int) -> None:
        if until_us <= self.model.now_us:
            return
        due_us = self.evaluator.next_due_us()
        changed = self.evaluator.advance(until_us)
        assert not changed or (due_us is not None and due_us <= until_us)
        self.take(changed)
        self.model.advance(until_us)

    def take(self, changed: list[AlertRecord]) -> None:
        for alert in changed:
            self.told.append(seen(alert))
            assert alert.firing is (alert.id not in self.firing), "each alert fires once, and ends once"
            if alert.firing:
                self.firing[alert.id] = alert
            else:
                del self.firing[alert.id]
        for each in self.evaluator.drain_pending():
            if each.since_us is None:
                del self.pending[(each.rule, each.labels)]
            else:
                self.pending[(each.rule, each.labels)] = each

    @invariant()
    def it_says_what_the_model_says(self) -> None:
        key = lambda one: (one[4] or one[3], *one[:4])  # noqa: E731
        assert sorted(self.model.told, key=key) == sorted(self.told, key=key)
        assert sorted(self.model.since) == sorted(self.pending)


TestAlertRules = AlertRules.TestCase
TestAlertRules.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_rule_that_cannot_be_judged_is_refused() -> None:
    with pytest.raises(BadRule, match="edge"):
        Rule("old", Measure.OLDER_THAN, Comparison.ABOVE, 3)
    with pytest.raises(BadRule, match="good side"):
        Rule("many", Measure.OPEN, Comparison.ABOVE, 3, clear=4)
    with pytest.raises(BadRule, match="category"):
        Rule("started", Measure.NOT_STARTED, Comparison.ABOVE, 3, by=("category",))
