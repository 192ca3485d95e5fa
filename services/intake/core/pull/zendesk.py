"""Zendesk tickets that changed, and what was said in them.

Source: developer.zendesk.com, incremental exports (by cursor, `/api/v2/incremental/tickets/cursor.json`); ticket
comments (`/api/v2/tickets/{id}/comments.json`). The first request has a start time, each further one the
cursor of the last page, which stays good; `end_of_stream` says that there is no more for now, and the next
request begins with that page's `after_cursor`. The order is that of `generated_timestamp`, which also moves
when Zendesk itself changes a ticket. Ten requests a minute are allowed. Changes of the last minute are not
shown yet. Deleted tickets are shown, with the status `deleted`.

The export of ticket events has comments as well, but not what their authors are: an id alone is no role, and a
look-up for each person would be one more list of people. A ticket's own comments come with the roles of those who
wrote them (`include=users`), so each ticket that changed is asked. The first comment is the ticket's description:
that a ticket was opened, its state tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.intake.core.pull.port import (
    Answer,
    Conversations,
    Item,
    Listing,
    Page,
    Request,
    encoded,
    instant_of,
    list_of,
    object_of,
)
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.port import Unreadable
from shared.contracts.event_id import derived_id

PAGE_ITEMS: Final = 200
"""Of 1,000 allowed: a ticket with its description and custom fields has some 10 KiB, and a page is held whole."""
PAUSE_SECONDS: Final = 6
_PATH: Final = "api/v2/incremental/tickets/cursor.json"
_DELETED: Final = "deleted"
_EVENT: Final = "zen:event-type:ticket."
_DELETED_EVENT: Final = _EVENT + "soft_deleted"
_END_USER: Final = "end-user"
_OPENING: Final = timedelta(seconds=2)
"""The description is written when the ticket is, give or take a second."""
COMMENTS: Final = 100
"""On a page: the most that is allowed."""


class ZendeskComments:
    """The comments of one ticket; see port.Conversations."""

    pause_seconds = 0.5
    """Of 200 requests a minute that the smallest plan allows, some are left for others."""

    def request(self, ticket: Item, page: str | None) -> Request | None:
        """See port.Conversations."""
        if parse(ticket.body)["type"].text() == _DELETED_EVENT:
            return None
        query = [("include", "users"), ("sort", "-created_at"), ("page[size]", str(COMMENTS))]
        if page is not None:
            query.append(("page[after]", page))
        return Request(f"api/v2/tickets/{ticket.key}/comments.json", tuple(query))

    def read(self, ticket: Item, answer: Answer) -> Page:
        """See port.Conversations."""
        body = object_of(answer)
        roles = {user["id"].text(): user["role"].text() for user in body["users"].items()}
        created_at = parse(ticket.body)["detail"]["created_at"].instant()
        comments = map(Node, list_of(body["comments"], "comments"))
        items = [_comment(ticket.key, comment, roles, created_at) for comment in comments]
        more = body["meta"]["has_more"].flag()
        return Page(items, body["meta"]["after_cursor"].text() if more else None)


def _comment(
    ticket: str, comment: Node, roles: Mapping[str | None, str | None], opened_at: datetime | None
) -> Item:
    number = comment["id"].text()
    if number is None:
        raise Unreadable(f"a comment of ticket {ticket} has no id")
    key = f"{ticket} comment {number}"
    at = instant_of(comment["created_at"], key)
    author = comment["author_id"].text()
    role = roles.get(author)
    told = {
        "id": number,
        "is_public": comment["public"].value,
        "author": {"id": author, "is_staff": None if role is None else role != _END_USER},
    }
    body = {
        "type": _EVENT + "comment_added", "time": comment["created_at"].value, "event": {"comment": told},
        "detail": {"id": ticket},
    }  # fmt: skip
    is_opening = opened_at is not None and at - opened_at <= _OPENING
    return Item(key, at, {}, encoded(body), None, is_ticket=not is_opening, written_at=at)


class ZendeskTickets:
    """The tickets of one account; see port.Listing."""

    resolution = timedelta(seconds=1)
    pages_last = True
    pause_seconds = PAUSE_SECONDS
    page_items = PAGE_ITEMS

    def __init__(self, conversations: Conversations | None = None) -> None:
        """With `conversations` what is wanted is what was said in the tickets."""
        self.name = "tickets" if conversations is None else "comments"
        self.conversations = conversations

    def preparation(self) -> Request | None:
        """Return None: nothing is to be known before."""
        return None

    def prepared(self, answer: Answer) -> Listing:
        """Return this list."""
        del answer
        return self

    def request(self, since: datetime, page: str | None) -> Request:
        """See port.Listing."""
        begin = ("start_time", str(int(since.timestamp()))) if page is None else ("cursor", page)
        return Request(_PATH, (begin, ("per_page", str(PAGE_ITEMS))))

    def read(self, answer: Answer) -> Page:
        """See port.Listing."""
        body = object_of(answer)
        items = [_item(Node(ticket)) for ticket in list_of(body["tickets"], "tickets")]
        cursor = body["after_cursor"].value
        if body["end_of_stream"].value is not True and not isinstance(cursor, str):
            raise Unreadable("the answer is not the last page and has no cursor for the next one")
        is_last = body["end_of_stream"].value is True
        return Page(items, cursor if isinstance(cursor, str) and cursor else None, is_last=is_last)


def _item(ticket: Node) -> Item:
    key = ticket["id"].text()
    if key is None:
        raise Unreadable("a ticket of the list has no id")
    updated_at = instant_of(ticket["updated_at"], f"ticket {key}")
    generated = ticket["generated_timestamp"].integer()
    generated_at = updated_at if generated is None else datetime.fromtimestamp(generated, UTC)
    # Two states of one `updated_at` differ in what Zendesk itself did: the later one counts.
    sequence = int(generated_at.timestamp())
    event_id = derived_id("pull", "zendesk", key, updated_at.isoformat(), str(sequence))
    return Item(key, generated_at, {}, encoded(_as_event(ticket, event_id)), sequence)


def _as_event(ticket: Node, event_id: str) -> Mapping[str, Any]:
    detail = dict(ticket.value)
    is_deleted = (ticket["status"].text() or "").casefold() == _DELETED
    if is_deleted:
        del detail["status"]  # it says what happened to the ticket, not how it stands
    for name in ("status", "priority"):  # events write them in upper case, and a raw word is kept as it came
        if isinstance(word := detail.get(name), str):
            detail[name] = word.upper()
    what = "soft_deleted" if is_deleted else "updated"
    return {"type": _EVENT + what, "id": event_id, "time": ticket["updated_at"].value, "detail": detail}
