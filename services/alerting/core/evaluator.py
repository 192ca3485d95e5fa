"""Rules over time: which alerts begin and end, each once, at its exact instant.

Cells of several aging partitions arrive interleaved, each partition in its own order of time. So they
wait in a buffer until the caller knows that nothing earlier can come (`advance`), and take effect in the
order of their instants. Between two of them only ages move, and those are computed: the instants at
which an age reaches a threshold or a `for` runs out lie in one heap. Hence an alert's `fired_at` is when
it became true, whatever the size of the steps in which time is advanced: live, after downtime, and in
virtual time.

    evaluator = Evaluator("default", rules)
    evaluator.apply(cell)                 # any number, before and after begin
    evaluator.begin(now_us)               # once: the picture as it stands
    for alert in evaluator.advance(now_us):
        ...                               # alert.firing, alert.fired_at_us, alert.resolved_at_us
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Final

from services.alerting.core.alerts import AlertRecord, Labels, Pending, Phase, Reason, Standing, ended
from services.alerting.core.rules import Rule, alert_id, fingerprint
from services.alerting.core.sums import Book, Slot, Totals, View, ViewKey
from shared.contracts.backlog import Cell
from shared.contracts.instants import to_us

BUFFERED_CELLS_MAX: Final = 200_000
"""Cells waiting while one aging partition is behind; beyond, only the newest of each is kept, so what
happened meanwhile is judged by its outcome."""

_STALE_ENTRIES: Final = 1_024
_NEVER: Final = 1 << 62


class Watched:
    """One rule on one group."""

    __slots__ = (
        "alert", "due_us", "in_heap_us", "labels", "phase", "rule", "since_us", "told_pending_us", "totals",
    )  # fmt: skip

    def __init__(self, rule: Rule, totals: Totals) -> None:
        self.rule = rule
        self.totals = totals
        self.labels: Labels = tuple(zip(rule.by, totals.values, strict=True))
        self.phase = Phase.QUIET
        self.since_us = 0
        self.alert: AlertRecord | None = None
        self.told_pending_us: int | None = None
        self.due_us = _NEVER
        self.in_heap_us = _NEVER


class Evaluator:
    """The rules of one tenant. Not shared between threads; knows no clock but what it is told."""

    def __init__(self, tenant: str, rules: Sequence[Rule]) -> None:
        self.tenant = tenant
        self.rules = {rule.name: rule for rule in rules}
        assert len(self.rules) == len(rules), "names of rules are unique"
        self.now_us = 0
        self._begun = False
        self._by_view: dict[ViewKey, list[Rule]] = {}
        for rule in rules:
            self._by_view.setdefault(rule.view, []).append(rule)
        self._watched: dict[tuple[str, tuple[str, ...]], Watched] = {}
        self._pending_changed: dict[int, Watched] = {}
        self._dropped: list[Pending] = []
        self._fired_us: dict[tuple[str, Labels], int] = {}
        """When each rule fired last on each group."""
        self._dues: list[tuple[int, int, Watched]] = []
        self._waiting: list[tuple[int, int, Slot, Cell]] = []
        self._sequence = 0
        self._views: dict[ViewKey, View] = {}
        for key, sharing in self._by_view.items():
            self._views[key] = View(key, on_group=partial(self._watch, tuple(sharing)))
        self._book = Book(tuple(self._views.values()))

    def _watch(self, rules: tuple[Rule, ...], totals: Totals) -> None:
        for rule in rules:
            watched = Watched(rule, totals)
            totals.followers.append(watched)
            self._watched[(rule.name, totals.values)] = watched

    # What comes in.

    def apply(self, cell: Cell) -> None:
        """Take a cell of this tenant; it counts from `cell.at` on. One that is not newer is ignored."""
        slot = self._book.slot(cell)
        if not slot.heard(cell):
            return
        self._sequence += 1
        heappush(self._waiting, (to_us(cell.at), self._sequence, slot, cell))
        if len(self._waiting) > BUFFERED_CELLS_MAX:
            self._coalesce()

    def _coalesce(self) -> None:
        newest: dict[int, tuple[int, int, Slot, Cell]] = {}
        for entry in sorted(self._waiting, key=lambda entry: entry[1]):
            newest[entry[2].index] = entry
        self._waiting = list(newest.values())
        heapify(self._waiting)

    def restore(
        self,
        firing: Iterable[AlertRecord],
        pending: Iterable[Pending],
        at_us: int,
        *,
        ended_lately: Iterable[AlertRecord],
    ) -> list[AlertRecord]:
        """Go on from what was stored, as of `at_us`; return the alerts that ended with their rule.

        `ended_lately` are those that were over at `at_us` or later: what fires again in the same instant is
        another alert. Called before `begin`, at most once.
        """
        assert not self._begun
        self.now_us = at_us
        for alert in ended_lately:
            self._remember_fired(alert)
        over: list[AlertRecord] = []
        for alert in firing:
            self._remember_fired(alert)
            watched = self._find(alert.rule, alert.rule_digest, alert.labels)
            if watched is None:
                rule = self.rules.get(alert.rule)
                over.append(ended(alert, at_us, alert.value, _why(rule)))
                continue
            watched.phase, watched.alert = Phase.FIRING, alert
            watched.since_us = alert.since_us
        for waits in pending:
            watched = self._find(waits.rule, waits.rule_digest, waits.labels)
            if watched is None or waits.since_us is None or watched.phase is not Phase.QUIET:
                self._dropped.append(replace(waits, since_us=None))
            else:
                watched.phase, watched.since_us = Phase.PENDING, waits.since_us
                watched.told_pending_us = waits.since_us
        return over

    def _find(self, name: str, digest: str, labels: Labels) -> Watched | None:
        rule = self.rules.get(name)
        if rule is None or rule.digest != digest or tuple(name for name, _ in labels) != rule.by:
            return None
        values = self._views[rule.view].group(tuple(value for _, value in labels)).values
        return self._watched[(rule.name, values)]

    def _remember_fired(self, alert: AlertRecord) -> None:
        key = (alert.rule, alert.labels)
        self._fired_us[key] = max(alert.fired_at_us, self._fired_us.get(key, -1))

    # How time passes.

    def begin(self, now_us: int) -> list[AlertRecord]:
        """Judge the picture as it stands at `now_us`, and go on from there.

        A compacted log has only the newest value of each cell, so what happened on the way cannot be
        replayed without false alarms: a condition that holds now counts from the newest change of its
        group (or the exact instant its age got there), but not from before `restore`'s instant. For the
        same reason `now_us` must not lie before the newest cell that was read to build the picture.
        """
        assert not self._begun
        self._begun = True
        floor_us = self.now_us
        self.now_us = max(self.now_us, now_us)
        while self._waiting and self._waiting[0][0] <= self.now_us:
            at_us, _, slot, cell = heappop(self._waiting)
            self._book.write(slot, cell, at_us)
        changed: list[AlertRecord] = []
        for watched in tuple(self._watched.values()):
            onset_us = min(max(_onset_us(watched, self.now_us), floor_us), self.now_us)
            self._settle(watched, self.now_us, onset_us, changed)
        return changed

    def advance(self, to_us: int) -> list[AlertRecord]:
        """Let time pass until `to_us`, all cells up to then having been applied; return what changed.

        In order of instants. Splitting a step into smaller ones changes nothing; going back is ignored.
        """
        assert self._begun, "begin() first"
        changed: list[AlertRecord] = []
        while (at_us := self.next_due_us()) is not None and at_us <= to_us:
            # A cell that comes after its time has passed counts from now on: what was said stays said.
            self.now_us = now_us = max(at_us, self.now_us)
            for watched in self._touched(now_us):
                self._settle(watched, now_us, now_us, changed)
        self.now_us = max(self.now_us, to_us)
        return changed

    def next_due_us(self) -> int | None:
        """Return the next instant at which something may change by itself, None if there is none."""
        dues = self._dues
        while dues:
            due_us, _, watched = dues[0]
            if due_us == watched.in_heap_us == watched.due_us:
                break
            heappop(dues)
            if due_us == watched.in_heap_us:
                watched.in_heap_us = _NEVER
                self._schedule(watched)
        if self._waiting and (not dues or self._waiting[0][0] <= dues[0][0]):
            return self._waiting[0][0]
        return dues[0][0] if dues else None

    def _touched(self, now_us: int) -> Iterable[Watched]:
        waiting = self._waiting
        touched: dict[int, Watched] = {}
        while waiting and waiting[0][0] <= now_us:
            at_us, _, slot, cell = heappop(waiting)
            for totals in self._book.write(slot, cell, at_us):
                for watched in totals.followers:
                    touched[id(watched)] = watched
        dues = self._dues
        while dues and dues[0][0] <= now_us:
            due_us, _, watched = heappop(dues)
            if due_us == watched.in_heap_us:
                watched.in_heap_us = _NEVER
                touched[id(watched)] = watched
        return touched.values()

    # What a rule makes of it.

    def _settle(self, watched: Watched, now_us: int, onset_us: int, changed: list[AlertRecord]) -> None:
        rule, totals = watched.rule, watched.totals
        if watched.phase is Phase.FIRING:
            if not rule.holds(totals, rule.clear_at, now_us):
                changed.append(self._resolve(watched, now_us))
        elif not rule.holds(totals, rule.threshold, now_us):
            if watched.phase is Phase.PENDING:
                watched.phase = Phase.QUIET
                self._pending_changed[id(watched)] = watched
        else:
            self._pending_changed[id(watched)] = watched
            if watched.phase is Phase.QUIET:
                watched.phase, watched.since_us = Phase.PENDING, onset_us
            if watched.since_us + rule.for_us <= now_us:
                changed.append(self._fire(watched, now_us))
        watched.due_us = _due_us(watched, now_us)
        if watched.due_us < watched.in_heap_us:
            self._schedule(watched)

    def _schedule(self, watched: Watched) -> None:
        if watched.due_us == _NEVER:
            return
        self._sequence += 1
        watched.in_heap_us = watched.due_us
        heappush(self._dues, (watched.due_us, self._sequence, watched))
        if len(self._dues) > 2 * len(self._watched) + _STALE_ENTRIES:
            self._dues = [entry for entry in self._dues if entry[0] == entry[2].in_heap_us]
            heapify(self._dues)

    def _fire(self, watched: Watched, now_us: int) -> AlertRecord:
        rule = watched.rule
        # Two alerts of one problem never share an instant, or they would share their id.
        last_us = self._fired_us.get((rule.name, watched.labels), -1)
        fired_at_us = max(watched.since_us + rule.for_us, last_us + 1)
        of = fingerprint(self.tenant, rule.name, watched.labels)
        alert = AlertRecord(
            id=alert_id(of, fired_at_us),
            fingerprint=of,
            tenant=self.tenant,
            rule=rule.name,
            rule_digest=rule.digest,
            severity=rule.severity,
            labels=watched.labels,
            measure=rule.measure.value,
            value=rule.value(watched.totals, now_us),
            threshold=rule.shown(rule.threshold),
            since_us=watched.since_us,
            fired_at_us=fired_at_us,
            summary=rule.summary,
        )
        watched.phase, watched.alert = Phase.FIRING, alert
        self._remember_fired(alert)
        return alert

    def _resolve(self, watched: Watched, now_us: int) -> AlertRecord:
        assert watched.alert is not None
        value = watched.rule.value(watched.totals, now_us)
        over = ended(watched.alert, now_us, value, Reason.RECOVERED)
        watched.phase, watched.alert = Phase.QUIET, None
        return over

    # What goes out beside the alerts.

    def drain_pending(self) -> list[Pending]:
        """Return what became or ceased to be pending since the last call."""
        drained: list[Pending] = []
        for watched in self._pending_changed.values():
            since_us = watched.since_us if watched.phase is Phase.PENDING else None
            if since_us != watched.told_pending_us:
                watched.told_pending_us = since_us
                rule = watched.rule
                drained.append(Pending(self.tenant, rule.name, rule.digest, watched.labels, since_us))
        # What is dropped comes first: the same group may be pending again under the rule as it is now.
        drained = self._dropped + drained
        self._dropped = []
        self._pending_changed.clear()
        return drained

    def standing(self) -> Iterator[Standing]:
        """Yield every rule on every group known, as of the last step."""
        for watched in self._watched.values():
            yield Standing(
                rule=watched.rule,
                labels=watched.labels,
                phase=watched.phase,
                value=watched.rule.value(watched.totals, self.now_us),
                since_us=None if watched.phase is Phase.QUIET else watched.since_us,
            )

    def uncounted_edges(self) -> tuple[str, ...]:
        """Return the rules whose age edge no cell counts: they cannot fire, and a person should know."""
        edged = (rule for rule in self.rules.values() if rule.edge_seconds)
        return tuple(rule.name for rule in edged if not self._counts(rule))

    def _counts(self, rule: Rule) -> bool:
        groups = self._views[rule.view].groups.values()
        seen = [totals for totals in groups if totals.older]
        return not seen or any(rule.edge_seconds in totals.older for totals in seen)


def _onset_us(watched: Watched, now_us: int) -> int:
    rule, totals = watched.rule, watched.totals
    if totals.changed_us == 0:
        return now_us
    if not (rule.is_age and rule.is_above):
        return totals.changed_us
    reached_us = rule.reaches_us(totals, rule.threshold)
    return totals.changed_us if reached_us is None else max(reached_us, totals.changed_us)


def _due_us(watched: Watched, now_us: int) -> int:
    """Return when `watched` changes by itself: an age gets there, or a `for` runs out."""
    rule = watched.rule
    due_us = _NEVER
    if watched.phase is Phase.PENDING:
        due_us = watched.since_us + rule.for_us
    if not rule.is_age or rule.is_above is not (watched.phase is Phase.QUIET):
        return due_us
    limit = rule.clear_at if watched.phase is Phase.FIRING else rule.threshold
    reached_us = rule.reaches_us(watched.totals, limit)
    return due_us if reached_us is None or reached_us <= now_us else min(due_us, reached_us)


def _why(rule: Rule | None) -> Reason:
    return Reason.RULE_REMOVED if rule is None else Reason.RULE_CHANGED
