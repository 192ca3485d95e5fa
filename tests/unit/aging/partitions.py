"""Partitions of the backlog with a store of plain dicts, and every law that must hold after every batch.

What the worker does with SQL and a bus happens here in memory: marks, registers, closed and sleeping
tickets are kept as they would be in rows (encoded and decoded again), absorbed events wait in `told`
until somebody delivers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET

from services.aging.core.age import AgePolicy
from services.aging.core.backlog import Backlog
from services.aging.core.batch import (
    DEFERRED_ORIGIN,
    Arrival,
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
from services.aging.core.cells import CellBook, recount
from services.aging.core.fold import derive
from services.aging.core.mark import Mark, decode_mark, encode_mark, mark_of, order_of
from services.aging.core.merges import heard, ignores_own_link
from services.aging.core.rederive import derive_again
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket, TurnKey, decode_ticket, encode_ticket
from shared.contracts.backlog import FactType
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Absorbed, Activity, Observation
from shared.contracts.topics import partition_of, ticket_key

T = TypeVar("T")
FactKey = tuple[TicketId, TurnKey]


class Attempting:
    """The core's `Attempt`: what a step raises becomes a value."""

    def __call__(self, step: Callable[[], T]) -> T | Failed:
        try:
            return step()
        except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
            return Failed(f"{type(error).__name__}: {error}")


