"""What today's maps make of the newest words of a ticket, where that differs from what it shows.

Only a word that the source's own maps know is read again. Where they do not, the value may have come from
something coarser that the source said beside it (Jira's status category, Intercom's state), which is not kept;
and a canonical word beside a raw one was chosen by the sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import UNSET

from services.aging.core.mark import Mark, order_of
from services.aging.core.ticket import Ticket
from services.intake.core.definition import SourceDefinition, Vocabulary
from shared.contracts.event_id import derived_id
from shared.contracts.instants import from_us
from shared.contracts.tickets import Actor, Observation, Status, TicketFields, Visibility, WaitReason

REASON: Final = "remap"


class Remapped(NamedTuple):
    """A value that differs: what is published of it, and what people are told."""

    observation: Observation
    told: str


class Remapper:
    """The maps of one source, as they are now."""

    def __init__(self, definition: SourceDefinition, now: datetime) -> None:
        self._definition = definition
        self._vocabulary = Vocabulary(definition)
        self._statuses = frozenset(map(_folded, definition.statuses))
        self._priorities = frozenset(map(_folded, definition.priorities))
        self._now = now

    def changes(self, key: str, ticket: Ticket, marks: Sequence[Mark]) -> list[Remapped]:
        """Return what to publish of the ticket `key`, whose whole timeline is `marks`, in order."""
        if ticket.deleted:
            return []
        return [*self._status(key, ticket, marks), *self._priority(key, ticket, marks)]

    def _status(self, key: str, ticket: Ticket, marks: Sequence[Mark]) -> Iterator[Remapped]:
        mark = self._newest(marks, _shows_status)
        word = mark.fields.raw_status if mark else None
        shown = self._vocabulary.status(word) if word and _folded(word) in self._statuses else None
        if mark is None or shown is None:
            return
        reason = shown.wait_reason
        same_wait = shown.status is not Status.WAITING or reason is None or reason.value == ticket.wait_reason
        if shown.status.value == ticket.shown and same_wait:
            return
        wait = (reason or WaitReason.INTERNAL) if shown.status is Status.WAITING else UNSET
        fields = TicketFields(status=shown.status, wait_reason=wait, raw_status=word)
        meant = shown.status.value if wait is UNSET else f"{shown.status.value}/{wait.value}"
        was = f"{ticket.shown}/{ticket.wait_reason}" if ticket.wait_reason else ticket.shown
        yield self._said(key, mark, fields, f"status `{word}` is {meant}, was {was}")

    def _priority(self, key: str, ticket: Ticket, marks: Sequence[Mark]) -> Iterator[Remapped]:
        mark = self._newest(marks, _shows_priority)
        word = mark.fields.raw_priority if mark else None
        shown = self._vocabulary.priority(word) if word and _folded(word) in self._priorities else None
        if mark is None or shown is None or shown.value == ticket.priority:
            return
        fields = TicketFields(priority=shown, raw_priority=word)
        was = ticket.priority or "none"
        yield self._said(key, mark, fields, f"priority `{word}` is {shown.value}, was {was}")

    def _newest(self, marks: Sequence[Mark], shows: Callable[[Mark], bool]) -> Mark | None:
        """Return the newest mark that shows it, if it is this source's."""
        newest = next((mark for mark in reversed(marks) if shows(mark)), None)
        return newest if newest and newest.source == self._definition.name else None

    def _said(self, key: str, mark: Mark, fields: TicketFields, told: str) -> Remapped:
        meaning = f"{fields.status or ''}/{fields.wait_reason or ''}/{fields.priority or ''}"
        observation = Observation(
            tenant=self._definition.tenant,
            source=self._definition.name,
            ticket=key,
            id=f"remap-{derived_id(key, order_of(mark).hex(), meaning)}",
            # Since the source showed the word, right behind the mark that did.
            time=from_us(mark.time_us + 1),
            received_at=self._now,
            actor=Actor.SYSTEM,
            visibility=Visibility.INTERNAL,
            reason=REASON,
            fields=fields,
        )
        return Remapped(observation, f"{key}: {told}")


def _folded(word: str) -> str:
    return word.strip().casefold()


def _shows_status(mark: Mark) -> bool:
    return mark.fields.status is not UNSET or mark.fields.raw_status is not UNSET


def _shows_priority(mark: Mark) -> bool:
    return mark.fields.priority is not UNSET or mark.fields.raw_priority is not UNSET
