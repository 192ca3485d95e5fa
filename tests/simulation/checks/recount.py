"""Tickets told once more in the plainest way: one pass over what was observed, without a line of the core's fold.

It knows no clocks, ages or facts. It shares with the core only the order of a timeline, which is part of the
contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from services.aging.core.batch import TicketId
from shared.contracts.instants import to_us
from shared.contracts.tickets import OPEN_STATUSES, Activity, Observation, Status
from tests.simulation.checks.truth import Truth

if TYPE_CHECKING:
    from tests.simulation.world import World

_MESSAGES = (Activity.CUSTOMER_MESSAGE, Activity.AGENT_MESSAGE, Activity.INTERNAL_NOTE)
_FIELDS = ("queue", "assignee", "priority", "category", "segment", "channel")


@dataclass(slots=True)
class Plain:
    """A ticket as anybody would tell it."""

    shown: str = Status.NEW.value
    spam: bool = False
    deleted: bool = False
    erased: bool = False
    """It was ever deleted."""
    merged: bool = False
    link: str = ""
    created_us: int = 1 << 62
    fields: dict[str, str] | None = None

    def see(self, one: Observation) -> None:
        """Take one observation."""
        created_at = one.fields.created_at
        self.created_us = min(self.created_us, to_us(one.time))
        if created_at is not UNSET and created_at is not None:
            self.created_us = min(self.created_us, to_us(created_at))
        self.erased |= one.activity is Activity.DELETED
        if self.deleted and one.activity is not Activity.RESTORED:
            return
        self._touch(one.activity)
        if one.fields.status is not UNSET:
            self.shown = (one.fields.status or Status.NEW).value
        for name in _FIELDS:
            value: Any = getattr(one.fields, name)
            if value is not UNSET:
                self.fields = {
                    **(self.fields or {}),
                    name: "" if value is None else getattr(value, "value", value),
                }
        if one.fields.merged_into is not UNSET:
            self.link = one.fields.merged_into or ""
            self.merged = one.fields.merged_into is not None

    def _touch(self, activity: Activity) -> None:
        if activity is Activity.SPAM:
            self.spam = True
        elif activity is Activity.DELETED:
            self.deleted = True
        elif activity is Activity.MERGED:
            self.merged = True
        elif activity is Activity.RESTORED:
            self.spam = self.deleted = self.merged = False
            self.link = ""


def check_recount(world: World, truth: Truth) -> None:
    """Every row says what was last shown; who stays of a ring of merges is the one with the smallest key."""
    plain = {id_: _told(line.observations) for id_, line in truth.timelines.items() if line.observations}
    for id_, ticket in plain.items():
        row = world.aging_database.tickets.get(*id_)
        assert row is not None
        expected: dict[str, object] = {name: (ticket.fields or {}).get(name, "") for name in _FIELDS}
        found: dict[str, object] = {name: getattr(row, name) for name in _FIELDS}
        if ticket.erased:  # by whom it is worked on is told no more, only that somebody does
            expected["assignee"], found["assignee"] = bool(expected["assignee"]), bool(found["assignee"])
        status = _status(id_, ticket, plain)
        if (row.status, row.open, row.created_us) != (
            status,
            status in _OPEN,
            ticket.created_us,
        ) or found != expected:
            world.violation(f"{id_} is {row.status} since {row.created_us} with {found}; it was shown {status}, "
                            f"since {ticket.created_us} with {expected}")  # fmt: skip
    known = {(row.tenant, row.ticket) for row in world.aging_database.tickets.rows()}
    if known != plain.keys():
        world.violation(f"stored and observed are not the same tickets: {sorted(known ^ plain.keys())}")


_OPEN = frozenset(status.value for status in OPEN_STATUSES)


def _told(observations: dict[bytes, Observation]) -> Plain:
    counting, seen = list[Observation](), set()
    for order in sorted(observations):
        one = observations[order]
        if one.dated_by_receipt:
            # Sent again it has another time; the content says that it is the same, and the first one counts.
            if order[-16:] in seen:
                continue
            seen.add(order[-16:])
        counting.append(one)
    ticket = Plain()
    for one in _once(counting):
        ticket.see(one)
    return ticket


def _once(observations: list[Observation]) -> list[Observation]:
    """Return what counts when a list of messages repeats what webhooks told: each message once."""
    messages = [one for one in observations if one.activity in _MESSAGES]
    listed = [one for one in messages if one.pulled]
    free = [one for one in messages if not one.pulled and all(one.id != other.id for other in listed)]
    dropped = []
    for one in listed:
        earlier = listed[: listed.index(one)]
        if any(one.id == other.id for other in (*earlier, *(m for m in messages if not m.pulled))):
            dropped.append(one)
            continue
        alike = [other for other in free if _looks(one) == _looks(other)]
        if alike:
            free.remove(alike[0])
            dropped.append(one)
    return [one for one in observations if not any(one is other for other in dropped)]


def _looks(one: Observation) -> tuple[object, ...]:
    return one.time.replace(microsecond=0), one.activity, one.actor, one.visibility


def _status(id_: TicketId, ticket: Plain, tickets: dict[TicketId, Plain]) -> str:
    if ticket.spam or ticket.deleted:
        return Status.VOID.value
    if ticket.merged and not _stays(id_, tickets):
        return Status.MERGED.value
    return ticket.shown


def _stays(id_: TicketId, tickets: dict[TicketId, Plain]) -> bool:
    """Return whether the ticket is on a ring of merges, and the smallest of it."""
    tenant, key = id_
    ring, here = [key], _link(tickets, tenant, key)
    while here and here not in ring:
        ring.append(here)
        here = _link(tickets, tenant, here)
    return here == key and key == min(ring)


def _link(tickets: dict[TicketId, Plain], tenant: str, key: str) -> str:
    ticket = tickets.get((tenant, key))
    return ticket.link if ticket is not None and ticket.merged else ""