class Partition:
    """One `Backlog`, driven as the worker drives it."""

    def __init__(self, terms: Terms | None = None) -> None:
        self.backlog = Backlog(terms or Terms(), Attempting())
        self.clock_us = 0
        self.rows: dict[TicketId, bytes | None] = {}
        """Bodies of the tickets; None for one asleep."""
        self.marks: dict[TicketId, dict[bytes, bytes]] = {}
        self.registers: dict[TicketId, dict[str, Absorbed]] = {}
        self.deferred: dict[tuple[TicketId, bytes], Item] = {}
        self.turns: dict[FactKey, int] = {}
        self.told: list[Absorbed] = []
        self.refused: list[Refused] = []
        self.runs_open = False

    # What the worker does.

    def take(self, *observations: Observation, clock_us: int, until_us: int | None = None) -> Outcome:
        """Fold `observations` as one batch, all appended at `clock_us`."""
        return self.fold([arrival(one, clock_us, n) for n, one in enumerate(observations)], until_us=until_us)

    def absorb(self, *told: Absorbed, clock_us: int | None = None) -> Outcome:
        """Fold `told` as one batch."""
        clock_us = self.clock_us if clock_us is None else clock_us
        return self.fold([Register(clock_us, one, n) for n, one in enumerate(told)])

    def fold(self, items: Sequence[Item], *, until_us: int | None = None) -> Outcome:
        """Fold one batch and keep what comes of it."""
        last_us = max((item.clock_us for item in items), default=self.clock_us)
        until_us = max(self.clock_us, last_us, until_us or 0)
        items = [*self._due(until_us), *items]
        loaded = self._loaded(items)
        late = self.backlog.late(items, loaded)
        self._load_timelines(loaded, late)
        outcome = self.backlog.fold(items, loaded, late, until_us=until_us, imports=self.runs_open)
        if outcome.unfinished:
            self._load_timelines(loaded, set(outcome.unfinished))
            self.backlog.finish(outcome, loaded, until_us=until_us)
        self.clock_us = until_us
        self._keep(outcome)
        self._judge()
        return outcome

    def _judge(self) -> None:
        while ids := self.backlog.adoption.next_to_judge():
            loaded = Loaded()
            self._load_timelines(loaded, set(ids))
            self._keep(self.backlog.judge(ids, loaded, clock_us=self.clock_us))

    def condense(self, before_us: int) -> Outcome:
        """Leave of all that left before `before_us` what retention leaves."""
        closed = {id_: ticket for id_, ticket in self.awake().items() if not ticket.open}
        gone = {id_: one for id_, one in closed.items() if one.left_us is None or one.left_us < before_us}
        outcome = self.backlog.condense(gone)
        self._keep(outcome)
        return outcome

    def pass_time(self, until_us: int) -> list[Outcome]:
        """Let time pass from timer to timer, as the loop does, up to `until_us`."""
        outcomes = []
        while (due_us := self._next_us()) is not None and due_us <= until_us:
            outcomes.append(self.fold([], until_us=max(due_us, self.clock_us)))
        outcomes.append(self.fold([], until_us=until_us))
        while outcomes[-1].more:
            outcomes.append(self.fold([], until_us=until_us))
        return outcomes

    def end_runs(self) -> Outcome:
        """Close the import run: all that sleeps wakes."""
        self.runs_open = False
        ids = sorted(id_ for id_, body in self.rows.items() if body is None)
        loaded = Loaded({id_: Stored(None, asleep=True) for id_ in ids})
        self._load_timelines(loaded, set(ids))
        outcome = self.backlog.wake(ids, loaded, clock_us=self.clock_us)
        self._keep(outcome)
        return outcome

    def restart(self) -> None:
        """Forget all memory, and build it from the rows again."""
        former, self.backlog = self.backlog, Backlog(self.backlog.terms, Attempting())
        self.backlog.quarantined = set(former.quarantined)
        self.backlog.flows.counters = former.flows.counters
        awake = ((id_, body) for id_, body in self.rows.items() if body is not None)
        self.backlog.restore(
            ((id_, body) for id_, body in awake if decode_ticket(body).open), clock_us=self.clock_us
        )

    def _next_us(self) -> int | None:
        dues = [self.backlog.timers.next_us(), *(one.due_us for one in self.deferred.values())]
        return min((due for due in dues if due is not None), default=None)

    def _due(self, until_us: int) -> list[Item]:
        due = sorted((a.due_us, a.id, key) for key, a in self.deferred.items() if a.due_us <= until_us)
        found = [self.deferred.pop(key) for _, _, key in due]
        return [one._replace(clock_us=max(self.clock_us, one.due_us)) for one in found]

    def _loaded(self, items: Sequence[Item]) -> Loaded:
        found = {id_: self.rows[id_] for id_ in self.backlog.unknown(items) if id_ in self.rows}
        return Loaded(
            {id_: Stored(None if b is None else decode_ticket(b), b is None) for id_, b in found.items()}
        )

    def _load_timelines(self, loaded: Loaded, ids: Iterable[TicketId]) -> None:
        ids = list(ids)
        loaded.marks = {id_: self.timeline(id_) for id_ in ids if id_ in self.marks}
        loaded.registers = {id_: list(self.registers.get(id_, {}).values()) for id_ in ids}

    def timeline(self, id_: TicketId) -> list[Dated]:
        """Return the marks of a ticket, in order."""
        return [Dated(order, decode_mark(body)) for order, body in sorted(self.marks.get(id_, {}).items())]

    def _keep(self, outcome: Outcome) -> None:
        self._keep_marks(outcome)
        self.rows.update({id_: encode_ticket(ticket) for id_, ticket in outcome.tickets.items()})
        for id_ in outcome.asleep:
            assert id_ not in self.rows
            self.rows[id_] = None
        for register in outcome.registers:
            kept = self.registers.setdefault((register.tenant, register.survivor), {})
            if register.ticket not in kept or kept[register.ticket].revision <= register.revision:
                kept[register.ticket] = register
        for waiting in outcome.deferred:
            self.deferred[waiting.id, waiting.order] = waiting._replace(origin=DEFERRED_ORIGIN)
        for stated in outcome.stated:
            if stated.statement.draft.type is FactType.SLA_RESTATED:
                continue  # tells of a change of mind, and stands outside the law
            key = (stated.id, stated.statement.draft.key)
            assert stated.statement.turn == self.turns.get(key, -1) + 1, "turns follow each other"
            self.turns[key] = stated.statement.turn
        self.told += outcome.told
        self.refused += outcome.refused

    def _keep_marks(self, outcome: Outcome) -> None:
        for (id_, order), mark in outcome.marks.items():
            self.marks.setdefault(id_, {}).setdefault(order, encode_mark(mark))
        for (id_, order), mark in outcome.rewritten.items():
            self.marks.setdefault(id_, {})[order] = encode_mark(mark)
        for id_, dated in outcome.condensed.items():
            self.marks[id_] = {dated.order: encode_mark(dated.mark)}

    # What must hold.

    def standing(self) -> set[FactKey]:
        """Return the facts whose highest turn asserts them."""
        return {key for key, turn in self.turns.items() if turn % 2 == 0}

    def ticket(self, id_: TicketId) -> Ticket:
        """Return an awake ticket, from its row."""
        body = self.rows[id_]
        assert body is not None
        return decode_ticket(body)

    def awake(self) -> dict[TicketId, Ticket]:
        """Return all awake tickets, from their rows."""
        return {id_: decode_ticket(body) for id_, body in self.rows.items() if body is not None}

    def check(self) -> None:
        """Assert every law that holds between batches."""
        awake = self.awake()
        assert {id_ for id_, ticket in awake.items() if ticket.open} == set(self.backlog.open)
        assert {id_: _stored(ticket) for id_, ticket in awake.items() if ticket.open} == {
            id_: _stored(ticket) for id_, ticket in self.backlog.open.items()
        }
        for tenant in {id_[0] for id_ in self.rows}:
            assert 0 == self.backlog.flow_error(tenant)
        self._check_cells()
        self._check_facts(awake)
        for id_, ticket in awake.items():
            self._check_erasure(id_, ticket)

    def _check_erasure(self, id_: TicketId, ticket: Ticket) -> None:
        marks = [dated.mark for dated in self.timeline(id_)]
        assert ticket.erased == any(mark.activity is Activity.DELETED for mark in marks)
        if ticket.condensed:
            assert ("", "", "", "") == (ticket.requester, ticket.subject, ticket.url, ticket.assignee)
            assert [True] == [mark.condensed for mark in marks]
        if ticket.erased:
            shown = [(mark.fields.requester, mark.fields.subject, mark.fields.url) for mark in marks]
            assert {(UNSET, UNSET, UNSET)} == set(shown)
            assert all(mark.reason is None or mark.activity is Activity.DELETED for mark in marks)
            assert ("", "", "") == (ticket.requester, ticket.subject, ticket.url)
            named = [mark.fields.assignee for mark in marks if mark.fields.assignee]
            assert all(str(one).startswith("erased-") for one in (*named, ticket.assignee or "erased-"))

    def _check_cells(self) -> None:
        book = self.backlog.cells
        aged = {id_: copy(ticket) for id_, ticket in self.backlog.open.items()}
        for id_, ticket in aged.items():
            if id_ not in self.backlog.quarantined:
                ticket.advanced_us = self.clock_us
        assert cells_of(recount(aged, self.backlog.terms.age.at(self.clock_us))) == cells_of(book)
        stock: dict[str, int] = {}
        for key, sums in book.cells.items():
            assert 0 <= min((*sums.older, sums.open)), "no count is negative"
            assert sorted(sums.older, reverse=True) == sums.older, (
                "beyond a later edge are no more than before"
            )
            if key.kind.value == "main":
                stock[key.tenant] = stock.get(key.tenant, 0) + sums.open
        tenants = [id_[0] for id_ in self.backlog.open]
        assert {tenant: tenants.count(tenant) for tenant in tenants} == {t: n for t, n in stock.items() if n}

    def _check_facts(self, awake: Mapping[TicketId, Ticket]) -> None:
        standing: dict[TicketId, set[TurnKey]] = {}
        for id_, key in self.standing():
            standing.setdefault(id_, set()).add(key)
        assert set(standing) == set(awake)
        for id_, ticket in awake.items():
            if id_ in self.backlog.quarantined or self._was_condensed(id_):
                continue
            assert {draft.key for draft in self.truth(id_)[1]} == standing[id_]
            check_crossings(self.backlog.terms.age, ticket, standing[id_], self.clock_us)

    def _was_condensed(self, id_: TicketId) -> bool:
        return any(dated.mark.condensed for dated in self.timeline(id_))

    def truth(self, id_: TicketId) -> tuple[Ticket, list[Draft]]:
        """Return the ticket of all its marks, folded at once, and its facts up to the clock."""
        dated = self.timeline(id_)
        ignores = self.ticket(id_).ignores_link
        return derive(
            [one.mark for one in dated], dated[-1].order, terms=self.backlog.terms, until_us=self.clock_us,
            ignores_link=ignores, messages=heard(self.registers.get(id_, {}).values()),
        )  # fmt: skip


