from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Rejection
from services.intake.core.vendors import VENDORS
from services.intake.core.vendors.port import Delivery, Shown, Unreadable, Untrusted, Vendor, Verified
from tests.unit.intake.vendors import (
    test_asana,
    test_azuredevops,
    test_chatwoot,
    test_github,
    test_gitlab,
    test_hubspot,
    test_linear,
    test_trello,
)
from tests.unit.intake.vendors.deliveries import NOW, SECRET, delivered, real, real_names

pytestmark = pytest.mark.slow

BODIES: Final[dict[str, list[Any]]] = {
    "asana": [
        {"events": [test_asana.task("added"), test_asana.story("comment_added")]},
        {"events": [test_asana.changed("assignee", new_value={"gid": "8"})]},
    ],
    "azuredevops": [
        test_azuredevops.updated({"System.AssignedTo": {"oldValue": "B"}}),
        test_azuredevops.item("commented"),
    ],
    "chatwoot": [test_chatwoot.event(), test_chatwoot.message()],
    "github": [
        test_github.event("opened", {"labels": [{"name": "P1"}], "assignees": [{"login": "bob"}]}),
        test_github.event("created", comment=test_github.comment("NONE")),
        test_github.event(
            "transferred",
            changes={"new_issue": {"number": 7}, "new_repository": {"full_name": "x/z"}},
        ),
    ],
    "gitlab": [test_gitlab.issue(assignees=[{"username": "bob"}]), test_gitlab.note()],
    "hubspot": [
        [test_hubspot.changed("subject", "x"), test_hubspot.event("creation")],
        [test_hubspot.event("merge", primaryObjectId=42, mergedObjectIds=[43], newObjectId=44)],
        test_hubspot.record(subject="x", hs_pipeline_stage="3", createdate="1767225600000"),
    ],
    "linear": [
        test_linear.issue(data={"previousIdentifiers": ["WEB-7"]}, updatedFrom={"assigneeId": "u2"}),
        test_linear.comment(),
    ],
    "trello": [
        test_trello.action("updateCard", data={"listAfter": {"name": "Doing"}}),
        test_trello.action("addLabelToCard", data={"label": {"name": "P1"}}),
        test_trello.action("addMemberToCard", member={"username": "cleo"}),
    ],
}

