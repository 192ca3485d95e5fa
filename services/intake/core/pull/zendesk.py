"""Zendesk tickets that changed: the incremental export by cursor, `/api/v2/incremental/tickets/cursor.json`.

Source: developer.zendesk.com, incremental exports. The first request has a start time, each further one the
cursor of the last page, which stays good; `end_of_stream` says that there is no more for now, and the next
request begins with that page's `after_cursor`. The order is that of `generated_timestamp`, which also moves
when Zendesk itself changes a ticket. Ten requests a minute are allowed. Changes of the last minute are not
shown yet. Deleted tickets are shown, with the status `deleted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.intake.core.pull.port import (
    Answer,
    Item,
    Listing,
    Page,
    Request,
    encoded,
    instant_of,
    list_of,
    object_of,
)
from services.intake.core.vendors.body import Node
from services.intake.core.vendors.port import Unreadable
from shared.contracts.event_id import derived_id

PAGE_ITEMS: Final = 200
"""Of 1,000 allowed: a ticket with its description and custom fields has some 10 KiB, and a page is held whole."""
PAUSE_SECONDS: Final = 6
_PATH: Final = "api/v2/incremental/tickets/cursor.json"
_DELETED: Final = "deleted"
_EVENT: Final = "zen:event-type:ticket."


class ZendeskTickets:
    """The tickets of one account; see port.Listing."""

    name = "tickets"
    resolution = timedelta(seconds=1)
    pages_last = True
    pause_seconds = PAUSE_SECONDS
    page_items = PAGE_ITEMS

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