class Partitions:
    """Several partitions that hear of each other's merges through `wire`, in any order."""

    def __init__(self, count: int, terms: Terms | None = None) -> None:
        self.all = [Partition(terms) for _ in range(count)]
        self.wire: list[Absorbed] = []
        self.said: list[Absorbed] = []

    def of(self, tenant: str, ticket: str) -> Partition:
        """Return the partition of a ticket."""
        return self.all[partition_of(ticket_key(tenant, ticket), len(self.all))]

    def take(self, observation: Observation, *, clock_us: int) -> None:
        """Fold one observation where it belongs."""
        self.of(observation.tenant, observation.ticket).take(observation, clock_us=clock_us)
        self.collect()

    def collect(self) -> None:
        """Put what was told on the wire."""
        for partition in self.all:
            self.wire += partition.told
            self.said += partition.told
            partition.told.clear()

    def deliver(self, index: int, *, keep: bool = False) -> None:
        """Deliver one of the events on the wire; `keep` leaves it there, to come again."""
        one = self.wire[index] if keep else self.wire.pop(index)
        self.of(one.tenant, one.survivor).absorb(one)
        self.collect()

    def settle(self) -> None:
        """Deliver in order until nobody has anything to say."""
        for _ in range(ROUNDS_MAX):
            if not self.wire:
                return
            self.deliver(0)
        raise AssertionError("partitions tell each other without end")

    def pass_time(self, until_us: int) -> None:
        """Let time pass everywhere."""
        for partition in self.all:
            partition.pass_time(until_us)
        self.collect()
        self.settle()

    def check(self) -> None:
        """Assert every law of each partition, and those between them, once all was delivered."""
        for partition in self.all:
            partition.check()
        assert not self.wire
        awake = self.awake()
        links = {id_: shown_link(ticket) for id_, ticket in awake.items() if shown_link(ticket)}
        for id_, ticket in awake.items():
            tenant, key = id_
            mine = {here[1]: link for here, link in links.items() if here[0] == tenant}
            assert ticket.ignores_link == ignores_own_link(key, mine)
        live = {
            (one.tenant, one.ticket): one
            for partition in self.all
            for kept in partition.registers.values()
            for one in kept.values()
            if not one.withdrawn
        }
        assert {id_: link for id_, link in links.items() if link != id_[1]} == {
            id_: one.survivor for id_, one in live.items()
        }

    def awake(self) -> dict[TicketId, Ticket]:
        """Return all awake tickets."""
        return {id_: ticket for partition in self.all for id_, ticket in partition.awake().items()}

    def result(self) -> tuple[dict[TicketId, Ticket], set[FactKey], dict[str, int]]:
        """Return what must not depend on the order of arrival: tickets, standing facts, net flows."""
        facts = {key for partition in self.all for key in partition.standing()}
        nets: dict[str, int] = {}
        for partition in self.all:
            for tenant in {key.tenant for key in partition.backlog.flows.counters}:
                nets[tenant] = nets.get(tenant, 0) + partition.backlog.flows.net(tenant)
        return {id_: bare(ticket) for id_, ticket in self.awake().items()}, facts, nets


