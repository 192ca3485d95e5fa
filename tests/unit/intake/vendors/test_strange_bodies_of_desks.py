"""Whatever a verified body is, reading it shows tickets, shows nothing, or says why it cannot be read.

The bodies are mutated where they lie deep: members are taken out, made null, of another type, huge, nested and
of odd Unicode; or the bytes themselves are cut and changed.
"""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Rejection
from services.intake.core.vendors.freshdesk import Freshdesk
from services.intake.core.vendors.front import Front
from services.intake.core.vendors.help_scout import HelpScout
from services.intake.core.vendors.intercom import Intercom
from services.intake.core.vendors.jira import Jira
from services.intake.core.vendors.port import Shown, Unreadable, Untrusted, Vendor
from services.intake.core.vendors.servicenow import ServiceNow
from services.intake.core.vendors.zammad import Zammad
from services.intake.core.vendors.zendesk import Zendesk
from tests.unit.intake.vendors.requests_of_desks import delivery

pytestmark = pytest.mark.slow

PERSON = {
    "id": "1",
    "accountId": "a1",
    "email": "a@example.com",
    "login": "a",
    "roles": ["Agent"],
    "is_staff": True,
}


class Sample(NamedTuple):
    vendor: Vendor
    body: dict[str, Any]
    headers: dict[str, str]


