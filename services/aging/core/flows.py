"""Flows: what entered and what left the stock, counted so that counters never go back.

stock = opened + reopened + corrected_in + imported_in
        - solved - closed - merged - void - corrected_out - imported_out

holds for every tenant at any time, and is checked (`Backlog.flow_error`). A movement that turns out
not to have happened is not subtracted: it is a correction in the other direction.

Beside the movements are the verdicts on promises, and how long those took that are measured: by the wall
clock, since that is what the customer waited. An instance is counted each time it is stopped: one that a
reopening let go on took longer the second time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from sys import intern
from typing import Final, NamedTuple

import msgspec

from services.aging.core.facts import Statement
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import DURATION_BOUNDS_SECONDS, FactType
from shared.contracts.instants import SECOND_US


class FlowKey(NamedTuple):
    """The dimensions flows are counted by: those of the ticket when the movement became known."""

    tenant: str
    source: str
    queue: str
    priority: str
    channel: str


class ClockCounters(msgspec.Struct, array_like=True, gc=False):
    """Cumulative verdicts of one SLA clock; none ever decreases. See shared/contracts/backlog.py, ClockFlow."""

    met: int = 0
    breached: int = 0
    met_corrected: int = 0
    breached_corrected: int = 0
    durations: list[int] = []
    duration_sum_us: int = 0


class Counters(msgspec.Struct, array_like=True, gc=False):
    """Cumulative movements and verdicts; none ever decreases."""

    opened: int = 0
    reopened: int = 0
    solved: int = 0
    closed: int = 0
    merged: int = 0
    void: int = 0
    corrected_in: int = 0
    corrected_out: int = 0
    imported_in: int = 0
    imported_out: int = 0
    clocks: dict[str, ClockCounters] = {}

    @property
    def net(self) -> int:
        """What the movements left in the stock."""
        entered = self.opened + self.reopened + self.corrected_in + self.imported_in
        left = self.solved + self.closed + self.merged + self.void
        return entered - left - self.corrected_out - self.imported_out


_COUNTER: Final = {
    FactType.OPENED: "opened",
    FactType.REOPENED: "reopened",
    FactType.SOLVED: "solved",
    FactType.CLOSED: "closed",
    FactType.MERGED: "merged",
    FactType.VOIDED: "void",
}
_VERDICTS: Final = {FactType.SLA_MET: "met", FactType.SLA_BREACHED: "breached"}
_STOPS: Final = frozenset({FactType.SLA_MET, FactType.SLA_FINISHED})
_JUDGED: Final = frozenset({FactType.SLA_STARTED, *_VERDICTS, *_STOPS})
_BOUNDS_US: Final = {
    clock: tuple(bound * SECOND_US for bound in bounds) for clock, bounds in DURATION_BOUNDS_SECONDS.items()
}
_encoder: Final = msgspec.msgpack.Encoder()
_key_decoder: Final = msgspec.json.Decoder(FlowKey)
_decoder: Final = msgspec.msgpack.Decoder(Counters)


class FlowBook:
    """The flow counters of one partition, and which of them changed."""

    def __init__(self) -> None:
        self.counters: dict[FlowKey, Counters] = {}
        self.unsaved: set[FlowKey] = set()
        self.unpublished: set[FlowKey] = set()

    def move(
        self, tenant: str, ticket: Ticket, added: Iterable[Draft], gone: Iterable[Draft], *, imported: bool
    ) -> None:
        """Count movements that became known, and correct those that did not happen."""
        key = FlowKey(tenant, ticket.source, ticket.queue, ticket.priority, ticket.channel)
        for draft in added:
            name = _COUNTER[draft.type]
            if imported:
                name = "imported_in" if draft.flow > 0 else "imported_out"
            self._count(key, name)
        for draft in gone:
            entered = draft.flow > 0
            if imported:
                self._count(key, "imported_out" if entered else "imported_in")
            else:
                self._count(key, "corrected_out" if entered else "corrected_in")

    def judge(self, tenant: str, ticket: Ticket, statements: Iterable[Statement], *, imported: bool) -> None:
        """Count the verdicts among `statements`, and correct those that are withdrawn.

        A clock is known from its start on, at zero, so that a rate sees its first breach as well.
        """
        for draft, turn in statements:
            if draft.type not in _JUDGED:
                continue
            key = FlowKey(tenant, ticket.source, ticket.queue, ticket.priority, ticket.channel)
            counters = self._counters(key)
            clock = counters.clocks.get(draft.clock)
            if clock is None:
                clock = counters.clocks[intern(draft.clock)] = ClockCounters()
                self._changed(key)
            if not imported and draft.type is not FactType.SLA_STARTED:
                _judge(clock, draft, withdrawn=bool(turn % 2))
                self._changed(key)

    def net(self, tenant: str) -> int:
        """Return the stock of `tenant` by its movements."""
        return sum(counters.net for key, counters in self.counters.items() if key.tenant == tenant)

    def _count(self, key: FlowKey, name: str) -> None:
        counters = self._counters(key)
        setattr(counters, name, getattr(counters, name) + 1)
        self._changed(key)

    def _counters(self, key: FlowKey) -> Counters:
        counters = self.counters.get(key)
        if counters is None:
            counters = self.counters[key] = Counters()
        return counters

    def _changed(self, key: FlowKey) -> None:
        self.unsaved.add(key)
        self.unpublished.add(key)


def _judge(clock: ClockCounters, draft: Draft, *, withdrawn: bool) -> None:
    verdict = _VERDICTS.get(draft.type)
    if verdict is not None:
        name = f"{verdict}_corrected" if withdrawn else verdict
        setattr(clock, name, getattr(clock, name) + 1)
    bounds_us = _BOUNDS_US.get(draft.clock)
    if withdrawn or bounds_us is None or draft.type not in _STOPS or draft.detail is None:
        return
    took_us = draft.at_us - draft.detail.started_us
    clock.durations = clock.durations or [0] * (len(bounds_us) + 1)
    clock.durations[bisect_left(bounds_us, took_us)] += 1
    clock.duration_sum_us += took_us


def encode_flow(key: FlowKey, counters: Counters) -> tuple[str, bytes]:
    """Return the key and the body of a flow's row."""
    return msgspec.json.encode(key).decode(), _encoder.encode(counters)


def decode_flow(key: str, body: bytes) -> tuple[FlowKey, Counters]:
    """Return what `encode_flow` was given."""
    return _key_decoder.decode(key), _decoder.decode(body)