ROUNDS_MAX = 200


def arrival(observation: Observation, clock_us: int, origin: int = 0) -> Arrival:
    """Return `observation` as a partition meets it."""
    mark = mark_of(observation)
    return Arrival(clock_us, (observation.tenant, observation.ticket), mark, order_of(mark), origin)


def bare(ticket: Ticket) -> Ticket:
    """Return `ticket` without what only tells how it came to be."""
    ticket = copy(ticket)
    ticket.version = ticket.revision = ticket.advanced_us = 0
    ticket.turns = None
    return ticket


def _stored(ticket: Ticket) -> Ticket:
    ticket = bare(ticket)
    # Worked out anew when a row is read that was written by other terms.
    ticket.due_us, ticket.generation = None, 0
    ticket.clocks = [
        msgspec.structs.replace(clock, deadline_us=0, warn_us=0, resume_us=0) for clock in ticket.clocks
    ]
    return ticket


def shown_link(ticket: Ticket) -> str:
    return ticket.link if ticket.merged else ""


def cells_of(book: CellBook) -> dict[object, tuple[object, ...]]:
    """Return the cells with something in them, as comparable values."""
    return {
        key: (
            sums.open, tuple(sums.older), sums.unowned, sums.start_sum_us, book.min_start_us(key),
            sums.past_sla, sums.at_risk, sums.stuck, sums.stale, sums.bouncing, sums.close_candidates,
        )
        for key, sums in book.cells.items()
        if sums.open
    }  # fmt: skip


