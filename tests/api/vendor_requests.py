"""Requests as vendors send them: a body of each that shows a ticket, and its signature.

Written from the vendors' documentation and not from our adapters, so that both must agree. A vendor that
signs nothing sends the secret itself. A vendor that came later says it in its own test (`REQUEST`, see
tests/unit/intake/vendors/own_request.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from services.intake.core.vendors import VENDORS
from tests.unit.intake.vendors.own_request import Headers, Request, Signing

_TESTS: Final = "tests.unit.intake.vendors"


def _own(vendor: str) -> Request | None:
    """Return what the vendor's own test says of its requests."""
    name = f"{_TESTS}.test_{vendor}"
    return None if find_spec(name) is None else getattr(import_module(name), "REQUEST", None)


OWN: Final = {name: own for name in sorted(VENDORS) if (own := _own(name)) is not None}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _zendesk(signing: Signing) -> Headers:
    at = signing.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = _base64(signing.hmac(at.encode() + signing.body))
    return {"x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": at}


def _chatwoot(signing: Signing) -> Headers:
    at = str(round(signing.at.timestamp()))
    signature = f"sha256={signing.hmac(at.encode() + b'.' + signing.body).hex()}"
    return {"x-chatwoot-signature": signature, "x-chatwoot-timestamp": at}


def _front(signing: Signing) -> Headers:
    signature = _base64(signing.hmac(signing.milliseconds.encode() + b":" + signing.body))
    return {"x-front-signature": signature, "x-front-request-timestamp": signing.milliseconds}


def _hubspot(signing: Signing) -> Headers:
    signed = f"POST{signing.url}".encode() + signing.body + signing.milliseconds.encode()
    return {
        "x-hubspot-signature-v3": _base64(signing.hmac(signed)),
        "x-hubspot-request-timestamp": signing.milliseconds,
    }


def _shared_secret(signing: Signing) -> Headers:
    return {"x-barometer-secret": signing.secret}


SIGNERS: Final[Mapping[str, Callable[[Signing], Headers]]] = {
    "asana": lambda one: {"x-hook-signature": one.hmac(one.body).hex()},
    "azuredevops": _shared_secret,
    "chatwoot": _chatwoot,
    "freshdesk": _shared_secret,
    "front": _front,
    "github": lambda one: {
        "x-hub-signature-256": f"sha256={one.hmac(one.body).hex()}", "x-github-event": "issues",
    },
    "gitlab": lambda one: {"x-gitlab-token": one.secret, "x-gitlab-event": "Issue Hook"},
    "help_scout": lambda one: {
        "x-helpscout-signature": _base64(one.hmac(one.body, "sha1")), "x-helpscout-event": "convo.created",
    },
    "hubspot": _hubspot,
    "intercom": lambda one: {"x-hub-signature": f"sha1={one.hmac(one.body, 'sha1').hex()}"},
    "jira": lambda one: {"x-hub-signature": f"sha256={one.hmac(one.body).hex()}"},
    "linear": lambda one: {"linear-signature": one.hmac(one.body).hex(), "linear-event": "Issue"},
    "servicenow": _shared_secret,
    "trello": lambda one: {
        "x-trello-webhook": _base64(one.hmac(one.body + one.url.encode(), "sha1"))
    },
    "zammad": lambda one: {"x-hub-signature": f"sha1={one.hmac(one.body, 'sha1').hex()}"},
    "zendesk": _zendesk,
    **{name: own.headers for name, own in OWN.items()},
}  # fmt: skip
"""The headers that prove a request, by vendor."""

SIGN_NOTHING: Final = frozenset({"azuredevops", "freshdesk", "gitlab", "servicenow"}) | {
    name for name, own in OWN.items() if own.signs_nothing
}
"""They send the secret itself, which says nothing of the body."""
SIGN_A_TIME: Final = frozenset({"chatwoot", "front", "hubspot", "linear", "zendesk"}) | {
    name for name, own in OWN.items() if own.signs_a_time
}

