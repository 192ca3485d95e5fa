"""What all desks share: tickets that change, a clock of their own, and faults that come when they are told to."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, NamedTuple

EPOCH: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class Asked(NamedTuple):
    """A request: the path decoded no further than it came, the parameters, headers in lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class Answered(NamedTuple):
    """An answer. `cut`: the connection ends in the middle of the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False


@dataclass(frozen=True)
class Ticket:
    """A ticket as any desk has it."""

    number: int
    updated_at: datetime
    created_at: datetime = EPOCH - timedelta(days=1)
    subject: str = "Printer on fire"
    is_closed: bool = False
    assignee: str | None = None
    label: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True)
class Comment:
    """A message as any desk has it."""

    number: int
    ticket: int
    written_at: datetime
    updated_at: datetime
    is_agent: bool = True
    is_bot: bool = False
    is_internal: bool = False


Fault = Callable[[Asked], Answered]


def failing(status: int, headers: Mapping[str, str] | None = None, body: object = "no") -> Fault:
    """Return a fault that answers `status`."""
    return lambda _: Answered(status, dict(headers or {}), json.dumps(body).encode())


class Desk:
    """A desk. Subclasses answer; `faults` are answered first, one each; `meanwhile` runs before each answer."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.tickets: dict[int, Ticket] = {}
        self.comments: dict[int, Comment] = {}
        self.faults: deque[Fault] = deque()
        self.meanwhile: Iterator[object] = iter(())
        self.asked: list[Asked] = []
        self.page_items_max: int | None = None
        """Fewer than asked for, as vendors may."""

    def put(self, ticket: Ticket) -> None:
        """Let a ticket be as given."""
        self.tickets[ticket.number] = ticket

    def change(self, number: int, updated_at: datetime, **fields: Any) -> None:
        """Change a ticket at `updated_at`."""
        self.tickets[number] = replace(self.tickets[number], updated_at=updated_at, **fields)

    def say(self, number: int, ticket: int, at: datetime, **how: bool) -> None:
        """Let a comment be written, which changes its ticket."""
        self.comments[number] = Comment(number, ticket, at, at, **how)
        if ticket in self.tickets:
            self.change(ticket, at)

    def edit(self, number: int, at: datetime) -> None:
        """Let a comment be edited."""
        self.comments[number] = replace(self.comments[number], updated_at=at)

    def answer(self, asked: Asked) -> Answered:
        """Return the answer to one request, or the next fault."""
        self.asked.append(asked)
        found = self._list(asked) if self.is_list(asked) else self.respond(asked)
        return found._replace(headers={"date": format_datetime(self.now(), usegmt=True), **found.headers})

    def _list(self, asked: Asked) -> Answered:
        next(self.meanwhile, None)
        return (self.faults.popleft() if self.faults else self.respond)(asked)

    def is_list(self, asked: Asked) -> bool:
        """Return whether the list of what changed is asked for; faults and changes are about that."""
        del asked
        return True

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        raise NotImplementedError

    def cut(self, asked: Asked) -> Answered:
        """Answer, and lose the connection in the middle of it: a fault."""
        return self.respond(asked)._replace(cut=True)

    def page_items(self, asked_for: str) -> int:
        """Return how many items a page has."""
        return min(int(asked_for), self.page_items_max or int(asked_for))

    def by_change(self) -> list[Ticket]:
        """Return all tickets, the one that changed first first."""
        return sorted(self.tickets.values(), key=lambda ticket: (ticket.updated_at, ticket.number))

    def said_in(self, ticket: int) -> list[Comment]:
        """Return the comments on a ticket, newest first."""
        found = [one for one in self.comments.values() if one.ticket == ticket]
        return sorted(found, key=lambda one: (one.written_at, one.number), reverse=True)

    def said(self) -> list[Comment]:
        """Return all comments, the one that changed first first."""
        return sorted(self.comments.values(), key=lambda comment: (comment.updated_at, comment.number))


def answered(value: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Answered:
    """Return an answer with a JSON body."""
    return Answered(
        status, {"content-type": "application/json", **(headers or {})}, json.dumps(value).encode()
    )


def written(instant: datetime, timespec: str = "seconds") -> str:
    """Return an instant as most vendors write it."""
    return instant.isoformat(timespec=timespec).replace("+00:00", "Z")
