"""ServiceNow records (incidents, cases, tasks): a business rule that sends them.

Source: ServiceNow's documentation of business rules and RESTMessageV2; ServiceNow has no webhook of its own,
so the body is ours (docs/vendors.md) and its fields are the table's columns. The rule sends a secret in a
header of its own (shared_secret.py), or `X-Hub-Signature-256: sha256=<hex>` over the body. Times are UTC
without saying so; an empty text is no value; a column may be an object with `value` and `display_value`.

`operation` is `insert`, `update` or `delete`. A rule on comments sends `element` (`comments`, which the caller
reads, or `work_notes`) and `user`, who wrote it. States are numbers that mean something else in each table:
those of an incident are words as they are, those of another table stand behind its name, `sc_task:2`.
`sys_mod_count` orders the updates of a record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, instant, parse
from services.intake.core.vendors.fields import fields, sequence
from services.intake.core.vendors.members import known
from services.intake.core.vendors.port import (
    Delivery,
    Members,
    Shaken,
    Shown,
    Unreadable,
    Untrusted,
    Vendor,
    Verified,
    Vocabulary,
)
from services.intake.core.vendors.shared_secret import verify_shared
from services.intake.core.vendors.signing import verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason

_INCIDENT: Final = "incident"
_NEW, _WORK = ShownStatus(Status.NEW), ShownStatus(Status.IN_PROGRESS)
_HELD = ShownStatus(Status.WAITING, WaitReason.INTERNAL)
_FOR_CALLER = ShownStatus(Status.WAITING, WaitReason.CUSTOMER)
_SOLVED, _CLOSED = ShownStatus(Status.SOLVED), ShownStatus(Status.CLOSED)
_CASE: Final = {"1": _NEW, "10": _WORK, "18": _FOR_CALLER, "6": _SOLVED, "3": _CLOSED, "7": _CLOSED}
_TASK: Final = {"-5": _HELD, "1": _NEW, "2": _WORK, "3": _CLOSED, "4": _CLOSED, "7": _CLOSED}
_TABLES: Final = {
    "sn_customerservice_case": _CASE,
    **dict.fromkeys(("task", "sc_task", "sc_req_item", "sn_hr_core_case"), _TASK),
}
_HOLD_REASONS: Final = {
    **dict.fromkeys(("1", "awaiting caller"), WaitReason.CUSTOMER),
    **dict.fromkeys(("3", "awaiting problem", "5", "awaiting change"), WaitReason.INTERNAL),
    **dict.fromkeys(("4", "awaiting vendor"), WaitReason.VENDOR),
}
_CHANNELS: Final = {
    "email": Channel.EMAIL,
    **dict.fromkeys(("phone", "walk-in"), Channel.PHONE),
    **dict.fromkeys(("self-service", "web", "portal"), Channel.WEB),
    **dict.fromkeys(("chat", "virtual_agent"), Channel.CHAT),
    **dict.fromkeys(("messaging", "sms"), Channel.MESSAGING),
    **dict.fromkeys(("social", "social media", "community"), Channel.SOCIAL),
    **dict.fromkeys(("event", "integration", "monitoring"), Channel.API),
}
_OPERATIONS: Final = {"insert": Activity.CREATED, "update": Activity.UPDATED, "delete": Activity.DELETED}


class ServiceNow:
    """The adapter; see port.Vendor."""

    name = "servicenow"
    vocabulary = Vocabulary(
        statuses={
            **dict.fromkeys(("1", "new", "open"), _NEW),
            **dict.fromkeys(("2", "in progress", "work in progress", "active"), _WORK),
            **dict.fromkeys(("3", "on hold", "pending"), _HELD),
            **dict.fromkeys(("awaiting user info", "awaiting caller", "awaiting info"), _FOR_CALLER),
            "awaiting vendor": ShownStatus(Status.WAITING, WaitReason.VENDOR),
            **dict.fromkeys(("6", "resolved"), _SOLVED),
            **dict.fromkeys(
                ("7", "closed", "closed complete", "closed incomplete", "closed skipped"), _CLOSED
            ),
            **dict.fromkeys(("8", "canceled", "cancelled"), _CLOSED),
            **{
                f"{table}:{state}": shown
                for table, states in _TABLES.items()
                for state, shown in states.items()
            },
        },
        status_default=_WORK,
        priorities={
            **dict.fromkeys(("1", "1 - critical", "critical"), Priority.P1),
            **dict.fromkeys(("2", "2 - high", "high"), Priority.P2),
            **dict.fromkeys(("3", "3 - moderate", "moderate"), Priority.P3),
            **dict.fromkeys(("4", "4 - low", "low", "5", "5 - planning", "planning"), Priority.P4),
        },
        priority_default=Priority.P3,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check the signature where the rule signs, and the secret in its own header otherwise."""
        shown = delivery.header("x-hub-signature-256")
        if shown:
            return verify_hmac(
                shown, delivery.body, secrets, algorithm="sha256", how=self.name, prefix="sha256="
            )
        return verify_shared(delivery, secrets, how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: ServiceNow has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the record that the rule sends."""
        record = _flat(parse(delivery.body))
        number = record["number"].text()
        if number is None:
            raise Unreadable("the rule must send the record's `number`")
        members = _record(record) | _happened(record)
        members["id"] = number
        return Shown((known(members, cleared=_PATHS),))


_PATHS: Final = {
    "subject": "short_description",
    "priority": "priority",
    "queue": "assignment_group",
    "assignee": "assigned_to",
    "requester": "caller_id",
    "category": "category",
}


def _flat(body: Node) -> Node:
    """Return the record with each column's text instead of an object of it; people read the display value.

    A state, a priority and a time are told by their value: display values follow a person's language and zone.
    """
    record = body["record"] if isinstance(body["record"].value, dict) else body
    if not isinstance(record.value, dict):
        return Node(None)
    shown = {}
    for name, value in record.value.items():
        column = Node(value)
        if column.has("value") or column.has("display_value"):
            order = ("display_value", "value") if name in _SHOWN_TO_PEOPLE else ("value", "display_value")
            value = next((column[one].value for one in order if column.has(one)), None)  # noqa: PLW2901
        shown[name] = value
    return Node(shown)


_SHOWN_TO_PEOPLE: Final = frozenset({"short_description", "assignment_group", "assigned_to", "category"})


def _record(record: Node) -> Members:
    members = fields(record, _PATHS)
    if "requester" not in members:
        members |= fields(record, {"requester": "contact"})
    state, table = record["state"].text(), record["table"].text() or _INCIDENT
    if state is not None:
        is_code = state.removeprefix("-").isdecimal()
        members["status"] = Node(f"{table}:{state}").text() if is_code and table != _INCIDENT else state
    opened_at = _utc(record["opened_at"]) or _utc(record["sys_created_on"])
    return members | {
        "wait_reason": _HOLD_REASONS.get((record["hold_reason"].text() or "").casefold()),
        "channel": _CHANNELS.get((record["contact_type"].text() or "").casefold()),
        "url": record["url"].address(),
        "created_at": opened_at,
    }


def _happened(record: Node) -> Members:
    operation = (record["operation"].text() or "").casefold()
    user, caller = record["user"].text(), record["caller_id"].text() or record["contact"].text()
    is_caller = user is not None and user == caller
    found: Members = {
        "event_id": record["event_id"].text(),
        "time": _utc(record["sys_updated_on"]) or _utc(record["sys_created_on"]),
        "sequence": sequence(record["sys_mod_count"]),
        "activity": _OPERATIONS.get(operation, Activity.UPDATED),
    }
    element = record["element"].text()
    if element == "work_notes":
        return found | {
            "activity": Activity.INTERNAL_NOTE, "actor": Actor.AGENT, "visibility": Visibility.INTERNAL,
        }  # fmt: skip
    if element == "comments" and user is not None:
        activity = Activity.CUSTOMER_MESSAGE if is_caller else Activity.AGENT_MESSAGE
        found |= {"activity": activity, "visibility": Visibility.PUBLIC}
    if user is not None:
        found["actor"] = Actor.CUSTOMER if is_caller else Actor.AGENT
    return found


def _utc(node: Node) -> datetime | None:
    """Return an instant of which ServiceNow does not say that it is UTC."""
    text = node.text()
    return None if text is None else node.instant() or instant(f"{text} UTC")


VENDOR: Final[Vendor] = ServiceNow()