SAMPLES: Final = (
    Sample(Zendesk(), {
        "id": "e", "type": "zen:event-type:ticket.comment_added", "subject": "zen:ticket:42", "time": "2026-01-02T03:04:05Z",
        "event": {"comment": {"author": PERSON, "is_public": True}, "target_ticket_id": "43"},
        "detail": {"id": "42", "status": "OPEN", "priority": "HIGH", "subject": "x", "tags": ["a"], "type": "INCIDENT",
                   "via": {"channel": "email"}, "actor_id": "1", "assignee_id": "1", "requester_id": "2",
                   "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "is_public": True},
    }, {}),
    Sample(Zendesk(), {
        "ticket": {"id": "42", "title": "x", "status": "Open", "tags": "a b", "via": "Web", "link": "https://x.example/42",
                   "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"},
    }, {"x-zendesk-webhook-invocation-id": "i"}),
    Sample(Freshdesk(), {
        "freshdesk_webhook": {"triggered_event": "{status:{from:2,to:4}}", "ticket_id": "11", "ticket_status": "Open",
                              "ticket_url": "https://x.example/11", "ticket_priority": "High", "ticket_tags": "a, b",
                              "ticket_subject": "x", "requester_email": "a@example.com", "ticket_agent_name": "B",
                              "ticket_updated_at": "2026-01-02T03:04:05Z", "ticket_source": "Email"},
    }, {}),
    Sample(Jira(), {
        "timestamp": 1767323045000, "webhookEvent": "comment_created", "user": PERSON, "issue_event_type_name": "x",
        "comment": {"author": PERSON, "body": "x", "created": "2026-01-02T03:04:05.000+0000", "jsdPublic": True,
                    "visibility": None},
        "issue": {"key": "SUP-42", "self": "https://x.example/rest/api/2/issue/1", "fields": {
            "summary": "x", "status": {"name": "To Do", "statusCategory": {"key": "new"}}, "priority": {"name": "High"},
            "assignee": PERSON, "reporter": PERSON, "labels": ["a"], "issuetype": {"name": "Bug"},
            "project": {"key": "SUP"}, "created": "2026-01-01T00:00:00.000+0100", "updated": "2026-01-01T00:00:00.000+0100",
        }},
        "changelog": {"id": "900", "items": [{"field": "Key", "fromString": "OLD-1", "toString": "SUP-42"}]},
    }, {"x-atlassian-webhook-identifier": "w"}),
    Sample(ServiceNow(), {
        "event_id": "f1:3", "table": "incident", "operation": "update", "number": "INC1", "short_description": "x",
        "state": "3", "hold_reason": "1", "priority": {"value": "2", "display_value": "2 - High"}, "caller_id": "u1",
        "assigned_to": "u2", "contact_type": "email", "opened_at": "2026-01-01 00:00:00", "user": "u1",
        "element": "comments", "sys_updated_on": "2026-01-02 03:04:05", "sys_mod_count": "3", "url": "https://x.example",
    }, {}),
    Sample(Zammad(), {
        "ticket": {"number": "10042", "title": "x", "state": "open", "article_count": 2, "priority": {"name": "2 normal"},
                   "group": {"name": "Users"}, "owner": PERSON, "customer": PERSON, "updated_by": PERSON, "tags": ["a"],
                   "create_article_type": "email", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z"},
        "article": {"id": 9, "internal": False, "sender": "Customer", "created_at": "2026-01-02T00:00:00Z"},
    }, {"x-zammad-delivery": "d"}),
    Sample(HelpScout(), {
        "id": 900, "number": 42, "subject": "x", "status": "active", "type": "email", "mailboxId": 1, "assignee": PERSON,
        "primaryCustomer": PERSON, "tags": [{"tag": "a"}], "createdAt": "2026-01-01T00:00:00Z", "closedAt": None,
        "userUpdatedAt": "2026-01-02T00:00:00Z", "_links": {"web": {"href": "https://x.example"}},
        "_embedded": {"threads": [{"type": "customer", "createdAt": "2026-01-02T00:00:00Z"}]},
    }, {"x-helpscout-event": "convo.customer.reply.created"}),
    Sample(Front(), {
        "type": "conversations_merged", "payload": {
            "id": "evt_1", "type": "conversations_merged", "emitted_at": 1767323045.12,
            "source": {"_meta": {"type": "inboxes"}, "data": [{"name": "Support"}]}, "target": {"data": ["cnv_1", {"id": "cnv_2"}]},
            "conversation": {"id": "cnv_42", "subject": "x", "status": "assigned", "status_category": "open",
                             "assignee": PERSON, "recipient": {"handle": "a"}, "tags": [{"name": "a"}], "created_at": 1767225600.0},
        },
    }, {}),
    Sample(Front(), {
        "id": "evt_1", "type": "assign", "emitted_at": 1767323045.12, "target": {"data": PERSON},
        "source": {"_meta": {"type": "teammate"}}, "conversation": {"id": "cnv_42"},
    }, {"x-front-challenge": "c"}),
    Sample(Intercom(), {
        "id": "n", "topic": "ticket.note.created", "created_at": 1767323046, "data": {"item": {
            "type": "ticket", "id": "900", "ticket_id": "42", "ticket_attributes": {"_default_title_": "x"},
            "ticket_state": {"category": "submitted", "internal_label": "New"}, "ticket_type": {"name": "x"},
            "contacts": {"contacts": [PERSON]}, "admin_assignee_id": "8", "team_assignee_id": "3", "open": True,
            "channel": "messenger", "created_at": 1767225600, "updated_at": 1767323045,
            "ticket_parts": {"ticket_parts": [{"body": "x", "author": {"type": "bot"}, "created_at": 1767323045}]},
        }},
    }, {}),
    Sample(Intercom(), {
        "id": "n", "topic": "conversation.admin.replied", "created_at": 1767323046, "data": {"item": {
            "type": "conversation", "id": "900", "state": "open", "open": True, "priority": "priority", "user": PERSON,
            "assignee": {"type": "admin", "id": "1"}, "tags": {"tags": [{"name": "a"}]}, "source": {"type": "email", "subject": "x"},
            "conversation_parts": {"conversation_parts": [{"body": "x", "author": {"type": "admin"}, "created_at": 1767323045}]},
            "links": {"conversation_web": "https://x.example"}, "created_at": 1767225600, "updated_at": 1767323045,
        }},
    }, {}),
)  # fmt: skip

DEEP: Final = json.loads("[" * 400 + "]" * 400)
STRANGE: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 2**63, 10**25, -(10**30), 0.5, -1e300, "", " ", "\x00\x1b[31m", "\ud800", "a\u2028b",
    "\u202eright to left", "👩‍👩‍👧", "ﷺ" * 400, "x" * 100_000, "9" * 5_000, "-" * 30, "٣٤", "1e999", "2026-13-45", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", 253402300800, -62135596801, "javascript:alert(1)", "https://" + "x" * 5_000,
    [], {}, [None], [[]], [{}], {"id": None}, {"name": []}, {"": ""}, {"value": {"value": {}}}, DEEP, ["x"] * 1_000,
    [{"id": {"id": 1}}], "{status:{from:2,to:" * 100,
)  # fmt: skip
ABSENT: Final = object()
TEXTS: Final = st.text(st.characters(), max_size=20)
VALUES: Final = st.sampled_from(STRANGE) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each member and item below `node`."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for name, below in items for place in [(*path, name), *places(below, (*path, name))]]


PLACES: Final = tuple(tuple(places(sample.body)) for sample in SAMPLES)


def put(body: Any, place: tuple[Any, ...], value: Any) -> None:
    """Put `value` at a place, if an earlier change has left it there; ABSENT takes the place out."""
    *way, last = place
    for step in way:
        is_there = (isinstance(body, dict) and step in body) or (
            isinstance(body, list) and isinstance(step, int) and step < len(body)
        )
        if not is_there:
            return
        body = body[step]
    if isinstance(body, dict) and last in body:
        if value is ABSENT:
            del body[last]
        else:
            body[last] = value
    elif isinstance(body, list) and isinstance(last, int) and last < len(body):
        body[last] = None if value is ABSENT else value


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Sample, Any]:
    """Give a sample, and its body with up to four changes."""
    index = draw(st.integers(0, len(SAMPLES) - 1))
    body: Any = deepcopy(SAMPLES[index].body)
    for place in draw(st.lists(st.sampled_from(PLACES[index]), min_size=1, max_size=4)):
        put(body, place, draw(st.just(ABSENT) | VALUES.map(deepcopy)))
    return SAMPLES[index], body