def check_crossings(policy: AgePolicy, ticket: Ticket, standing: set[TurnKey], clock_us: int) -> None:
    """Assert that the crossings are those of the half-open spans in which the ticket was open."""
    expected = set()
    for episode, begin_us, end_us in open_spans(standing, clock_us):
        for index, version in enumerate(policy.versions):
            from_us = version.effective_us if index else begin_us
            to_us = policy.versions[index + 1].effective_us if index + 1 < len(policy.versions) else end_us
            start_us = begin_us if version.from_episode else ticket.created_us
            for edge in version.edges_seconds:
                at_us = start_us + edge * SECOND_US
                if max(begin_us, from_us) <= at_us < min(end_us, to_us):
                    expected.add((FactType.AGE_CROSSED.value, f"age.{edge}", episode, at_us))
    assert expected == {key for key in standing if key[0] == FactType.AGE_CROSSED.value}


_LEAVING: Final = frozenset({"ticket.solved", "ticket.closed", "ticket.merged", "ticket.voided"})


def open_spans(standing: set[TurnKey], clock_us: int) -> Iterator[tuple[int, int, int]]:
    """Yield (episode, begin, end) of the spans in which a ticket was open, by what stands of it."""
    enters = {key[2]: key[3] for key in standing if key[0] in {"ticket.opened", "ticket.reopened"}}
    leaves: dict[int, int] = {}
    for kind, _, episode, at_us in standing:
        if kind in {"ticket.solved", "ticket.closed", "ticket.merged", "ticket.voided"}:
            leaves[episode] = min(at_us, leaves.get(episode, at_us))
    for episode, begin_us in enters.items():
        yield episode, begin_us, leaves.get(episode, clock_us + 1)


def derived(marks: Sequence[Mark], terms: Terms, until_us: int) -> tuple[Ticket, list[Draft]]:
    """Return the ticket of `marks`, which need not be in order, and its facts."""
    dated = sorted((Dated(order_of(mark), mark) for mark in marks), key=lambda one: one.order)
    return derive([one.mark for one in dated], dated[-1].order, terms=terms, until_us=until_us)


__all__ = ["Partition", "Partitions", "arrival", "bare", "cells_of", "derive_again", "derived", "open_spans"]
