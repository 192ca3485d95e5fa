from __future__ import annotations

import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.github import GitHub
from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Priority, Status, Visibility
from tests.unit.intake.vendors.deliveries import (
    SECRET,
    assert_refused,
    delivered,
    facts,
    observed,
    real,
    real_names,
    shown,
    spoiled,
    vector,
)

GITHUB = GitHub()
SIGNATURE = "x-hub-signature-256"
GOOD = "sha256=b08bcaa0870da32d38a7189ce454befff9482a115fc3c241fef44adfda316b73"


def event(action: str, issue: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "action": action,
        "issue": {
            "id": 1001, "number": 42, "title": "Printer on fire", "state": "open", "state_reason": None,
            "user": {"login": "ann", "type": "User"}, "author_association": "NONE", "assignees": [],
            "labels": [], "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T03:04:05Z",
            "html_url": "https://github.com/x/y/issues/42", **(issue or {}),
        },
        "repository": {"full_name": "x/y"},
        "sender": {"login": "ann", "type": "User"},
        **more,
    }  # fmt: skip


def comment(association: str, login: str = "bob", kind: str = "User") -> dict[str, Any]:
    return {
        "user": {"login": login, "type": kind}, "author_association": association, "body": "Soon.",
        "created_at": "2026-01-02T03:04:04Z", "updated_at": "2026-01-02T03:04:04Z",
    }  # fmt: skip


