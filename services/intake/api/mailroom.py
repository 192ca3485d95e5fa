"""Where every mail comes through, by whatever way: sorted out, put into its thread, put on the bus.

The thread is remembered before the bus has the mail. If the bus refuses, the mail is sent again and finds its
ticket; the other way round, two answers that come at once could open two tickets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.intake.api.appending import Appending
from services.intake.core.arrival import Arrival
from services.intake.core.mail.message import Envelope
from services.intake.core.mail.reading import MEDIA_TYPE, Ignored, Letter, observed, sorted_out
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.reception import Item, Refused
from services.intake.core.rejected import STAGE_INTAKE, Kept, keep
from services.intake.core.rejection import Rejection
from services.intake.core.vendors.port import Delivery
from services.intake.core.webhook import failed
from services.intake.ports import Counters, Outcome, PostedMail, Threads
from shared.bus.port import RecordTooLarge
from shared.clock import Clock
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import from_us, to_us
from shared.contracts.tickets import TEXT_CHARACTERS_MAX
from shared.http.problems import unavailable
from shared.runtime.attempt import attempt
from shared.sql.port import StoreUnavailable

_NO_STORE: Final = (
    "mails are not taken: intake has no database for their threads; set BAROMETER_DATABASE and send again"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What taking mails works with. `threads` None: intake has no database."""

    threads: Threads | None
    clock: Clock
    counters: Counters
    fresh_id: Callable[[], str]
    appending: Appending
    retry_after_seconds: int


class Mailroom:
    """`ports.Mailroom`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def take(
        self, normaliser: Normaliser, raw: bytes, *, verified: str, envelope: Envelope | None = None,
        received_at: datetime | None = None,
    ) -> PostedMail:  # fmt: skip
        """See `ports.Mailroom.take`."""
        arrival = Arrival.at(received_at or from_us(self._parts.clock.now_us()))
        found = attempt(lambda: sorted_out(normaliser, raw, envelope), failed)
        if isinstance(found, Ignored):
            self._parts.counters.count(Outcome.IGNORED)
            self._parts.counters.count_ignored(normaliser.definition.name, found.reason)
            return PostedMail(ignored=found.reason)
        outcome: Normalised | Rejection
        outcome = await self._observed(normaliser, found, arrival) if isinstance(found, Letter) else found
        if isinstance(outcome, Rejection):
            item = Item(raw, self._parts.fresh_id(), content_type=MEDIA_TYPE)
            return await self._kept(normaliser, item, outcome, verified, arrival)
        await self._parts.appending.durable([to_outgoing(outcome.observation)])
        self._parts.counters.count(Outcome.ACCEPTED)
        attachments = found.mail.structure.attachments if isinstance(found, Letter) else 0
        return PostedMail(accepted=outcome.observation, attachments=attachments)

    async def refuse(
        self, normaliser: Normaliser, delivery: Delivery, why: Rejection, *, verified: str
    ) -> PostedMail:
        """See `ports.Mailroom.refuse`."""
        kind = delivery.header("content-type")[:TEXT_CHARACTERS_MAX] or "application/octet-stream"
        item = Item(delivery.body, self._parts.fresh_id(), content_type=kind)
        return await self._kept(normaliser, item, why, verified, Arrival.at(delivery.received_at))

    async def _observed(
        self, normaliser: Normaliser, letter: Letter, arrival: Arrival
    ) -> Normalised | Rejection:
        definition, threads = normaliser.definition, self._parts.threads
        if threads is None:
            raise unavailable(_NO_STORE, retry_after_s=self._parts.retry_after_seconds)
        try:
            ticket = await threads.join(
                definition.tenant, definition.name, letter.thread, at_us=to_us(arrival.received_at)
            )
        except StoreUnavailable:
            wait = self._parts.retry_after_seconds
            raise unavailable("the store of threads is away; send again", retry_after_s=wait) from None
        return attempt(lambda: observed(normaliser, letter, ticket, arrival), failed)

    async def _kept(
        self, normaliser: Normaliser, item: Item, rejection: Rejection, verified: str, arrival: Arrival
    ) -> PostedMail:
        """Keep what cannot be used whole, if the bus takes so large a record."""
        definition, id_ = normaliser.definition, item.event_id
        refused = Refused(rejection, item, normaliser)
        kept = Kept(STAGE_INTAKE, verified, arrival.received_at, arrival.received_at)
        record = keep(refused, kept, id=id_, tenant=definition.tenant, source=definition.name)
        try:
            await self._parts.appending.durable([] if record is None else [to_outgoing(record)])
        except RecordTooLarge:
            record = None
        self._parts.counters.count(Outcome.REJECTED)
        self._parts.counters.count_rejected(rejection.reason)
        return PostedMail(rejection=rejection, rejected_id=None if record is None else id_)
