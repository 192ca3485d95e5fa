"""What callers may ask: filters, pages, dimensions and instants.

A parameter that is not known is refused, not ignored: a misspelt filter would otherwise show everything
and look like an answer.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated, Final, Literal

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.aging.core.groups import id_of
from services.aging.ports import Cursor, TicketFilter
from shared.contracts.durations import parse_duration
from shared.contracts.instants import EARLIEST, LATEST, SECOND_US, to_us
from shared.contracts.tickets import Status
from shared.http.problems import Fault, Problem

PAGE_TICKETS_MAX: Final = 500
PAGE_TICKETS_DEFAULT: Final = 100
VALUES_MAX: Final = 100
"""Values of one filter; each is a parameter of the statement."""
VALUE_CHARACTERS_MAX: Final = 512
KEY_CHARACTERS_MAX: Final = 1_100
"""A source's name and an external id."""
CURSOR_CHARACTERS_MAX: Final = 8_192
"""A key of the longest kind, in bytes, in base64."""
GROUPS_DEFAULT: Final = 20
GROUPS_SHOWN_MAX: Final = 500
GROUP_PATTERN: Final = r"^[0-9a-f]{16}$"
DURATION_PATTERN: Final = r"^[0-9]{1,9} *[smhd]$"
_OUTCOMES: Final = frozenset({Status.SOLVED, Status.CLOSED, Status.MERGED, Status.VOID})
_INT64: Final = 1 << 63


def _storable(text: str) -> str:
    # Postgres cannot hold it, so no ticket has it; asked for, it would be an error of the database.
    if "\0" in text:
        raise ValueError("a NUL character is in no ticket")
    return text


Value = Annotated[str, Field(max_length=VALUE_CHARACTERS_MAX), AfterValidator(_storable)]
Values = Annotated[list[Value], Field(max_length=VALUES_MAX)]
GroupIds = Annotated[list[Annotated[str, Field(pattern=GROUP_PATTERN)]], Field(max_length=VALUES_MAX)]
# Spelled out, because only one Literal gives callers one fault and one list of what is allowed.
KindAsked = Literal["operational", "task", "project", ""]
PriorityAsked = Literal["p1", "p2", "p3", "p4", ""]
ChannelAsked = Literal["email", "chat", "phone", "web", "messaging", "social", "api", ""]
WaitReasonAsked = Literal["customer", "vendor", "internal", "scheduled", ""]


class Sort(str, Enum):
    """Order of a list. `due` and `worklist` are orders of open tickets."""

    AGE = "age"
    NEWEST = "newest"
    DUE = "due"
    WORKLIST = "worklist"


class GroupBy(str, Enum):
    """What tickets have in common by themselves; columns of a ticket's row."""

    DUPLICATE_GROUP = "duplicate_group"
    JOB = "job"


class Dimension(str, Enum):
    """What figures can be grouped by."""

    SOURCE = "source"
    KIND = "kind"
    QUEUE = "queue"
    PRIORITY = "priority"
    CHANNEL = "channel"
    STATUS = "status"
    WAIT_REASON = "wait_reason"
    SEGMENT = "segment"
    CATEGORY = "category"
    ASSIGNEE = "assignee"


DIMENSIONS: Final = tuple(each.value for each in Dimension)
"""Columns of a ticket's row, and attributes of a ticket."""


class TenantAsked(BaseModel):
    """Whose tickets."""

    model_config = ConfigDict(extra="forbid")

    tenant: Value | None = Field(None, description="The key's own tenant if absent")


