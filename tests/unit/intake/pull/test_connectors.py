"""What a pull shows is what a webhook would have shown: the same ticket comes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.intake.core.arrival import Arrival
from services.intake.core.normalise import Normaliser
from services.intake.core.pull.github import next_page
from services.intake.core.pull.jira import JiraIssues, local_minute
from services.intake.core.pull.port import Answer
from services.intake.core.pull.position import Position
from services.intake.core.pull.reading import Read, kept, read
from services.intake.core.rejected import retried
from services.intake.core.sources import Sources
from services.intake.core.vendors import VENDORS as ADAPTERS
from services.intake.core.vendors.port import Delivery
from services.intake.core.webhook import receive
from services.intake.settings import definitions_of
from shared.configuration.models import Configuration
from shared.contracts.tickets import Activity, Observation, Status
from shared.runtime.attempt import attempt
from tests.servers.desks.desk import EPOCH, Ticket
from tests.servers.desks.github import GitHubDesk
from tests.servers.desks.gitlab import GitLabDesk
from tests.servers.desks.jira import JiraDesk
from tests.servers.desks.zendesk import ZendeskDesk
from tests.unit.intake.pull.driving import Time, run
from tests.unit.intake.pull.vendors import GITHUB, GITLAB, JIRA, VENDORS, ZENDESK, Vendor

AT = EPOCH - timedelta(minutes=30)
TICKETS = [
    Ticket(1, AT),
    Ticket(1, AT, is_closed=True),
    Ticket(1, AT, assignee="8", label="high", subject="Scanner jams"),
]


def sources(kind: str) -> Sources:
    file = {"sources": [{"name": "desk", "kind": kind, "webhook": {"unsigned": True}}]}
    return Sources(definitions_of(Configuration.model_validate(file), {}))


def normaliser(kind: str) -> Normaliser:
    found = sources(kind).get("default", "desk")
    assert found is not None
    return found


def kind_of(vendor: Vendor) -> str:
    return vendor.name.partition("_")[0]


def pulled(vendor: Vendor, ticket: Ticket, received_at: datetime = EPOCH) -> Read:
    time = Time()
    desk = vendor.desk(time.now)
    desk.put(ticket)
    position = Position.begin(EPOCH - timedelta(hours=2))
    done = run(vendor.listing(), desk, position, time=time, credentials=vendor.credentials)
    kind = kind_of(vendor)
    return read(normaliser(kind), ADAPTERS[kind], done.items, received_at, attempt)


def observed(vendor: Vendor, ticket: Ticket) -> Observation:
    shown = pulled(vendor, ticket)
    assert ((), 1) == (shown.refused, len(shown.accepted))
    return shown.accepted[0].observation


def told(vendor: Vendor, ticket: Ticket) -> Observation:
    desk = vendor.desk(lambda: EPOCH)
    assert isinstance(desk, GitHubDesk | GitLabDesk | JiraDesk | ZendeskDesk)
    desk.put(ticket)
    headers, body = desk.webhook(ticket.number)
    kind = kind_of(vendor)
    delivery = Delivery("POST", "", headers, body, EPOCH)
    received = receive(normaliser(kind), ADAPTERS[kind], delivery, Arrival.at(EPOCH))
    return received.accepted[0].observation


@pytest.mark.parametrize("ticket", TICKETS, ids=["open", "closed", "assigned"])
@pytest.mark.parametrize("vendor", VENDORS, ids=str)
def test_a_pulled_ticket_is_the_ticket_that_the_webhook_shows(vendor: Vendor, ticket: Ticket) -> None:
    one, other = told(vendor, ticket), observed(vendor, ticket)
    # GitLab's webhook says nobody has a ticket by silence, its list by an empty list.
    if vendor is GITLAB and ticket.assignee is None:
        one = msgspec.structs.replace(one, fields=msgspec.structs.replace(one.fields, assignee=None))
    assert (one.ticket, one.time, one.fields) == (other.ticket, other.time, other.fields)


@pytest.mark.parametrize("vendor", VENDORS, ids=str)
def test_pulled_twice_it_is_one_observation(vendor: Vendor) -> None:
    once, again = (pulled(vendor, TICKETS[0], EPOCH + timedelta(hours=hours)) for hours in (0, 5))
    first, second = once.accepted[0].observation, again.accepted[0].observation
    assert first == msgspec.structs.replace(second, received_at=first.received_at)


@pytest.mark.parametrize("vendor", VENDORS, ids=str)
def test_each_change_is_an_observation_of_its_own_and_says_that_it_was_pulled(vendor: Vendor) -> None:
    first = observed(vendor, TICKETS[0])
    second = observed(vendor, replace(TICKETS[0], updated_at=AT + timedelta(minutes=1)))
    assert first.id != second.id
    assert (True, True) == (first.pulled, second.pulled)


def test_the_state_of_an_instant_comes_after_what_was_told_of_it() -> None:
    for vendor in VENDORS:
        told_sequence, sequence = told(vendor, TICKETS[0]).sequence, observed(vendor, TICKETS[0]).sequence
        assert sequence is not None
        assert sequence > (told_sequence or 0)


def test_github_shows_key_words_and_times() -> None:
    fields = observed(GITHUB, TICKETS[2]).fields
    assert ("high", "8", "acme/support") == (fields.raw_priority, fields.assignee, fields.queue)
    assert ("desk:acme/support#1", AT) == (
        observed(GITHUB, TICKETS[2]).ticket,
        observed(GITHUB, TICKETS[2]).time,
    )
    assert Status.IN_PROGRESS == fields.status
    assert Status.SOLVED == observed(GITHUB, TICKETS[1]).fields.status


def test_github_names_a_repository_as_its_webhook_does_whatever_the_configuration_writes() -> None:
    assert "desk:acme/support#1" == observed(GITHUB, TICKETS[0]).ticket


def test_a_deleted_zendesk_ticket_is_a_deletion() -> None:
    gone = observed(ZENDESK, replace(TICKETS[0], is_deleted=True))
    assert (Activity.DELETED, msgspec.UNSET) == (gone.activity, gone.fields.status)


def test_a_jira_issue_has_its_state_by_name_or_category() -> None:
    assert Status.IN_PROGRESS == observed(JIRA, TICKETS[0]).fields.status
    assert ("Done", Status.SOLVED) == (
        observed(JIRA, TICKETS[1]).fields.raw_status,
        observed(JIRA, TICKETS[1]).fields.status,
    )


@pytest.mark.parametrize(
    ("expected", "instant", "zone"),
    [
        ("2026/01/02 03:04", "2026-01-02T03:04:59+00:00", "UTC"),
        ("2026/01/01 22:04", "2026-01-02T03:04:59+00:00", "America/New_York"),
        ("2026/01/02 08:34", "2026-01-02T03:04:00+00:00", "Asia/Kolkata"),
        # 02:30 comes twice in that night, so an hour more is asked for; so it is a little around it.
        ("2026/10/25 02:30", "2026-10-25T01:30:00+00:00", "Europe/Berlin"),
        ("2026/10/25 01:30", "2026-10-25T00:30:00+00:00", "Europe/Berlin"),
    ],
)
def test_jira_is_asked_in_the_time_zone_of_the_account(expected: str, instant: str, zone: str) -> None:
    assert expected == local_minute(datetime.fromisoformat(instant), ZoneInfo(zone))


def test_a_jira_search_has_the_projects_and_the_query_of_the_configuration() -> None:
    listing = JiraIssues(("SUP", "OPS"), "labels = desk OR labels = vip", is_cloud=True, zone=ZoneInfo("UTC"))
    jql = dict(listing.request(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None).query)["jql"]
    assert (
        'updated >= "2026/01/02 03:04" AND project in ("SUP", "OPS") AND (labels = desk OR labels = vip) '
        "ORDER BY updated ASC, key ASC"
    ) == jql


@pytest.mark.parametrize(
    ("expected", "link"),
    [
        ("2", '<https://api.github.com/repositories/1/issues?page=2&since=x>; rel="next", <https://h/?page=5>; rel="last"'),
        ("3", '<https://h/?page=1>; rel="prev", <https://h/?a=b&page=3>; rel=next'),
        (None, '<https://h/?page=1>; rel="first", <https://h/?page=4>; rel="prev"'),
        (None, ""),
    ],
)  # fmt: skip
def test_the_next_page_stands_in_the_header_link(expected: str | None, link: str) -> None:
    assert expected == next_page(Answer(200, {"link": link}, b"", EPOCH))


def test_what_cannot_be_used_is_kept_and_can_be_retried_as_a_webhook() -> None:
    future = EPOCH - timedelta(hours=2)
    shown = pulled(GITHUB, TICKETS[0], received_at=future)
    ((item, rejection),) = shown.refused
    record = kept(
        item, rejection, id="r1", tenant="default", source="desk", vendor=ADAPTERS["github"], at=future
    )
    again = retried(record, sources("github"), now=EPOCH)
    assert ("future_time", None) == (record.reason, again.rejection)
    assert ["desk:acme/support#1"] == [one.ticket for one in again.observations]
    (expected,) = pulled(GITHUB, TICKETS[0], received_at=EPOCH).accepted
    assert msgspec.structs.replace(expected.observation, received_at=future) == again.observations[0]
