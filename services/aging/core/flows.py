"""Flows: what entered and what left the stock, counted so that counters never go back.

stock = opened + reopened + corrected_in + imported_in
        - solved - closed - merged - void - corrected_out - imported_out

holds for every tenant at any time, and is checked (`Backlog.flow_error`). A movement that turns out
not to have happened is not subtracted: it is a correction in the other direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import FactType


class FlowKey(NamedTuple):
    """The dimensions flows are counted by: those of the ticket when the movement became known."""

    tenant: str
    source: str
    queue: str
    priority: str
    channel: str


class Counters(msgspec.Struct, array_like=True, gc=False):
    """Cumulative movements; none ever decreases."""

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

    def net(self, tenant: str) -> int:
        """Return the stock of `tenant` by its movements."""
        return sum(counters.net for key, counters in self.counters.items() if key.tenant == tenant)

    def _count(self, key: FlowKey, name: str) -> None:
        counters = self.counters.get(key)
        if counters is None:
            counters = self.counters[key] = Counters()
        setattr(counters, name, getattr(counters, name) + 1)
        self.unsaved.add(key)
        self.unpublished.add(key)


def encode_flow(key: FlowKey, counters: Counters) -> tuple[str, bytes]:
    """Return the key and the body of a flow's row."""
    return msgspec.json.encode(key).decode(), _encoder.encode(counters)


def decode_flow(key: str, body: bytes) -> tuple[FlowKey, Counters]:
    """Return what `encode_flow` was given."""
    return _key_decoder.decode(key), _decoder.decode(body)