class Filters(TenantAsked):
    """Which tickets. Each may be repeated; an empty value means: has none (`assignee=` are the unowned)."""

    source: Values = []
    kind: Annotated[list[KindAsked], Field(max_length=VALUES_MAX)] = []
    queue: Values = []
    priority: Annotated[list[PriorityAsked], Field(max_length=VALUES_MAX)] = []
    channel: Annotated[list[ChannelAsked], Field(max_length=VALUES_MAX)] = []
    status: Annotated[list[Status], Field(max_length=VALUES_MAX)] = []
    wait_reason: Annotated[list[WaitReasonAsked], Field(max_length=VALUES_MAX)] = []
    segment: Values = []
    category: Values = []
    assignee: Values = []

    def dimensions(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return (column, accepted values) of each filter that was given."""
        given = ((each.value, getattr(self, each.value)) for each in Dimension)
        return tuple((name, tuple(map(_plain, values))) for name, values in given if values)


class TicketsAsked(Filters):
    """A page of tickets."""

    open: bool | None = Field(
        None, description="Only open tickets (the default, unless `status` names an outcome), or only others"
    )
    min_age: Annotated[str, Field(pattern=DURATION_PATTERN)] | None = Field(
        None, description="At least so old, as 90s, 10m, 24h or 7d", examples=["72h"]
    )
    duplicate_group: GroupIds = Field(
        [], description="Only tickets that are probably one; see `duplicate_group`"
    )
    job: GroupIds = Field([], description="Only tickets that can be handled together; see `job`")
    count_groups: bool = Field(
        default=False,
        description="Count `duplicates` and `together` of each ticket; with `sort=worklist` they always are",
    )
    sort: Sort = Field(
        Sort.AGE,
        description="`age`: the oldest first; `newest`: the youngest first; `due`: the tightest deadline first, so broken "
        "promises lead; `worklist`: what to work on next first, each with its `place`",
    )
    limit: int = Field(PAGE_TICKETS_DEFAULT, ge=1, le=PAGE_TICKETS_MAX)
    cursor: str | None = Field(None, max_length=CURSOR_CHARACTERS_MAX)

    def wanted(self, tenant: str, now_us: int) -> TicketFilter:
        """Return the filter for the store."""
        open_ = self.open
        if open_ is None and not _OUTCOMES.intersection(self.status):
            open_ = True
        groups = ((by.value, getattr(self, by.value)) for by in GroupBy)
        asked = tuple((name, tuple(map(id_of, ids))) for name, ids in groups if ids)
        if asked and not open_:
            detail = "only open tickets are in groups: leave out open=false and outcomes"
            raise Problem("invalid-request", 422, faults=[Fault(detail, parameter=asked[0][0])])
        seconds = parse_duration(self.min_age) if self.min_age is not None else None
        return TicketFilter(
            tenant,
            open=open_,
            dimensions=self.dimensions(),
            # No ticket is older than 1970, and SQL has 64 bits.
            created_before_us=None if seconds is None else max(-1, now_us - seconds * SECOND_US),
            groups=asked,
        )


class GroupsAsked(Filters):
    """The largest groups of open tickets."""

    by: GroupBy = Field(
        GroupBy.JOB,
        description="`job`: tickets to be handled together; `duplicate_group`: tickets that are probably one",
    )
    min: int = Field(2, ge=2, le=1_000_000, description="At least so many open tickets")
    limit: int = Field(GROUPS_DEFAULT, ge=1, le=GROUPS_SHOWN_MAX)


class BacklogAsked(Filters):
    """The figures of the backlog."""

    by: Annotated[list[Dimension], Field(max_length=len(Dimension))] = Field(
        [], description="Group by these dimensions"
    )
    at: AwareDatetime | None = Field(
        None,
        description="A past instant, RFC 3339 with an offset: the figures that were true then. Default: now",
    )


def past_us(at: datetime | None, now_us: int) -> int | None:
    """Return the past instant asked for, None for now. Raises Problem for one that is no past."""
    if at is None:
        return None
    if not EARLIEST <= at < LATEST:
        raise _no_instant("no instant that a ticket can have")
    at_us = to_us(at)
    if at_us > now_us:
        raise _no_instant("the future is not known: ask for an instant up to now")
    return at_us


def _no_instant(detail: str) -> Problem:
    return Problem("invalid-request", 422, faults=[Fault(detail, parameter="at")])


class _Place(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    newest_first: bool
    value_us: Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
    ticket: str


_encode: Final[Callable[[_Place], bytes]] = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(_Place)


def written(cursor: Cursor, *, newest_first: bool) -> str:
    """Return `cursor` as callers carry it; it means something only in the same order."""
    place = _Place(newest_first, cursor.value_us, cursor.ticket)
    return base64.urlsafe_b64encode(_encode(place)).decode().rstrip("=")


def read_cursor(text: str | None, *, newest_first: bool) -> Cursor | None:
    """Return the cursor a caller gave. Raises Problem if it is none, or of another order."""
    if text is None:
        return None
    try:
        place = _decoder.decode(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
    except ValueError:  # msgspec's errors are some, too
        place = None
    if place is None or "\0" in place.ticket or place.newest_first != newest_first:
        raise no_cursor()
    return Cursor(place.value_us, place.ticket)


def no_cursor() -> Problem:
    """Return the problem of a cursor that is none, or of another order."""
    detail = "this is no cursor of a list in this order; begin again without one"
    return Problem("invalid-request", 422, faults=[Fault(detail, parameter="cursor")])


def _plain(value: str) -> str:
    return value.value if isinstance(value, Enum) else value
