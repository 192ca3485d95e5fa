"""From what a source showed to an `Observation`, or to a `Rejection` that says what to mend.

The hot path: a batch of 500 tickets passes here within a few milliseconds, so a good ticket costs one
typed decode, a dozen look-ups and one struct, and nothing is explained until something is wrong.

Rules (docs/tickets.md): absent says nothing and `null` clears; raw status and priority travel
beside the canonical ones; a word that no map knows takes the source's default, and without one it is
absent and counted (`Normalised.unmapped`). A time more than FUTURE_TOLERANCE ahead of the receive time
is `future_time`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.channels.derive import has_part, with_part
from services.intake.core.check import check
from services.intake.core.definition import ShownStatus, SourceDefinition, Vocabulary
from services.intake.core.explain import read_bytes, read_members
from services.intake.core.rejection import Fault, Reason, Rejection, rejected, rejected_for
from services.intake.core.ticket import PlainTicket
from shared.contracts.tickets import Activity, Observation, Priority, Status, TicketFields, WaitReason


class Normalised(NamedTuple):
    """An observation, and the members (`status`, `priority`) whose word no map knew."""

    observation: Observation
    unmapped: tuple[str, ...] = ()


_decode: Final = msgspec.json.Decoder(PlainTicket).decode


class Normaliser:
    """Turns the tickets of one source into observations. Pure; one instance serves all requests."""

    def __init__(self, definition: SourceDefinition) -> None:
        self.definition = definition
        self._vocabulary = Vocabulary(definition)
        self._prefix = f"{definition.name}:"
        self._channel = UNSET if definition.channel is None else definition.channel
        self._kind = UNSET if definition.kind is None else definition.kind
        self._protection = definition.protection if definition.protection.is_needed else None

    def json(self, raw: bytes | Raw, defaults: Defaults, arrival: Arrival) -> Normalised | Rejection:
        """Return the observation of one plain JSON ticket."""
        try:
            ticket = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._refused(*read_bytes(bytes(raw), str(error)), defaults, arrival)
        return self.ticket(ticket, defaults, arrival)

    def fields(
        self, members: Mapping[str, Any], defaults: Defaults, arrival: Arrival
    ) -> Normalised | Rejection:
        """Return the observation of members already in memory: a mapped row of a log.

        The members and their rules are those of the plain JSON ticket; times may be aware datetimes. A
        `status` may be a tuple of words, the most telling first: the first that a map knows counts.
        """
        words = members.get("status")
        if isinstance(words, tuple) and words:
            members = {**members, "status": self._known(words), "raw_status": words[0]}
        try:
            ticket = msgspec.convert(members, PlainTicket)
        except msgspec.ValidationError as error:
            partial, faults = read_members(members)
            faults = faults or [Fault(Reason.INVALID_FIELD, "", str(error))]
            return self._refused(partial, faults, defaults, arrival)
        return self.ticket(ticket, defaults, arrival)

    def ticket(self, ticket: PlainTicket, defaults: Defaults, arrival: Arrival) -> Normalised | Rejection:
        """Return the observation of a typed ticket."""
        if has_part(ticket):
            whole = with_part(
                ticket,
                arrival,
                envelope_id=defaults.ticket_id,
                envelope_time=defaults.time,
                key=self.definition.protection.key,
            )
            if isinstance(whole, list):
                return rejected_for(whole)
            ticket = whole
        external = ticket.id if ticket.id is not UNSET else defaults.ticket_id
        time = ticket.time or defaults.time or arrival.received_at
        faults = check(ticket, external, time, arrival)
        if faults:
            return rejected_for(faults)
        key = f"{self._prefix}{external}"
        merged_into = self._survivor(ticket.merged_into)
        if merged_into == key:
            return rejected(Reason.INVALID_FIELD, "a ticket cannot be merged into itself", "/merged_into")
        return self._observed(ticket, defaults, key, merged_into, time, arrival)

    def _known(self, words: tuple[str, ...]) -> str:
        """Return the first of `words` that a map knows, the first of all if none does."""
        return next((word for word in words if self._vocabulary.status(word)), words[0])

    def _refused(
        self, partial: PlainTicket, faults: list[Fault], defaults: Defaults, arrival: Arrival
    ) -> Rejection:
        """Return all faults: those of the shape, then those of the values of what could be read."""
        if faults[0].pointer == "":
            return rejected_for(faults)
        known = {fault.pointer for fault in faults}
        values = self.ticket(partial, defaults, arrival)
        more = values.faults if isinstance(values, Rejection) else ()
        return rejected_for([*faults, *(fault for fault in more if fault.pointer not in known)])

    def _observed(
        self,
        ticket: PlainTicket,
        defaults: Defaults,
        key: str,
        merged_into: str | None | UnsetType,
        time: datetime,
        arrival: Arrival,
    ) -> Normalised:
        status, wait_reason, raw_status, unmapped = self._status(ticket)
        priority, raw_priority, unmapped = self._priority(ticket, unmapped)
        requester, assignee, subject = self._of_people(ticket)
        fields = TicketFields(
            status=status,
            wait_reason=wait_reason,
            raw_status=raw_status,
            priority=priority,
            raw_priority=raw_priority,
            kind=self._kind if ticket.kind is UNSET else ticket.kind,
            channel=self._channel if ticket.channel is UNSET else ticket.channel,
            queue=ticket.queue,
            assignee=assignee,
            segment=ticket.segment,
            category=ticket.category,
            requester=requester,
            subject=subject,
            tags=ticket.tags,
            url=ticket.url,
            created_at=_utc(ticket.created_at) if ticket.created_at else ticket.created_at,
            merged_into=merged_into,
        )
        merged = merged_into is not UNSET and merged_into is not None
        sequence = ticket.sequence if ticket.sequence is not UNSET else None
        observation = Observation(
            tenant=self.definition.tenant,
            source=self.definition.name,
            ticket=key,
            id=ticket.event_id or defaults.event_id,
            time=_utc(time),
            received_at=arrival.received_at,
            activity=ticket.activity or (Activity.MERGED if merged else Activity.UPDATED),
            actor=ticket.actor or None,
            visibility=ticket.visibility or None,
            sequence=sequence if sequence is not None else defaults.sequence,
            dated_by_receipt=_is_dated_by_receipt(ticket, defaults),
            run=defaults.run,
            reason=ticket.reason or None,
            fields=fields,
        )
        return Normalised(observation, unmapped)

    def _of_people(self, ticket: PlainTicket) -> tuple[_Text, _Text, _Text]:
        if self._protection is None:
            return ticket.requester, ticket.assignee, ticket.subject
        return self._protection.shown(
            self.definition.tenant, ticket.requester, ticket.assignee, ticket.subject
        )

    def _status(self, ticket: PlainTicket) -> _Status:
        word = ticket.status
        if word is UNSET:
            return UNSET, ticket.wait_reason, ticket.raw_status, ()
        if word is None:
            return None, None, None if ticket.raw_status is UNSET else ticket.raw_status, ()
        word = str(word)
        raw = word if ticket.raw_status is UNSET else ticket.raw_status
        shown = self._vocabulary.status(word)
        if shown is None and self.definition.status_default is None:
            return UNSET, ticket.wait_reason, raw, ("status",)
        unmapped = () if shown else ("status",)
        shown = shown or self.definition.status_default
        assert shown is not None, "one of the two was there"
        return shown.status, _wait_reason(shown, ticket.wait_reason), raw, unmapped

    def _priority(self, ticket: PlainTicket, unmapped: tuple[str, ...]) -> _Priority:
        word = ticket.priority
        if word is UNSET:
            return UNSET, ticket.raw_priority, unmapped
        if word is None:
            return None, None if ticket.raw_priority is UNSET else ticket.raw_priority, unmapped
        word = str(word)
        raw = word if ticket.raw_priority is UNSET else ticket.raw_priority
        shown = self._vocabulary.priority(word)
        if shown is not None:
            return shown, raw, unmapped
        default = self.definition.priority_default
        return UNSET if default is None else default, raw, (*unmapped, "priority")

    def _survivor(self, shown: str | int | None | UnsetType) -> str | None | UnsetType:
        """Return the key of the surviving ticket: of another source only if it is named as a key."""
        if shown is UNSET or shown is None:
            return shown
        text = str(shown)
        source, colon, _ = text.partition(":")
        if colon and (source == self.definition.name or source in self.definition.siblings):
            return text
        return f"{self._prefix}{text}"


_Text = str | None | UnsetType
_Status = tuple[
    Status | None | UnsetType, WaitReason | None | UnsetType, str | None | UnsetType, tuple[str, ...]
]
_Priority = tuple[Priority | None | UnsetType, str | None | UnsetType, tuple[str, ...]]


def _wait_reason(shown: ShownStatus, said: WaitReason | None | UnsetType) -> WaitReason | None | UnsetType:
    """Return what a ticket shown as `shown` waits for; unsaid it is `internal`, which pauses no clock."""
    if shown.status is not Status.WAITING:
        return UNSET
    return said or shown.wait_reason or WaitReason.INTERNAL


def _is_dated_by_receipt(ticket: PlainTicket, defaults: Defaults) -> bool:
    if ticket.time or defaults.time:
        return False
    return bool(ticket.event_id) or not defaults.is_fresh


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