def test_the_published_vectors_are_accepted() -> None:
    documented = delivered(
        b"Hello, World!",
        {SIGNATURE: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    )

    assert Verified("signature:github") == GITHUB.verify(vector({SIGNATURE: GOOD}), (SECRET,))
    assert Verified("signature:github") == GITHUB.verify(documented, ("It's a Secret to Everybody",))


def test_either_secret_is_good_while_one_is_rotated() -> None:
    good = vector({SIGNATURE: GOOD})

    assert [Verified("signature:github")] * 2 == [
        GITHUB.verify(good, secrets) for secrets in ((SECRET, "next"), ("last", SECRET))
    ]


def test_what_is_forged_truncated_or_encoded_again_is_refused() -> None:
    good = vector({SIGNATURE: GOOD})

    assert_refused(GITHUB, good, SIGNATURE)
    assert all(isinstance(GITHUB.verify(each, (SECRET,)), Untrusted) for each in spoiled(good))


def test_the_header_with_sha_1_proves_nothing() -> None:
    sha1 = vector({"x-hub-signature": "sha1=caf359a7b8dce7f2f42ba97fe04a8b3c7ff3363b"})

    assert Untrusted("the signature is missing") == GITHUB.verify(sha1, (SECRET,))


def test_an_opened_issue_is_shown_whole() -> None:
    body = event("opened", {"labels": [{"name": "P1"}, {"name": "hw"}], "type": {"name": "Bug"}})
    delivery = delivered(body, {"x-github-event": "issues", "x-github-delivery": "d-1"})

    assert {
        "id": "x/y#42", "event_id": "d-1", "subject": "Printer on fire", "status": "open", "priority": "p1",
        "queue": "x/y", "assignee": None, "requester": "ann", "category": "Bug", "tags": ["P1", "hw"],
        "url": "https://github.com/x/y/issues/42", "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "activity": Activity.CREATED,
        "actor": Actor.CUSTOMER, "sequence": 0,
    } == shown(GITHUB, delivery)  # fmt: skip


@pytest.mark.parametrize(
    ("issue", "word", "status"),
    [
        ({}, "open", Status.NEW),
        ({"assignees": [{"login": "bob"}]}, "assigned", Status.IN_PROGRESS),
        ({"state": "closed"}, "closed", Status.CLOSED),
        ({"state": "closed", "state_reason": "completed"}, "completed", Status.SOLVED),
        ({"state": "closed", "state_reason": "not_planned"}, "not_planned", Status.CLOSED),
        ({"state": "closed", "state_reason": "duplicate"}, "duplicate", Status.CLOSED),
        ({"state": "open", "state_reason": "reopened"}, "open", Status.NEW),
    ],
)
def test_a_status_is_the_state_and_why_it_was_closed(
    issue: dict[str, Any], word: str, status: Status
) -> None:
    [observation] = observed(GITHUB, delivered(event("edited", issue)))

    assert (word, status) == (observation.fields.raw_status, observation.fields.status)


@pytest.mark.parametrize(
    ("label", "priority"),
    [
        ("P2", Priority.P2),
        ("priority: critical", Priority.P1),
        ("priority/high", Priority.P2),
        ("Priority::3", Priority.P3),
        ("low-priority", Priority.P4),
        ("sev-1", Priority.P1),
        ("high", None),
        ("bug", None),
    ],
)
def test_a_priority_is_a_label_and_shown_labels_without_one_clear_it(
    label: str, priority: Priority | None
) -> None:
    [observation] = observed(GITHUB, delivered(event("labeled", {"labels": [{"name": label}]})))

    assert priority == observation.fields.priority


def test_what_an_event_does_not_show_stays_unshown() -> None:
    thin = {"issue": {"number": 42}, "repository": {"full_name": "x/y"}}

    assert {"id": "x/y#42", "queue": "x/y", "activity": Activity.UPDATED, "sequence": 1} == shown(
        GITHUB, delivered(thin)
    )


@pytest.mark.parametrize(
    ("said", "activity", "actor"),
    [
        (comment("NONE"), Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
        (comment("CONTRIBUTOR"), Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
        (comment("MEMBER"), Activity.AGENT_MESSAGE, Actor.AGENT),
        (comment("NONE", "stale[bot]", "Bot"), Activity.AGENT_MESSAGE, Actor.BOT),
    ],
)
def test_a_comment_is_a_message_of_its_time(said: dict[str, Any], activity: Activity, actor: Actor) -> None:
    members = shown(GITHUB, delivered(event("created", comment=said)))

    assert (activity, actor, Visibility.PUBLIC, datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC)) == (
        members["activity"], members["actor"], members["visibility"], members["time"],
    )  # fmt: skip


@pytest.mark.parametrize("action", ["edited", "deleted"])
def test_a_comment_edited_or_deleted_is_no_message_and_no_deletion(action: str) -> None:
    members = shown(GITHUB, delivered(event(action, comment=comment("NONE"))))

    assert (Activity.UPDATED, False) == (members["activity"], "visibility" in members)


@pytest.mark.parametrize(
    ("sender", "actor"),
    [
        ({"login": "ann", "type": "User"}, Actor.CUSTOMER),
        ({"login": "bob", "type": "User"}, Actor.AGENT),
        ({"login": "dependabot[bot]", "type": "Bot"}, Actor.BOT),
    ],
)
def test_who_changes_an_issue_of_somebody_else_is_an_agent(sender: dict[str, str], actor: Actor) -> None:
    assert actor == shown(GITHUB, delivered(event("closed", sender=sender)))["actor"]


def test_the_opening_comes_before_everything_else_of_its_second() -> None:
    bodies = (event("opened"), event("assigned"), event("created", comment=comment("NONE")))

    assert [0, 1, 1] == [shown(GITHUB, delivered(body))["sequence"] for body in bodies]


def test_a_deleted_issue_is_deleted() -> None:
    assert Activity.DELETED == shown(GITHUB, delivered(event("deleted")))["activity"]


def test_a_transferred_issue_is_merged_into_the_one_it_became() -> None:
    changes = {"new_issue": {"number": 7}, "new_repository": {"full_name": "x/z"}}
    members = shown(GITHUB, delivered(event("transferred", changes=changes)))

    assert (Activity.MERGED, "x/z#7") == (members["activity"], members["merged_into"])


def test_a_form_is_read_as_the_json_in_it() -> None:
    form = b"payload=" + urllib.parse.quote_plus(delivered(event("opened")).body).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-github-event": "issues"}

    assert "x/y#42" == shown(GITHUB, delivered(form, headers))["id"]


@pytest.mark.parametrize(
    ("body", "headers", "ignored"),
    [
        ({"zen": "Speak like a human.", "hook_id": 1}, {"x-github-event": "ping"}, "ping"),
        (event("opened"), {"x-github-event": "pull_request_review"}, "no_ticket"),
        ({"ref": "refs/heads/main"}, {"x-github-event": "push"}, "no_ticket"),
        (event("created", {"pull_request": {}}, comment=comment("NONE")), {}, "pull_request"),
    ],
)
def test_what_is_no_news_of_a_ticket_is_ignored_with_its_reason(
    body: object, headers: dict[str, str], ignored: str
) -> None:
    assert ((), ignored) == GITHUB.read(delivered(body, headers))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', {"issue": None}, {"issue": {"number": 1}}, {"issue": {"title": "x"}}],
)
def test_an_issue_that_cannot_be_named_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        GITHUB.read(delivered(body, {"x-github-event": "issues"}))


# ------------------------------------------------------------------------------------------ real bodies
HELLO = "github:Codertocat/Hello-World#1"
MADE = "2019-05-15T15:20:18Z"

REAL: dict[str, tuple[Any, ...]] = {
    # file: (key, status, assignee, activity, actor, time); priorities: no body has a label for one
    "goplayground.issues.json": (
        "github:baxterthehacker/public-repo#2", Status.NEW, None, Activity.CREATED, Actor.CUSTOMER,
        "2015-05-05T23:40:28Z",
    ),
    "octokit.issue_comment.created.1.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.AGENT_MESSAGE, Actor.AGENT, "2019-05-15T15:20:21Z",
    ),
    "octokit.issue_comment.created.3.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.AGENT_MESSAGE, Actor.AGENT, "2019-05-15T15:20:21Z",
    ),
    "octokit.issue_comment.created.5.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.AGENT_MESSAGE, Actor.AGENT, "2019-05-15T15:20:21Z",
    ),
    "octokit.issue_comment.deleted.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, "2019-05-15T15:20:22Z",
    ),
    "octokit.issue_comment.edited.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, "2019-05-15T15:20:22Z",
    ),
    "octokit.issues.assigned.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, MADE,
    ),
    "octokit.issues.deleted.1.json": (
        HELLO, Status.CLOSED, "Codertocat", Activity.DELETED, Actor.AGENT, "2021-10-11T16:40:56Z",
    ),
    "octokit.issues.edited.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, MADE,
    ),
    "octokit.issues.labeled.1.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, MADE,
    ),
    "octokit.issues.locked.1.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, "2019-05-15T15:20:27Z",
    ),
    "octokit.issues.opened.1.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.CREATED, Actor.AGENT, MADE,
    ),
    "octokit.issues.opened.3.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.CREATED, Actor.AGENT, MADE,
    ),
    "octokit.issues.transferred.1.json": (
        "github:octo-org/octo-repo#1", Status.NEW, None, Activity.MERGED, Actor.AGENT, "2019-10-25T22:46:30Z",
    ),
    "octokit.issues.unassigned.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, "2019-05-15T15:20:25Z",
    ),
    "octokit.issues.unlabeled.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, "2019-05-15T15:20:26Z",
    ),
    "octokit.issues.unlocked.2.json": (
        HELLO, Status.IN_PROGRESS, "Codertocat", Activity.UPDATED, Actor.AGENT, "2019-05-15T15:20:28Z",
    ),
}  # fmt: skip
WITHOUT_STATE = "octokit.issues.pinned.1.json"
PULL_REQUESTS = {
    "goplayground.pull-request-issue-comment.json", "hookdeck.issue_comment.json",
    "octokit.issues.demilestoned.2.json", "octokit.issues.milestoned.1.json",
}  # fmt: skip
PINGS = {"goplayground.ping.json", "hookdeck.ping.json", "octokit.ping.2.json", "octokit.ping.4.json"}


