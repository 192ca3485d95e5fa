"""A mark: one observation as a ticket's timeline keeps it.

A ticket is a function of the *set* of its marks, so a mark needs two things: an identity, by which
repeats are one, and a place in the order that does not depend on arrival. Both are in `order`, bytes
that sort: time, source sequence (absent first), kind rank (stop, pause, start), content digest. Stored
as the key of its row, it makes the database keep the timeline sorted, and refuse repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from shared.contracts.event_id import DIGEST_BYTES, digest
from shared.contracts.instants import from_us, to_us
from shared.contracts.tickets import (
    Activity,
    Actor,
    Observation,
    Status,
    TicketFields,
    Visibility,
)

MARKS_MAX: Final = 200_000
"""A ticket takes no more marks than this; further ones are refused as `too_many_marks`."""

_TIME_BYTES: Final = 8
_SEQUENCE_OFFSET: Final = 1 << 63
_NO_SEQUENCE: Final = b"\x00"
_HAS_SEQUENCE: Final = b"\x01"
_STOP: Final = b"\x00"
_PAUSE: Final = b"\x01"
_START: Final = b"\x02"
_MESSAGES: Final = frozenset({Activity.CUSTOMER_MESSAGE, Activity.AGENT_MESSAGE, Activity.INTERNAL_NOTE})
_STOPPING: Final = frozenset({Activity.MERGED, Activity.DELETED, Activity.SPAM})
_STOPPED: Final = frozenset({Status.SOLVED, Status.CLOSED})


class Mark(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """What was observed of one ticket, at `time_us`. `run` names the import it came by, if it did."""

    time_us: int
    id: str
    source: str
    activity: Activity = Activity.UPDATED
    actor: Actor | None = None
    visibility: Visibility | None = None
    sequence: int | None = None
    fields: TicketFields = TicketFields()
    reason: str | None = None
    received_us: int = 0
    run: str | None = None
    dated_by_receipt: bool = False
    """`time_us` is when it came: the earliest of its repeats counts, see `without_repeats`."""
    identity: bytes = b""
    """What identifies it, where its content was erased; empty while the content tells (erasure.py)."""
    pulled: bool = False
    condensed: bool = False
    """It stands for the whole timeline up to it (condensing.py)."""


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Mark)


def mark_of(observation: Observation) -> Mark:
    """Return the mark that keeps `observation`; its tenant and ticket are the row's key."""
    return Mark(
        to_us(observation.time),
        observation.id,
        observation.source,
        observation.activity,
        observation.actor,
        observation.visibility,
        observation.sequence,
        observation.fields,
        observation.reason,
        to_us(observation.received_at),
        observation.run,
        observation.dated_by_receipt,
        pulled=observation.pulled,
    )


def observation_of(tenant: str, ticket: str, mark: Mark) -> Observation:
    """Return the observation that `mark` keeps."""
    return Observation(
        tenant=tenant,
        source=mark.source,
        ticket=ticket,
        id=mark.id,
        time=from_us(mark.time_us),
        received_at=from_us(mark.received_us),
        activity=mark.activity,
        actor=mark.actor,
        visibility=mark.visibility,
        sequence=mark.sequence,
        dated_by_receipt=mark.dated_by_receipt,
        run=mark.run,
        pulled=mark.pulled,
        reason=mark.reason,
        fields=mark.fields,
    )


def order_of(mark: Mark) -> bytes:
    """Return the bytes that sort `mark` among its ticket's marks, and identify it.

    How and when it was received is no part of it: the same observation by webhook and by import is one.
    But that a source's list says it, too, is something else, and retold.py makes one of the two: left to
    whichever comes first, a ticket would not be a function of the set. Where its time is nothing but when it
    came, the time is no part of the identity either.
    """
    identity = mark.identity or _identity(mark)
    sequence = mark.sequence
    return b"".join(
        (
            mark.time_us.to_bytes(_TIME_BYTES, "big"),
            _NO_SEQUENCE
            if sequence is None
            else _HAS_SEQUENCE + (sequence + _SEQUENCE_OFFSET).to_bytes(8, "big"),
            _rank(mark),
            identity,
        )
    )


def _identity(mark: Mark) -> bytes:
    time_us = None if mark.dated_by_receipt else mark.time_us
    content = _encoder.encode(
        (time_us, mark.sequence, mark.activity, mark.actor, mark.visibility, mark.reason, mark.fields)
    )
    listed = (b"listed",) if mark.pulled else ()
    return digest(mark.source.encode(), mark.id.encode(), content, *listed)


def is_message(mark: Mark) -> bool:
    """Return whether somebody wrote something, whoever can see it."""
    return mark.activity in _MESSAGES


def time_of(order: bytes) -> int:
    """Return the time of the mark that has this order, microseconds."""
    return int.from_bytes(order[:_TIME_BYTES], "big")


def identity_of(order: bytes) -> bytes:
    """Return the part of a mark's order that identifies the observation."""
    return order[-DIGEST_BYTES:]


def without_repeats(marks: Sequence[Mark]) -> Sequence[Mark]:
    """Return `marks` (in order) with only the earliest of each observation that was dated by its receipt.

    A sender that gives an id and no time, and tries again, says the same thing at another time of ours.
    """
    if not any(mark.dated_by_receipt for mark in marks):
        return marks
    seen: set[bytes] = set()
    kept: list[Mark] = []
    for mark in marks:
        if mark.dated_by_receipt:
            identity = identity_of(order_of(mark))
            if identity in seen:
                continue
            seen.add(identity)
        kept.append(mark)
    return kept


def encode_mark(mark: Mark) -> bytes:
    """Return the body of a mark's row."""
    return _encoder.encode(mark)


def decode_mark(body: bytes) -> Mark:
    """Return the mark of a row's body."""
    return _decoder.decode(body)


def _rank(mark: Mark) -> bytes:
    # At one instant a stop counts before a pause before a start, so that a ticket solved and reopened
    # within one tick of its source's clock ends up open whatever came first.
    status = mark.fields.status
    if mark.activity in _STOPPING or status in _STOPPED:
        return _STOP
    return _PAUSE if status is Status.WAITING else _START


def shows_link(mark: Mark) -> bool:
    """Return whether the mark touches the merge link, directly or by undoing it."""
    return (
        mark.fields.merged_into is not UNSET
        or mark.activity is Activity.MERGED
        or mark.activity is Activity.RESTORED
    )
