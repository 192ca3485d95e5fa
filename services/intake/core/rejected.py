"""What could not be used is kept whole, so that it can be used once the sender or the map is mended.

Listing and retrying are commands (`barometer rejected list|retry`). A retry keeps the receive time and
how the sender was verified; the event id is the one it would have had, so retrying twice is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from services.intake.core.arrival import Arrival
from services.intake.core.envelope import Context
from services.intake.core.mail.reading import MEDIA_TYPE, read_again
from services.intake.core.normalise import Normalised
from services.intake.core.pull.pulled import VERIFIED, as_kept
from services.intake.core.reception import Item, Outcome, Reception, Refused, kept_headers
from services.intake.core.rejection import DETAIL_CHARACTERS_MAX, Reason, Rejection, rejected
from services.intake.core.sources import Publisher, Sources
from services.intake.core.vendors import VENDORS
from services.intake.core.vendors.port import Delivery
from services.intake.core.webhook import Hook, failed, kept_delivery, receive
from services.intake.core.webhook import kept_headers as kept_webhook_headers
from shared.contracts.tickets import TEXT_CHARACTERS_MAX, Observation, Rejected

KEPT_BYTES_MAX: Final = 3_000_000
"""A body is kept as base64 (4 bytes for 3), and the bus takes records of 4 MiB (RECORD_BYTES_MAX)."""

STAGE_INTAKE: Final = "intake"
STAGE_WEBHOOK: Final = "webhook"
STAGE_INBOX: Final = "inbox"
STAGE_AGING: Final = "aging"

_JSON: Final = "application/json"
_instant: Final = msgspec.json.Decoder(datetime)
_observation: Final = msgspec.json.Decoder(Observation)


@dataclass(frozen=True, slots=True)
class Kept:
    """What all rejected input of one request (or record) shares."""

    stage: str
    verified: str
    received_at: datetime
    rejected_at: datetime
    origin: str = ""


def keep(refused: Refused, kept: Kept, *, id: str, tenant: str, source: str) -> Rejected | None:
    """Return the record that keeps a refused item whole, None if it is too large for the bus."""
    item = refused.item
    if len(item.raw) > KEPT_BYTES_MAX:
        return None
    return Rejected(
        id=id,
        tenant=tenant,
        source=source,
        stage=kept.stage,
        reason=refused.rejection.reason.value,
        detail=refused.rejection.detail,
        received_at=kept.received_at,
        rejected_at=kept.rejected_at,
        content_type=item.content_type,
        body=bytes(item.raw),
        verified=kept.verified,
        headers=dict(kept_headers(item)),
        origin=kept.origin,
    )


def keep_delivery(
    delivery: Delivery, hook: Hook, refused: Rejection, *, id: str, verified: str
) -> Rejected | None:
    """Return the record that keeps a vendor's request whole, None if it is too large for the bus."""
    if len(delivery.body) > KEPT_BYTES_MAX:
        return None
    return Rejected(
        id=id,
        tenant=hook.tenant,
        source=hook.source,
        stage=STAGE_WEBHOOK,
        reason=refused.reason.value,
        detail=refused.detail,
        received_at=delivery.received_at,
        rejected_at=delivery.received_at,
        content_type=delivery.header("content-type"),
        body=delivery.body,
        verified=verified,
        headers=kept_webhook_headers(delivery, hook.secrets),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rejected input a command asks for; None and empty: all."""

    ids: frozenset[str] = frozenset()
    tenant: str | None = None
    source: str | None = None
    reason: str | None = None
    stage: str | None = None
    since: datetime | None = None

    def matches(self, one: Rejected) -> bool:
        """Tell whether `one` is asked for."""
        pairs = (
            (self.tenant, one.tenant),
            (self.source, one.source),
            (self.reason, one.reason),
            (self.stage, one.stage),
        )
        if self.ids and one.id not in self.ids:
            return False
        if self.since is not None and one.rejected_at < self.since:
            return False
        return all(wanted is None or wanted == shown for wanted, shown in pairs)


class Retried(NamedTuple):
    """What kept input comes to now. A vendor's request can show several tickets, or none."""

    observations: tuple[Observation, ...]
    rejection: Rejection | None = None


def retried(one: Rejected, sources: Sources, *, now: datetime) -> Retried:
    """Return the observations that `one` is by today's maps and rules, and why it still is none."""
    if one.stage == STAGE_WEBHOOK:
        return _read_again(one, sources, now)
    if one.content_type == MEDIA_TYPE:
        return _mail_again(one, sources, now)
    found = _observed(one) if one.stage == STAGE_AGING else _received_again(one, sources, now)
    return Retried((), found) if isinstance(found, Rejection) else Retried((found,))


def not_retried(error: str) -> Retried:
    """Return what kept input comes to if trying it again raised `error`."""
    return Retried((), failed(error))


def _read_again(one: Rejected, sources: Sources, now: datetime) -> Retried:
    """Read a vendor's request again. It was verified when it came, and its secret may have changed since."""
    normaliser = sources.get(one.tenant, one.source)
    vendor = None if normaliser is None else VENDORS.get(normaliser.definition.vendor or "")
    if normaliser is None or vendor is None:
        detail = "the source is not configured any more, or not as a vendor's"
        return Retried((), rejected(Reason.UNKNOWN_SOURCE, detail))
    delivery = kept_delivery(one.headers, one.body, one.received_at)
    received = receive(normaliser, vendor, delivery, Arrival.at(one.received_at, now=now))
    observations = tuple(each.observation for each in received.accepted)
    if one.verified.startswith(VERIFIED):
        observations = tuple(as_kept(each, one.headers) for each in observations)
    return Retried(observations, received.refused[0] if received.refused else None)


def _mail_again(one: Rejected, sources: Sources, now: datetime) -> Retried:
    normaliser = sources.get(one.tenant, one.source)
    if normaliser is None:
        return Retried((), rejected(Reason.UNKNOWN_SOURCE, "the source is not configured any more"))
    found = read_again(normaliser, one.body, Arrival.at(one.received_at, now=now))
    if isinstance(found, Normalised):
        return Retried((found.observation,))
    return Retried((), found if isinstance(found, Rejection) else None)


def _received_again(one: Rejected, sources: Sources, now: datetime) -> Observation | Rejection:
    if one.reason == Reason.INVALID_CLOUDEVENT and "ce_type" not in one.headers:
        # Without its envelope the ticket might be readable, but not be the event that was sent.
        return rejected(Reason.INVALID_CLOUDEVENT, one.detail)
    publisher = Publisher(one.tenant, one.source, one.verified)
    reception = Reception(sources, publisher, named=one.source, bytes_max=KEPT_BYTES_MAX)
    outcome: Outcome = reception.receive([_item(one)], Arrival.at(one.received_at, now=now))[0]
    return outcome.observation if isinstance(outcome, Normalised) else outcome.rejection


def _observed(one: Rejected) -> Observation | Rejection:
    """Return what aging refused: it was an observation already, and is sent again as it was."""
    try:
        return _observation.decode(one.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return rejected(Reason.INVALID_FIELD, str(error)[:DETAIL_CHARACTERS_MAX])


def _item(one: Rejected) -> Item:
    headers = one.headers
    event_id = headers.get("ce_id") or headers.get("event_id") or one.id[:TEXT_CHARACTERS_MAX]
    if "ce_type" not in headers:
        return Item(one.body, event_id, content_type=one.content_type or _JSON)
    extensions = {"sequence": headers["ce_sequence"]} if "ce_sequence" in headers else {}
    context = Context(
        event_id,
        headers["ce_type"],
        headers.get("ce_source", ""),
        headers.get("ce_subject"),
        _time_of(headers.get("ce_time")),
        extensions,
    )
    return Item(one.body, event_id, context, content_type=one.content_type or _JSON)


def _time_of(text: str | None) -> datetime | None:
    return None if text is None else _instant.decode(msgspec.json.encode(text))
