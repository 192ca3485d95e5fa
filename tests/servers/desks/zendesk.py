"""Zendesk's incremental export of tickets by cursor, and the webhook that tells of one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tests.servers.desks.desk import Answered, Asked, Desk, Ticket, answered, failing, written

USER: Final = "barometer@example.com"
TOKEN: Final = "zd_made_up"
EXCLUDED: Final = timedelta(minutes=1)
REQUESTS_A_MINUTE: Final = 10


class ZendeskDesk(Desk):
    """`GET /api/v2/incremental/tickets/cursor.json`; ten requests a minute."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self._requests: list[datetime] = []
        self.generated: dict[int, datetime] = {}
        """When Zendesk itself touched a ticket last, where that is later than its `updated_at`."""

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        now = self.now()
        basic = base64.b64encode(f"{USER}/token:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return failing(401, body={"error": "Couldn't authenticate you"})(asked)
        if asked.path != "/api/v2/incremental/tickets/cursor.json":
            return failing(404, body={"error": "InvalidEndpoint"})(asked)
        self._requests = [at for at in self._requests if now - at < timedelta(minutes=1)]
        if len(self._requests) >= REQUESTS_A_MINUTE:
            return failing(429, {"retry-after": "23"}, {"error": "APIRateLimitExceeded"})(asked)
        self._requests.append(now)
        after = self._after(asked.query)
        if after is None:
            return failing(422, body={"error": "InvalidPaginationCursor"})(asked)
        behind = sorted(
            (one for one in self.tickets.values() if self._place(one) > after
             and self._place(one)[0] <= (now - EXCLUDED).timestamp()),
            key=self._place,
        )  # fmt: skip
        shown = behind[: self.page_items(asked.query["per_page"])]
        cursor = _cursor(self._place(shown[-1])) if shown else asked.query.get("cursor")
        is_end = len(shown) == len(behind)
        return answered({
            "tickets": [self.ticket(one) for one in shown], "after_cursor": cursor, "end_of_stream": is_end,
        })  # fmt: skip

    def _after(self, query: Mapping[str, str]) -> tuple[int, int] | None:
        if "start_time" in query:
            return int(query["start_time"]), -1
        try:
            at, number = base64.b64decode(query["cursor"]).decode().split("|")
            return int(at), int(number)
        except ValueError:
            return None

    def _place(self, ticket: Ticket) -> tuple[int, int]:
        at = self.generated.get(ticket.number, ticket.updated_at)
        return int(max(at, ticket.updated_at).timestamp()), ticket.number

    def ticket(self, ticket: Ticket) -> dict[str, Any]:
        """Return a ticket as the API shows it."""
        status = "deleted" if ticket.is_deleted else "solved" if ticket.is_closed else "open"
        return {
            "id": ticket.number,
            "subject": ticket.subject,
            "status": status,
            "priority": ticket.label or "normal",
            "type": "incident",
            "requester_id": 7,
            "assignee_id": int(ticket.assignee) if ticket.assignee else None,
            "group_id": 9,
            "tags": ["hw"],
            "via": {"channel": "email"},
            "created_at": written(ticket.created_at),
            "updated_at": written(ticket.updated_at),
            "generated_timestamp": self._place(ticket)[0],
            "url": f"https://acme.zendesk.com/api/v2/tickets/{ticket.number}.json",
        }

    def webhook(self, number: int) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a ticket as it is now."""
        ticket = self.tickets[number]
        shown = self.ticket(ticket)
        detail = {
            name: str(value) if name.endswith("id") and value is not None else value
            for name, value in shown.items()
        }
        detail |= {name: str(shown[name]).upper() for name in ("status", "priority", "type")}
        del detail["generated_timestamp"], detail["url"]
        body = {
            "account_id": 1, "id": f"evt-{number}-{ticket.updated_at.timestamp()}",
            "type": "zen:event-type:ticket.status_changed", "subject": f"zen:ticket:{number}",
            "time": written(ticket.updated_at), "zendesk_event_version": "2022-06-20",
            "event": {"current": "X", "previous": "Y"}, "detail": detail,
        }  # fmt: skip
        return {}, json.dumps(body).encode()


def _cursor(place: tuple[int, int]) -> str:
    return base64.b64encode(f"{place[0]}|{place[1]}".encode()).decode()