DEEP: Final = "@deep@"
MISSING: Final = "@missing@"
STRANGE: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 2**63, 10**400, 1.5, -0.0, 1e308, "", " ", "--5", "²", "٣", "0" * 30, "x" * 100_000,
    "\ud800", "\u0000", "\u202e\u200b\ufeff", "e\u0301" * 600, "\U0001f525", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "2026-02-30", "javascript:alert(1)", "https://[", [], {}, [None], [[[]]],
    [{"name": None}], {"name": {}}, {"id": []}, DEEP,
)  # fmt: skip
HEADERS: Final = (
    "x-github-event", "x-github-delivery", "x-gitlab-event", "idempotency-key", "x-gitlab-event-uuid",
    "x-chatwoot-delivery", "linear-delivery", "content-type", "x-hook-secret", "authorization",
)  # fmt: skip
SIGNATURES: Final = (
    "x-hub-signature-256", "x-gitlab-token", "webhook-signature", "webhook-timestamp", "x-trello-webhook",
    "x-hook-signature", "x-chatwoot-signature", "x-chatwoot-timestamp", "linear-signature",
    "x-hubspot-signature-v3", "x-hubspot-signature", "x-hubspot-request-timestamp", "x-barometer-secret",
    "authorization",
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a body with each of its keys or indexes."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def removed(container: Any, key: Any, chance: Random) -> None:
    del container[key]


def replaced(container: Any, key: Any, chance: Random) -> None:
    container[key] = copy.deepcopy(chance.choice(STRANGE))  # the next change may be inside it


def wrapped(container: Any, key: Any, chance: Random) -> None:
    container[key] = chance.choice([[container[key]], {"value": container[key]}, json.dumps(container[key])])


def swapped(container: Any, key: Any, chance: Random) -> None:
    other = chance.choice(list(container) if isinstance(container, dict) else range(len(container)))
    container[key], container[other] = container[other], container[key]


CHANGES: Final[tuple[Callable[[Any, Any, Random], None], ...]] = (removed, replaced, wrapped, swapped)


def mutated(body: Any, chance: Random) -> bytes:
    """Give `body` with some of its members changed, and at times cut or broken as bytes too."""
    body = json.loads(json.dumps(body))
    for _ in range(chance.randint(0, 5)):
        if found := list(places(body)):
            chance.choice(CHANGES)(*chance.choice(found), chance)
    depth = chance.choice([10, 1_000, 100_000])
    raw = json.dumps(body).encode().replace(f'"{DEEP}"'.encode(), b"[" * depth + b"]" * depth)
    match chance.randint(0, 12):
        case 0:
            return raw[: chance.randint(0, len(raw))]
        case 1:
            at = chance.randint(0, len(raw))
            return raw[:at] + bytes([chance.randint(0, 255)]) + raw[at + 1 :]
        case _:
            return raw


def each_changed(body: Any) -> Iterator[bytes]:
    """Yield `body` with each member in turn left out, and as each strange value."""
    raw = json.dumps(body)
    for nth, _ in enumerate(places(body)):
        for value in (MISSING, *STRANGE):
            changed = json.loads(raw)
            container, key = next(itertools.islice(places(changed), nth, None))
            if value is MISSING:
                del container[key]
            else:
                container[key] = value
            yield json.dumps(changed).encode().replace(f'"{DEEP}"'.encode(), b"[" * 1_000 + b"]" * 1_000)


def strange_headers(chance: Random, names: tuple[str, ...]) -> dict[str, str]:
    texts = [
        "",
        " ",
        "x",
        "\xff",
        "v1,",
        "Basic",
        "Bearer",
        "Basic ===",
        "9" * 30,
        "a" * 5_000,
        "issues",
        SECRET,
    ]
    return {name: chance.choice(texts) for name in chance.sample(names, chance.randint(0, len(names)))}


def hold(vendor: Vendor, delivery: Delivery) -> None:
    """Hold that a request is read, or refused as unreadable; and what it shows, taken or rejected."""
    try:
        shown = vendor.read(delivery)
    except Unreadable:
        return
    assert isinstance(shown, Shown)
    assert bool(shown.tickets) != bool(shown.ignored)
    normaliser = Normaliser(SourceDefinition(name=vendor.name, statuses=vendor.vocabulary.statuses))
    for members in shown.tickets:
        outcome = normaliser.fields(members, Defaults("fresh"), Arrival.at(NOW))
        assert isinstance(outcome, Normalised | Rejection)


@pytest.mark.parametrize("name", BODIES)
def test_any_member_may_be_missing_or_anything_and_reading_raises_nothing_but_unreadable(name: str) -> None:
    for body in BODIES[name]:
        for raw in each_changed(body):
            hold(VENDORS[name], delivered(raw))


@pytest.mark.parametrize("name", BODIES)
@given(chance=st.randoms(use_true_random=False))
def test_whatever_a_body_is_reading_it_raises_nothing_but_unreadable(name: str, chance: Random) -> None:
    body = mutated(chance.choice(BODIES[name]), chance)

    hold(VENDORS[name], delivered(body, strange_headers(chance, HEADERS)))


@pytest.mark.parametrize("name", ["azuredevops", "github", "gitlab", "hubspot", "trello"])
@given(chance=st.randoms(use_true_random=False))
def test_whatever_becomes_of_a_real_body_reading_it_raises_nothing_but_unreadable(
    shared_data: Path, name: str, chance: Random
) -> None:
    delivery = real(shared_data, name, chance.choice(sorted(real_names(shared_data, name))))
    body = mutated(json.loads(delivery.body), chance)

    hold(VENDORS[name], delivery._replace(body=body))


@pytest.mark.parametrize("name", BODIES)
@given(chance=st.randoms(use_true_random=False), raw=st.binary())
def test_whatever_a_request_is_verifying_it_and_shaking_hands_raise_nothing(
    name: str, chance: Random, raw: bytes
) -> None:
    delivery = Delivery(
        chance.choice(["POST", "HEAD", "GET", ""]), chance.choice(["", "%", "https://x/%zz%41"]),
        strange_headers(chance, SIGNATURES), raw, NOW,
    )  # fmt: skip
    secrets = chance.choice([(), (SECRET,), ("whsec_", "whsec_!", "é"), ("",)])

    assert isinstance(VENDORS[name].verify(delivery, secrets), Verified | Untrusted)
    VENDORS[name].shake(delivery, secrets)