@pytest.mark.parametrize("name", REAL)
def test_a_real_issue_is_what_its_body_says(shared_data: Path, name: str) -> None:
    key, status, assignee, activity, actor, time = REAL[name]
    [observation] = observed(GITHUB, real(shared_data, "github", name))

    assert {
        "ticket": key, "status": status, "priority": None, "assignee": assignee, "activity": activity,
        "actor": actor, "time": datetime.fromisoformat(time),
    } == facts(
        observation, "ticket", "status", "priority", "assignee", "activity", "actor", "time"
    )  # fmt: skip


def test_a_real_pinned_issue_shows_neither_state_nor_labels(shared_data: Path) -> None:
    [observation] = observed(GITHUB, real(shared_data, "github", WITHOUT_STATE))

    assert {"ticket": HELLO, "assignee": "Codertocat", "time": datetime.fromisoformat(MADE)} == facts(
        observation, "ticket", "status", "priority", "tags", "assignee", "time"
    )


def test_a_real_transferred_issue_names_the_one_it_became(shared_data: Path) -> None:
    [observation] = observed(GITHUB, real(shared_data, "github", "octokit.issues.transferred.1.json"))

    assert HELLO == observation.fields.merged_into


def test_every_other_real_body_is_ignored_with_its_reason(shared_data: Path) -> None:
    others = real_names(shared_data, "github") - set(REAL) - {WITHOUT_STATE}
    ignored = {name: GITHUB.read(real(shared_data, "github", name)) for name in others}
    reasons = {
        name: "pull_request" if name in PULL_REQUESTS else "ping" if name in PINGS else "no_ticket"
        for name in others
    }

    assert {name: ((), reason) for name, reason in reasons.items()} == ignored
