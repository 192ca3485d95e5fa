"""The backlog of one partition: open tickets, timers, cells and flows in memory, moved batch by batch.

Two paths lead to the same ticket. In order, an observation costs a constant: `extend`. Out of order, a
repeat, a merge or a ticket not in memory is derived again from all its marks, once per ticket and
batch, and compared with what was stated before: `_derive_again`. The caller learns from `needs` what to
load, so nothing here waits for a database, and the whole runs in virtual time as well.

A batch is folded whole or not at all by the caller's transaction; a single ticket that raises is
refused (or quarantined, if it was its timer) and leaves the others alone: every step works on a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from services.aging.core.adoption import moves
from services.aging.core.batch import (
    Arrival,
    Attempt,
    Dated,
    Failed,
    Item,
    Loaded,
    Outcome,
    Refusal,
    Refused,
    Stated,
    TicketId,
)
from services.aging.core.condensing import condensed, is_condensable
from services.aging.core.erasure import erased
from services.aging.core.facts import Statement, flow_changes, news
from services.aging.core.fold import advance, extend
from services.aging.core.lateness import heard_by, is_ahead, is_late, late_tickets
from services.aging.core.mark import MARKS_MAX
from services.aging.core.memory import Memory
from services.aging.core.pulled import pulled_into, pulled_onto
from services.aging.core.rederive import Derived, cause_of, derive_again
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket, copied
from shared.contracts.backlog import Cause
from shared.contracts.instants import SECOND_US

AHEAD_US_MAX: Final = 300 * SECOND_US
"""An observation this far ahead of the partition's clock waits for its time; beyond, it is refused."""

TIMERS_MAX: Final = 2_000
"""Timers fired per fold; the rest are fired by the next one, so that no batch pauses for long."""


