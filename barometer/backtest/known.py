"""The replay: the live cores driven by event time, seeing each observation when it was made.

The partition's clock steps from instant to instant. At each one, all its observations are folded
together, the cells that changed go to the rule evaluator, and time passes there too. Between observations only
ages and SLA clocks move: where a rule counts an age edge or broken promises, the crossings are instants of their
own; everywhere else the evaluator computes when an age gets where, so no step is needed. Without rules nobody
looks, and the observations of many instants are folded together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from barometer.backtest.report import ClockCounts, Figures, figures
from services.aging.core.backlog import Backlog
from services.aging.core.batch import (
    Arrival,
    Attempt,
    Dated,
    Failed,
    Item,
    Loaded,
    Outcome,
    Refused,
    Register,
    Stored,
    TicketId,
)
from services.aging.core.mark import Mark
from services.aging.core.merges import heard
from services.aging.core.picture import Stamp, cell_of
from services.aging.core.policy import ClockName
from services.aging.core.rederive import told_by
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from services.alerting.core.alerts import AlertRecord
from services.alerting.core.evaluator import Evaluator
from services.alerting.core.rules import Measure, Rule
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Absorbed, MessageMark
from shared.runtime.attempt import attempt

MERGE_ROUNDS_MAX: Final = 100
"""Merges tell their survivors, which may be merged themselves; longer chains than this are a defect."""

UNSEEN_MAX: Final = 1_000
"""Observations folded at once where no rule looks at what was the case in between."""

_VERDICTS: Final = {FactType.SLA_MET: 0, FactType.SLA_BREACHED: 1}
_PROMISES: Final = frozenset({Measure.PAST_SLA, Measure.AT_RISK})
_attempt: Final[Attempt] = partial(attempt, failed=Failed)


class Noted(NamedTuple):
    """An observation of the log, ready to fold; sorts by `order`, which begins with its time."""

    order: bytes
    id: TicketId
    mark: Mark


class Replay:
    """One run through a log. Call `run` once."""

    def __init__(self, tenant: str, terms: Terms, rules: Sequence[Rule]) -> None:
        self._terms = terms
        self._backlog = Backlog(terms, _attempt)
        self._evaluator = Evaluator(tenant, rules) if rules else None
        self._kinds = {rule.view.kind for rule in rules}
        self._counts_crossings = any(rule.edge_seconds or rule.measure in _PROMISES for rule in rules)
        self._stored: dict[TicketId, Stored] = {}
        self._marks: dict[TicketId, list[Dated]] = {}
        self._registers: dict[TicketId, list[Absorbed]] = {}
        self._loaded = Loaded(tickets=self._stored, marks=self._marks, registers=self._registers)
        self._version = 0
        self._verdicts: dict[tuple[TicketId, str, int], list[int]] = {}
        """By clock instance, how often `met` and `breached` stand."""
        self.changes: list[AlertRecord] = []
        """What the evaluator said, in order."""
        self.figures: list[Figures] = []
        """As known, at the instants asked for, ascending."""
        self.refused: list[Refused] = []

    def run(
        self,
        notes: Iterable[Noted],
        instants_us: Sequence[int],
        *,
        until_us: int,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Go through `notes` (sorted) until `until_us`; take the figures at `instants_us` (ascending)."""
        waiting = list(instants_us)
        items: list[Item] = []
        done, last_us = 0, 0
        for at_us, group in groupby(notes, key=lambda note: note.mark.time_us):
            if at_us > until_us:
                break
            if items and (self._evaluator or len(items) >= UNSEEN_MAX or (waiting and waiting[0] < at_us)):
                self._step(items, last_us)
                items = []
            while waiting and waiting[0] < at_us:
                self._take_figures(waiting.pop(0))
            self._pass_time(at_us - 1)
            known = len(items)
            items += [Arrival(at_us, note.id, note.mark, note.order, 0) for note in group]
            done, last_us = done + len(items) - known, at_us
            told(done)
        self._step(items, last_us)
        for at_us in waiting:
            self._take_figures(at_us)
        self._pass_time(until_us)
        self._step([], until_us)
        if self._evaluator is not None and self._version:
            self.changes += self._evaluator.advance(until_us)

    def final(self, id_: TicketId) -> Ticket | None:
        """Return the ticket as it is at the end of the run."""
        stored = self._stored.get(id_)
        return self._backlog.open.get(id_) or (stored.ticket if stored is not None else None)

    def messages(self, id_: TicketId) -> Sequence[MessageMark]:
        """Return what was said in the tickets that a ticket absorbed, by time."""
        return heard(self._registers.get(id_, ()))

    def sla(self) -> dict[str, ClockCounts]:
        """Return the clock instances by what stands of them at the end of the run; a breached one was not met."""
        policies = [policy for version in self._terms.policies for policy in version.policies]
        promised = {clock for policy in policies for clock in policy.promises}
        found: dict[str, ClockCounts] = {
            clock.value: ClockCounts() for clock in ClockName if clock.value in promised
        }
        for (_, clock, _), (met, breached) in self._verdicts.items():
            found[clock].breached += bool(breached)
            found[clock].met += bool(met and not breached)
        return found

    def _take_figures(self, at_us: int) -> None:
        self._pass_time(at_us)
        self._step([], at_us)
        self.figures.append(figures(self._backlog.open.values(), at_us, self._terms.age.at(at_us)))

    def _pass_time(self, until_us: int) -> None:
        if self._counts_crossings:
            next_us = self._backlog.timers.next_us()
            while next_us is not None and next_us <= until_us:
                self._step([], next_us)
                next_us = self._backlog.timers.next_us()

    def _step(self, items: list[Item], at_us: int) -> None:
        for _ in range(MERGE_ROUNDS_MAX):
            outcome = self._fold(items, at_us)
            items = [Register(at_us, absorbed, 0) for absorbed in outcome.told]
            if not items and not outcome.more:
                break
        self._show(at_us)

    def _fold(self, items: list[Item], at_us: int) -> Outcome:
        backlog, loaded = self._backlog, self._loaded
        late = backlog.late(items, loaded) if items else set()
        outcome = backlog.fold(items, loaded, late, until_us=at_us, imports=False)
        if outcome.unfinished:
            backlog.finish(outcome, loaded, until_us=at_us)
        for id_, ticket in outcome.tickets.items():
            if ticket.open:
                self._stored.pop(id_, None)
            else:
                self._stored[id_] = Stored(ticket, asleep=False)
        for (id_, order), mark in outcome.marks.items():
            self._marks.setdefault(id_, []).append(Dated(order, mark))
        self._keep(outcome.registers)
        self.refused += outcome.refused
        for stated in outcome.stated:
            draft, turn = stated.statement
            if draft.type in _VERDICTS:
                counts = self._verdicts.setdefault((stated.id, draft.clock, draft.instance), [0, 0])
                counts[_VERDICTS[draft.type]] += -1 if turn % 2 else 1
        return outcome

    def _keep(self, registers: Iterable[Absorbed]) -> None:
        """Keep of each absorbed ticket what it told last: a former telling is no part of the timeline any more."""
        for told in registers:
            known = self._registers.setdefault((told.tenant, told.survivor), [])
            newest = max((told, *(one for one in known if one.ticket == told.ticket)), key=told_by)
            known[:] = [one for one in known if one.ticket != told.ticket] + [newest]

    def _show(self, at_us: int) -> None:
        """Hand the cells that changed to the evaluator; it settles what came due before them first."""
        book = self._backlog.cells
        if not book.unpublished:
            return
        evaluator = self._evaluator
        if evaluator is not None:
            is_first = not self._version
            self._version += 1
            stamp = Stamp(0, 1, self._version, at_us)
            for key in book.unpublished:
                if key.kind in self._kinds:
                    evaluator.apply(cell_of(book, key, stamp))
            # Nothing is known of the time before the log: what a rule says of it is said from there on.
            self.changes += evaluator.begin(at_us) if is_first else evaluator.advance(at_us)
        for key in book.unpublished:
            book.forget_if_empty(key)
        book.unpublished.clear()