_CREATED: Final = "2026-03-01T08:00:00Z"
_UPDATED: Final = "2026-03-02T09:30:00Z"
_SUBJECT: Final = "Printer on fire"


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


_TICKETS: Final[Mapping[str, Any]] = {
    "asana": {"events": [{
        "action": "changed", "created_at": _UPDATED, "user": {"gid": "7", "resource_type": "user"},
        "resource": {"gid": "42", "resource_type": "task", "resource_subtype": "default_task"}, "parent": None,
        "change": {"field": "assignee", "action": "changed",
                   "new_value": {"gid": "8", "resource_type": "user"}},
    }]},
    "azuredevops": {
        "id": "e1", "eventType": "workitem.updated", "publisherId": "tfs", "createdDate": _UPDATED,
        "resource": {
            "id": 2, "workItemId": 42, "rev": 2, "fields": {"System.State": {"oldValue": "New", "newValue": "Active"}},
            "revision": {"id": 42, "rev": 2, "fields": {
                "System.Title": _SUBJECT, "System.State": "Active", "System.CreatedDate": _CREATED,
                "System.ChangedDate": _UPDATED, "Microsoft.VSTS.Common.Priority": 2, "System.WorkItemType": "Bug",
            }},
        },
    },
    "chatwoot": {
        "event": "conversation_status_changed", "id": 42, "inbox_id": 1, "channel": "Channel::Email",
        "status": "open", "priority": "high", "labels": [], "meta": {"sender": {"id": 7}, "assignee": None},
        "created_at": _seconds(_CREATED), "updated_at": _seconds(_UPDATED) + 0.5,
    },
    "freshdesk": {"freshdesk_webhook": {
        "triggered_event": "{ticket_action:created}", "ticket_id": "42", "ticket_subject": _SUBJECT,
        "ticket_status": "Open", "ticket_priority": "High", "ticket_url": "https://x.freshdesk.example/42",
    }},
    "front": {"type": "assign", "authorization": {"id": "cmp_1"}, "payload": {
        "id": "evt_1", "type": "assign", "emitted_at": _seconds(_UPDATED) + 0.1,
        "conversation": {"id": "cnv_42", "subject": _SUBJECT, "status": "assigned", "assignee": None,
                         "tags": [], "created_at": _seconds(_CREATED)},
    }},
    "github": {
        "action": "opened", "sender": {"login": "a", "type": "User"}, "repository": {"full_name": "x/y"},
        "issue": {"number": 42, "title": _SUBJECT, "state": "open", "user": {"login": "a"}, "assignees": [],
                  "labels": [], "created_at": _CREATED, "updated_at": _UPDATED},
    },
    "gitlab": {
        "object_kind": "issue", "event_type": "issue", "user": {"username": "a"},
        "project": {"id": 5, "path_with_namespace": "x/y"}, "labels": [], "assignees": [],
        "object_attributes": {"id": 1001, "iid": 42, "title": _SUBJECT, "state": "opened", "action": "update",
                              "type": "Issue", "created_at": "2026-03-01 08:00:00 UTC",
                              "updated_at": "2026-03-02 09:30:00 UTC"},
    },
    "help_scout": {
        "id": 900, "number": 42, "subject": _SUBJECT, "status": "active", "state": "published",
        "type": "email", "mailboxId": 1, "assignee": None, "tags": [], "createdAt": _CREATED,
        "userUpdatedAt": _UPDATED, "closedAt": None,
    },
    "hubspot": [{
        "eventId": 1, "subscriptionId": 2, "portalId": 3, "appId": 4, "attemptNumber": 0, "objectId": 42,
        "occurredAt": _seconds(_UPDATED) * 1_000, "subscriptionType": "ticket.propertyChange",
        "propertyName": "hs_pipeline_stage", "propertyValue": "2",
    }],
    "intercom": {
        "type": "notification_event", "id": "notif_1", "topic": "ticket.state.updated", "app_id": "x1",
        "created_at": _seconds(_UPDATED), "data": {"type": "notification_event_data", "item": {
            "type": "ticket", "id": "900", "ticket_id": "42", "ticket_attributes": {"_default_title_": _SUBJECT},
            "ticket_state": {"category": "in_progress"}, "admin_assignee_id": "0", "open": True,
            "created_at": _seconds(_CREATED), "updated_at": _seconds(_UPDATED),
        }},
    },
    "jira": {
        "timestamp": _seconds(_UPDATED) * 1_000, "webhookEvent": "jira:issue_updated",
        "user": {"accountId": "a1"}, "issue": {"id": "10042", "key": "SUP-42", "fields": {
            "summary": _SUBJECT, "status": {"name": "Open", "statusCategory": {"key": "new"}},
            "priority": {"name": "High"}, "assignee": None, "labels": [],
            "created": "2026-03-01T09:00:00.000+0100", "updated": "2026-03-02T10:30:00.000+0100",
        }},
    },
    "linear": {
        "action": "update", "type": "Issue", "createdAt": _UPDATED, "webhookTimestamp": 0, "data": {
            "id": "u1", "identifier": "SUP-42", "number": 42, "title": _SUBJECT, "priority": 2,
            "state": {"name": "Todo", "type": "unstarted"}, "team": {"key": "SUP"}, "labels": [],
            "createdAt": _CREATED, "updatedAt": _UPDATED,
        },
    },
    "servicenow": {
        "event_id": "f1:3", "table": "incident", "operation": "update", "sys_id": "f1", "number": "INC0010042",
        "short_description": _SUBJECT, "state": "2", "priority": "2", "opened_at": "2026-03-01 08:00:00",
        "sys_created_on": "2026-03-01 08:00:00", "sys_updated_on": "2026-03-02 09:30:00", "sys_mod_count": "3",
    },
    "trello": {
        "action": {"id": "a1", "type": "updateCard", "date": _UPDATED, "memberCreator": {"username": "a"},
                   "data": {"board": {"id": "b1", "name": "Support"},
                            "card": {"id": "69a3f180aaaaaaaaaaaaaaaa", "idShort": 42, "shortLink": "Ab12",
                                     "name": _SUBJECT},
                            "listBefore": {"id": "l1", "name": "New"}, "listAfter": {"id": "l2", "name": "Doing"}}},
        "model": {"id": "b1", "name": "Support"},
    },
    "zammad": {
        "ticket": {"id": 42, "number": "10042", "title": _SUBJECT, "state": "open",
                   "priority": {"id": 2, "name": "2 normal"}, "group": {"id": 1, "name": "Users"},
                   "created_at": _CREATED, "updated_at": _UPDATED, "tags": []},
        "article": {"id": 9, "internal": False, "sender": "Customer", "type": "email", "created_at": _UPDATED},
    },
    "zendesk": {
        "account_id": 1, "id": "evt-1", "type": "zen:event-type:ticket.status_changed", "time": _UPDATED,
        "subject": "zen:ticket:42", "event": {"current": "OPEN", "previous": "NEW"},
        "detail": {"id": "42", "subject": _SUBJECT, "status": "OPEN", "priority": "HIGH", "tags": [],
                   "created_at": _CREATED, "updated_at": _UPDATED, "via": {"channel": "email"}},
    },
    **{name: own.ticket for name, own in OWN.items()},
}  # fmt: skip


def ticket_body(vendor: str, at: datetime) -> bytes:
    """Return a body that shows a ticket, sent at `at`."""
    return at_time(vendor, _TICKETS[vendor], at)


def at_time(vendor: str, content: Any, at: datetime) -> bytes:
    """Return `content` as a body; Linear alone writes the time it was sent into it."""
    if vendor == "linear" and isinstance(content, dict):
        content = {**content, "webhookTimestamp": round(at.timestamp() * 1_000)}
    return json.dumps(content).encode()