class Backlog(Memory):
    """One partition's memory. Not shared between threads; knows no clock but what it is told."""

    def __init__(self, terms: Terms, attempt: Attempt, *, former: Sequence[Terms] = ()) -> None:
        """See Memory; `attempt` runs what may fail for one ticket."""
        super().__init__(terms, former)
        self._attempt = attempt

    def judge(self, ids: Iterable[TicketId], loaded: Loaded, *, clock_us: int) -> Outcome:
        """Derive `ids` again by the terms of now; their facts follow. `loaded` holds marks and registers."""
        outcome = Outcome()
        for id_ in ids:
            known = self._known(outcome, loaded, id_)
            if known is not None and self._asks_timeline(id_, known, clock_us):
                self._judge(outcome, loaded, id_, known, clock_us, until_us=clock_us, counts=True)
        self._count()
        return outcome

    def unknown(self, items: Sequence[Item]) -> list[TicketId]:
        """Return the tickets of `items` that are not in memory."""
        return list({item.id: None for item in items if item.id not in self.open})

    def late(self, items: Sequence[Item], loaded: Loaded) -> set[TicketId]:
        """Return the tickets of `items` that have to be derived from all their marks."""
        return late_tickets(items, loaded, self.open, self.terms)

    def fold(
        self, items: Sequence[Item], loaded: Loaded, late: set[TicketId], *, until_us: int, imports: bool
    ) -> Outcome:
        """Apply `items` in order and every timer due by `until_us`; return what changed.

        `late` is what `late(items, loaded)` said, and `loaded` holds their marks and registers.
        `imports`: an import run is open, so imported tickets not known yet fall asleep.
        """
        items, waiting = heard_by(items, until_us)
        outcome = Outcome(deferred=waiting)
        again: dict[TicketId, list[Item]] = {}
        passed_over = set(late)
        for item in items:
            self._fire(outcome, passed_over, item.clock_us)
            if self._waits(outcome, loaded, again, item, imports=imports):
                continue
            if item.id in outcome.unfinished:
                outcome.unfinished[item.id].append(item)
            elif item.id in late:
                again.setdefault(item.id, []).append(item)
            else:
                assert isinstance(item, Arrival)
                self._extend(outcome, loaded, item)
                if item.id in outcome.unfinished:
                    passed_over.add(item.id)
        for id_, its_items in again.items():
            self._derive_again(outcome, loaded, id_, its_items, until_us)
        self._fire(outcome, outcome.unfinished.keys(), until_us)
        self._count()
        outcome.tickets.update(self._turn_edges(until_us))
        self._go_on(outcome, until_us)
        return outcome

    def finish(self, outcome: Outcome, loaded: Loaded, *, until_us: int) -> None:
        """Derive again what `fold` left unfinished; `loaded` holds its marks and registers, as of before."""
        added: dict[TicketId, list[Dated]] = {id_: [] for id_ in outcome.unfinished}
        for (id_, order), mark in outcome.marks.items():
            if id_ in added:
                added[id_].append(Dated(order, mark))
        for id_, items in outcome.unfinished.items():
            known = [*loaded.marks.get(id_, ()), *added[id_]]
            marks = {id_: sorted(known, key=lambda dated: dated.order)}
            self._derive_again(outcome, replace(loaded, marks=marks), id_, items, until_us)
        self._fire(outcome, (), until_us)
        self._count()

    def wake(self, ids: Sequence[TicketId], loaded: Loaded, *, clock_us: int) -> Outcome:
        """Let sleeping tickets count, with the facts of their final timeline."""
        outcome = Outcome()
        for id_ in ids:
            self._derive_again(outcome, loaded, id_, [], clock_us, waking=True)
        self._count()
        return outcome

    def condense(self, tickets: Mapping[TicketId, Ticket]) -> Outcome:
        """Leave of closed tickets, as stored, what `condensed` leaves. Nothing is stated, and no count moves."""
        outcome = Outcome()
        for id_, known in tickets.items():
            if id_ in self.open or id_ in self.quarantined or not is_condensable(known):
                continue
            ticket, outcome.condensed[id_] = condensed(known)
            ticket.version += 1
            outcome.tickets[id_] = ticket
        return outcome

    def flow_error(self, tenant: str) -> int:
        """Return stock minus what the flows say it is; anything but 0 is a defect."""
        stock = sum(1 for id_ in self.open if id_[0] == tenant)
        return stock - self.flows.net(tenant)

    # Steps.

    def _fire(self, outcome: Outcome, late: Container[TicketId], clock_us: int) -> None:
        next_us = self.timers.next_us()
        if next_us is None or next_us > clock_us:
            return
        for _, id_ in list(self.timers.due(clock_us, limit=TIMERS_MAX)):
            self.open.disarm(id_)
            known = self.open.look(id_)
            if known is None or id_ in late:
                continue  # derived at the end of the batch, up to its clock
            if self._asks_timeline(id_, known, clock_us):
                self.adoption.to_judge[id_] = None
                continue
            moved = copied(known)
            drafts: list[Draft] = []
            failed = self._attempt(partial(advance, moved, drafts, self.terms.of(id_[0]), until_us=clock_us))
            if isinstance(failed, Failed):
                self.quarantined.add(id_)
                outcome.quarantined[id_] = failed.error
                continue
            self._keep(outcome, id_, moved)
            self._state(outcome, id_, moved, news(moved, drafts), clock_us, Cause.TIME)
        left_us = self.timers.next_us()
        outcome.more = left_us is not None and left_us <= clock_us

    def _go_on(self, outcome: Outcome, clock_us: int) -> None:
        """Take a slice of what new terms left to do."""
        adoption = self.adoption
        for id_ in adoption.next_to_time():
            if id_ in self.open:
                self._retime(id_, clock_us)
        # One after the other: a fold is a pause for everything else.
        for id_, instances in () if adoption.to_time else adoption.next_to_tell():
            if id_ in self.open:
                ticket = self.open[id_]
                drafts = moves(ticket, instances, self.terms.of(id_[0]), adoption.at_us)
                told = [Statement(draft, 0) for draft in drafts]
                self._state(outcome, id_, ticket, told, clock_us, Cause.CONFIGURATION)
        outcome.more |= bool(adoption.to_time or adoption.to_tell) or self.is_turning

    def _known(self, outcome: Outcome, loaded: Loaded, id_: TicketId) -> Ticket | None:
        stored = loaded.tickets.get(id_)
        return (
            outcome.tickets.get(id_) or self.open.look(id_) or (stored.ticket if stored is not None else None)
        )

    def _defer(self, outcome: Outcome, arrival: Arrival) -> None:
        if arrival.mark.time_us - arrival.clock_us > AHEAD_US_MAX:
            ahead_s = (arrival.mark.time_us - arrival.clock_us) // SECOND_US
            detail = f"time is {ahead_s} s ahead of the bus's clock; at most 300 s are accepted"
            outcome.refused.append(Refused(arrival.origin, Refusal.FUTURE_TIME, detail))
        else:
            outcome.deferred.append(arrival)

    def _waits(
        self,
        outcome: Outcome,
        loaded: Loaded,
        again: Mapping[TicketId, Sequence[Item]],
        item: Item,
        *,
        imports: bool,
    ) -> bool:
        """Put aside what is not to be folded yet: it is ahead of its time, or its ticket sleeps."""
        if not isinstance(item, Arrival):
            asleep = self._is_asleep(outcome, loaded, item.id)
            if asleep:
                outcome.registers.append(item.absorbed)
            return asleep
        if is_ahead(item):
            self._defer(outcome, item)
            return True
        outcome.seen += 1
        asleep = self._sleeps(outcome, loaded, again, item, imports=imports)
        if asleep:
            outcome.marks.setdefault((item.id, item.order), item.mark)
        return asleep

    def _sleeps(
        self,
        outcome: Outcome,
        loaded: Loaded,
        again: Mapping[TicketId, Sequence[Item]],
        arrival: Arrival,
        *,
        imports: bool,
    ) -> bool:
        id_ = arrival.id
        if self._is_asleep(outcome, loaded, id_):
            return True
        known = id_ in self.open or id_ in loaded.tickets or id_ in again or id_ in outcome.tickets
        if known or not imports or arrival.mark.run is None:
            return False
        outcome.asleep[id_] = arrival.mark
        return True

    def _is_asleep(self, outcome: Outcome, loaded: Loaded, id_: TicketId) -> bool:
        stored = loaded.tickets.get(id_)
        return id_ in outcome.asleep or (stored is not None and stored.asleep)

    def _extend(self, outcome: Outcome, loaded: Loaded, arrival: Arrival) -> None:
        id_, clock_us = arrival.id, arrival.clock_us
        known = self._known(outcome, loaded, id_)
        assert known is not None
        terms = self.terms.of(id_[0])
        if is_late(known, arrival, terms):
            outcome.unfinished.setdefault(id_, []).append(arrival)
            return
        if known.marks >= MARKS_MAX:
            outcome.refused.append(_too_many(arrival))
            return
        moved = copied(known)
        mark = erased(id_[1], arrival.mark, arrival.order) if known.erased else arrival.mark
        drafts = self._attempt(lambda: extend(moved, mark, arrival.order, terms=terms, until_us=clock_us))
        if isinstance(drafts, Failed):
            outcome.refused.append(Refused(arrival.origin, Refusal.FOLD_FAILED, drafts.error))
            return
        outcome.marks[(id_, arrival.order)] = mark
        if arrival.mark.pulled:
            outcome.pulled.append((id_, pulled_onto(known, mark)))
        self._keep(outcome, id_, moved)
        imported = arrival.mark.run is not None
        cause = Cause.IMPORT if imported else Cause.OBSERVED
        self.flows.move(id_[0], moved, [d for d in drafts if d.flow], (), imported=imported)
        self._state(outcome, id_, moved, news(moved, drafts), clock_us, cause)

    def _derive_again(
        self, outcome: Outcome, loaded: Loaded, id_: TicketId, items: Sequence[Item], until_us: int,
        *, waking: bool = False,
    ) -> None:  # fmt: skip
        was = self._known(outcome, loaded, id_)
        if was is not None and self._former(id_, was) is not None:
            # First what terms that judge the past anew bring about: it is not by what came meanwhile.
            counts = self.adoption.telling
            self._judge(outcome, loaded, id_, was, until_us, until_us=was.advanced_us, counts=counts)
            was = self._known(outcome, loaded, id_)
        derive = self._deriving(loaded, id_, was, until_us)
        derived = self._attempt(partial(derive, items=items))
        if isinstance(derived, Failed) and len(items) > 1:
            items, derived = self._derive_singly(outcome, derive, items)
        if isinstance(derived, Failed):
            self._give_up(outcome, id_, items, derived.error, waking=waking)
            return
        self._take(outcome, id_, was, derived, until_us, cause=cause_of(items, was, waking=waking))
        if any(dated.mark.pulled for dated in derived.added):
            timeline = sorted((*loaded.marks.get(id_, ()), *derived.added), key=lambda dated: dated.order)
            added = {dated.order for dated in derived.added}
            outcome.pulled += [(id_, one) for one in pulled_into(timeline, added)]

    def _judge(
        self, outcome: Outcome, loaded: Loaded, id_: TicketId, was: Ticket, clock_us: int,
        *, until_us: int, counts: bool,
    ) -> None:  # fmt: skip
        """State at `clock_us` what the terms of now make of the ticket up to `until_us`."""
        derive = self._deriving(loaded, id_, was, until_us)
        derived = self._attempt(partial(derive, items=(), stated_us=clock_us, again=True))
        if isinstance(derived, Failed):
            self._give_up(outcome, id_, (), derived.error, waking=False)
            return
        self._take(outcome, id_, was, derived, clock_us, cause=Cause.CONFIGURATION)
        if counts:
            self.adoption.judged(id_[0], derived.statements)

    def _deriving(
        self, loaded: Loaded, id_: TicketId, was: Ticket | None, until_us: int
    ) -> Callable[..., Derived]:
        return partial(
            derive_again, id_, was,
            marks=loaded.marks.get(id_, ()), registers=loaded.registers.get(id_, ()),
            terms=self.terms.of(id_[0]), former=self._former(id_, was), until_us=until_us,
        )  # fmt: skip

    def _derive_singly(
        self, outcome: Outcome, derive: Callable[..., Derived], items: Sequence[Item]
    ) -> tuple[Sequence[Item], Derived | Failed]:
        """Refuse the items that cannot be folded, and none for being in one batch with them."""
        good: list[Item] = []
        derived: Derived | Failed = Failed("")
        for item in items:
            tried = self._attempt(partial(derive, items=[*good, item]))
            if isinstance(tried, Failed):
                outcome.refused.append(Refused(item.origin, Refusal.FOLD_FAILED, tried.error))
            else:
                good.append(item)
                derived = tried
        return good, derived

    def _take(
        self, outcome: Outcome, id_: TicketId, was: Ticket | None, derived: Derived, clock_us: int,
        *, cause: Cause,
    ) -> None:  # fmt: skip
        outcome.registers += derived.registers
        outcome.told += derived.told
        outcome.repeated += derived.repeated
        outcome.refused += [_too_many(arrival) for arrival in derived.too_many]
        for dated in derived.added:
            outcome.marks[(id_, dated.order)] = dated.mark
        for dated in derived.rewritten:
            outcome.marks.pop((id_, dated.order), None)  # added by this very batch, while it had its content
            outcome.rewritten[(id_, dated.order)] = dated.mark
        ticket = derived.ticket
        if ticket is None:
            if was is not None and was.open:
                self._time(id_, was)  # its timer may have been passed over for this
            return
        self._keep(outcome, id_, ticket)
        added, gone = flow_changes(derived.before, derived.after)
        self.flows.move(id_[0], ticket, added, gone, imported=cause is Cause.IMPORT)
        self._state(outcome, id_, ticket, derived.statements, clock_us, cause)

    def _give_up(
        self, outcome: Outcome, id_: TicketId, items: Sequence[Item], error: str, *, waking: bool
    ) -> None:
        outcome.refused += [Refused(item.origin, Refusal.FOLD_FAILED, error) for item in items]
        ticket = self.open.look(id_)
        if ticket is not None:
            self._time(id_, ticket)  # its timer may have been passed over for this
        if waking:
            outcome.quarantined[id_] = error
            self.quarantined.add(id_)

    def _keep(self, outcome: Outcome, id_: TicketId, ticket: Ticket) -> None:
        ticket.version += 1
        if id_ in self.quarantined:  # whatever failed works again
            self.quarantined.discard(id_)
            outcome.quarantined.pop(id_, None)
            outcome.released.append(id_)
        outcome.tickets[id_] = ticket
        self._time(id_, ticket)

    def _state(
        self,
        outcome: Outcome,
        id_: TicketId,
        ticket: Ticket,
        statements: Sequence[Statement],
        stated_us: int,
        cause: Cause,
    ) -> None:
        outcome.stated += [Stated(id_, ticket, statement, stated_us, cause) for statement in statements]
        self.flows.judge(id_[0], ticket, statements, imported=cause is Cause.IMPORT)


def _too_many(arrival: Arrival) -> Refused:
    return Refused(arrival.origin, Refusal.TOO_MANY_MARKS, f"{MARKS_MAX} marks are the most a ticket takes")