def outcome(sample: Sample, raw: bytes) -> list[Normalised | Rejection] | str:
    """Return what becomes of a body; whatever else is raised fails the test."""
    request = delivery(raw, sample.headers)
    sample.vendor.shake(request, ("secret",))
    try:
        shown = sample.vendor.read(request)
    except Unreadable as error:
        return str(error)
    assert isinstance(shown, Shown)
    assert bool(shown.tickets) != bool(shown.ignored), "either tickets or why there are none"
    words = sample.vendor.vocabulary
    normaliser = Normaliser(
        SourceDefinition(name="desk", statuses=words.statuses, priorities=words.priorities)
    )
    arrival = Arrival.at(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    return [normaliser.fields(ticket, Defaults("derived"), arrival) for ticket in shown.tickets]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.vendor.name)
def test_the_samples_themselves_are_accepted(sample: Sample) -> None:
    found = outcome(sample, json.dumps(sample.body).encode())

    assert found
    assert all(isinstance(each, Normalised) for each in found), found


@settings(max_examples=400)
@given(mutated())
def test_a_mutated_body_shows_tickets_or_nothing_or_is_unreadable(case: tuple[Sample, Any]) -> None:
    sample, body = case

    assert outcome(sample, json.dumps(body).encode()) is not None


@settings(max_examples=200)
@given(st.sampled_from(SAMPLES), st.data())
def test_changed_bytes_show_tickets_or_nothing_or_are_unreadable(sample: Sample, data: st.DataObject) -> None:
    raw = json.dumps(sample.body, ensure_ascii=False).encode()
    at = data.draw(st.integers(0, len(raw)))
    noise = data.draw(
        st.sampled_from((b"", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\x00", b"[" * 50_000, b"{", b'"'))
    )

    assert outcome(sample, raw[:at] + noise) is not None
    assert outcome(sample, raw[:at] + noise + raw[at + 1 :]) is not None


CLEARABLE: Final = ("assignee", "queue", "priority", "subject", "tags", "requester", "category", "status")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.vendor.name)
def test_a_value_of_another_type_clears_nothing(sample: Sample) -> None:
    for place in places(sample.body):
        for strange in (True, {"odd": 1}):
            body = deepcopy(sample.body)
            put(body, place, strange)
            found = outcome(sample, json.dumps(body).encode())
            for each in found if isinstance(found, list) else []:
                shown = each.observation.fields if isinstance(each, Normalised) else None
                cleared = [name for name in CLEARABLE if getattr(shown, name, UNSET) is None]
                assert [] == cleared, (place, strange)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.vendor.name)
@given(name=st.sampled_from(("x-hub-signature", "x-hub-signature-256", "authorization", "x-front-signature",
                             "x-front-request-timestamp", "x-zendesk-webhook-signature", "x-helpscout-signature",
                             "x-zendesk-webhook-signature-timestamp", "x-barometer-secret")), value=TEXTS)  # fmt: skip
def test_no_header_of_any_text_is_trusted_or_an_error(sample: Sample, name: str, value: str) -> None:
    for shown in (
        value,
        f"Bearer {value}",
        f"sha256={value}",
        f"Bearer {value}.{value}.{value}",
        f"__doc__={value}",
    ):
        assert isinstance(
            sample.vendor.verify(delivery(b"{}", {name: shown}), ("a secret of many letters",)), Untrusted
        )
