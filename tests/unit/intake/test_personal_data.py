"""What is kept of people: as they were sent, as a keyed hash, or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition, index
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.personal_data import hashed
from services.intake.settings import definitions_of
from shared.configuration.loader import read
from shared.configuration.problems import ConfigurationInvalid
from shared.contracts.tickets import TicketFields
from tests.unit.configuration.reading import problems

KEY = "0123456789abcdef" * 2
ENVIRONMENT = {"PEOPLE_KEY": KEY}
ARRIVAL = Arrival.at(datetime(2026, 3, 2, 10, tzinfo=UTC))
FILE = """
tenants: [{name: default}, {name: other}]
personal_data: {key: {env: PEOPLE_KEY}, requester: hashed, assignee: hashed}
sources:
  - name: desk
  - {name: shop, personal_data: {subject: dropped}}
  - {name: till, personal_data: {requester: dropped, assignee: plain}}
  - {name: bank, tenant: other}
"""


def definitions() -> dict[tuple[str, str], SourceDefinition]:
    return index(definitions_of(read(FILE), ENVIRONMENT))


def shown(source: str, tenant: str = "default", **members: Any) -> TicketFields:
    normaliser = Normaliser(definitions()[tenant, source])
    outcome = normaliser.json(json.dumps({"id": "1", **members}).encode(), Defaults("fresh"), ARRIVAL)
    assert isinstance(outcome, Normalised), outcome
    return outcome.observation.fields


def test_a_hashed_requester_is_the_same_one_over_all_sources_of_a_tenant_however_it_is_spelled() -> None:
    first = shown("desk", requester="Kim@Shop.example").requester

    assert isinstance(first, str)
    assert first.startswith("hashed-")
    assert len("hashed-") + 32 == len(first)
    assert first == shown("shop", requester=" kim@shop.example ").requester
    assert first != shown("desk", requester="sam@shop.example").requester


def test_two_tenants_people_cannot_be_joined_and_without_the_key_nobody_can_be_tried() -> None:
    mine = shown("desk", requester="kim@shop.example").requester

    assert mine != shown("bank", "other", requester="kim@shop.example").requester
    assert mine != hashed(b"another key", "default", "kim@shop.example")
    assert mine == hashed(KEY.encode(), "default", "kim@shop.example")


def test_the_hash_is_the_hmac_that_the_documentation_gives() -> None:
    # printf '7:defaultkim@shop.example' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    assert "hashed-e009c06c" == hashed(KEY.encode(), "default", "kim@shop.example")[: len("hashed-") + 8]


def test_what_is_hashed_already_stays_what_it_is() -> None:
    first = shown("desk", requester="kim@shop.example").requester
    assert first == shown("desk", requester=first).requester


def test_a_source_says_what_it_does_otherwise_than_the_file() -> None:
    till = shown("till", requester="kim@shop.example", assignee="ana", subject="Printer")
    shop = shown("shop", requester="kim@shop.example", assignee="ana", subject="Printer")

    assert (UNSET, "ana", "Printer") == (till.requester, till.assignee, till.subject)
    assert (UNSET, hashed(KEY.encode(), "default", "ana")) == (shop.subject, shop.assignee)


def test_a_source_without_a_section_of_its_own_and_the_default_source_do_as_the_file_says() -> None:
    assert hashed(KEY.encode(), "default", "ana") == shown("default", assignee="ana").assignee


def test_null_clears_and_absent_says_nothing_whatever_is_kept() -> None:
    fields = shown("desk", requester=None)
    assert (None, UNSET) == (fields.requester, fields.assignee)


def test_the_key_is_shown_nowhere() -> None:
    assert KEY not in repr(definitions())


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "`personal_data.key`: the environment variable PEOPLE_KEY is empty or not set"),
        ({"PEOPLE_KEY": "short"}, "`personal_data.key` has fewer than 32 characters, so it can be guessed"),
    ],
)
def test_a_key_that_is_not_there_or_can_be_guessed_is_refused(
    environment: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        definitions_of(read(FILE), environment)
    assert [expected] == [one.what for one in refused.value.problems]


def test_without_a_hash_no_key_is_asked_for() -> None:
    (only,) = definitions_of(read("personal_data: {requester: dropped, key: {env: PEOPLE_KEY}}"), {})
    assert only.protection.is_needed


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "personal_data: {requester: hashed}",
            (
                "b.yaml:1: nothing is there to hash with; add `key: {env: NAME}` or "
                "`key: {file: PATH}` to the section `personal_data`"
            ),
        ),
        (
            "sources:\n- name: desk\n  personal_data: {requester: hashed}\n",
            (
                "b.yaml:3: source `desk`: nothing is there to hash with; add `key: {env: "
                "NAME}` or `key: {file: PATH}` to the section `personal_data`"
            ),
        ),
        (
            "personal_data: {assignee: dropped}",
            (
                "b.yaml:1: `personal_data`: without its assignee every ticket would count as unowned; write "
                "`hashed`: the figures stay true"
            ),
        ),
        (
            "personal_data: {subject: hashed}",
            (
                "b.yaml:1: `personal_data`: a hash of a sentence is of no use to anybody; write `dropped`, or "
                "`plain`"
            ),
        ),
        ("personal_data: {requester: hash}", "b.yaml:1: `personal_data.requester`: `hash` is not known; did you mean `hashed`?"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_line_and_mend(content: str, expected: str) -> None:
    assert [expected] == problems(content)
