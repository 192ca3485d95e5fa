"""What a list of comments shows is the message that the webhook told of: by id, time, speaker and visibility."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random

import pytest
from msgspec.structs import replace

from services.intake.core.arrival import Arrival
from services.intake.core.pull.position import Position
from services.intake.core.pull.reading import Read, kept, read
from services.intake.core.rejected import retried
from services.intake.core.vendors import VENDORS as ADAPTERS
from services.intake.core.vendors.port import Delivery
from services.intake.core.webhook import receive
from shared.contracts.instants import from_us, to_us
from shared.contracts.tickets import Activity, Actor, Observation, TicketFields, Visibility
from shared.runtime.attempt import attempt
from tests.servers.desks.desk import EPOCH, Answered, Asked, Desk, Ticket, failing
from tests.servers.desks.github import GitHubDesk
from tests.servers.desks.gitlab import GitLabDesk
from tests.servers.desks.jira import JiraDesk
from tests.servers.desks.zendesk import ZendeskDesk
from tests.unit.aging.partitions import Partition, bare
from tests.unit.intake.pull.driving import Time, run
from tests.unit.intake.pull.test_connectors import kind_of, normaliser, sources
from tests.unit.intake.pull.vendors import (
    GITHUB,
    GITHUB_COMMENTS,
    GITLAB_NOTES,
    JIRA_COMMENTS,
    JIRA_DATA_CENTER_COMMENTS,
    TALKING,
    ZENDESK_COMMENTS,
    Vendor,
)

AT = EPOCH - timedelta(minutes=30)
BEGIN = EPOCH - timedelta(hours=2)
PUBLIC, INTERNAL = Visibility.PUBLIC, Visibility.INTERNAL
AGENT = (Activity.AGENT_MESSAGE, Actor.AGENT, PUBLIC)
CUSTOMER = (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, PUBLIC)
BY_AGENT, BY_CUSTOMER, BY_MACHINE = (
    {"is_agent": True},
    {"is_agent": False},
    {"is_agent": False, "is_bot": True},
)
NOTE = (Activity.INTERNAL_NOTE, Actor.AGENT, INTERNAL)
INTERNAL_BY_AGENT = BY_AGENT | {"is_internal": True}
TALKING_PRIVATELY = (ZENDESK_COMMENTS, GITLAB_NOTES, JIRA_COMMENTS, JIRA_DATA_CENTER_COMMENTS)
MACHINES = {"zendesk_comments": Actor.SYSTEM}
SAID = [
    *((vendor, BY_AGENT, AGENT) for vendor in TALKING),
    *((vendor, BY_CUSTOMER, CUSTOMER) for vendor in TALKING),
    *(
        (vendor, BY_MACHINE, (Activity.AGENT_MESSAGE, MACHINES.get(vendor.name, Actor.BOT), PUBLIC))
        for vendor in TALKING
    ),
    *((vendor, INTERNAL_BY_AGENT, NOTE) for vendor in TALKING_PRIVATELY),
    (
        ZENDESK_COMMENTS,
        BY_CUSTOMER | {"is_internal": True},
        (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, INTERNAL),
    ),
]
Speaking = GitHubDesk | GitLabDesk | JiraDesk | ZendeskDesk
DESKS: dict[str, Callable[[Callable[[], datetime]], Speaking]] = {
    "github_comments": GitHubDesk,
    "zendesk_comments": ZendeskDesk,
    "gitlab_notes": GitLabDesk,
    "jira_comments": JiraDesk,
    "jira_data_center_comments": lambda now: JiraDesk(now, is_cloud=False),
}
OPENINGS = {"github": "opened", "zendesk": "created", "gitlab": "open", "jira": "jira:issue_created"}
each_list = pytest.mark.parametrize("vendor", TALKING, ids=str)


def desk_of(vendor: Vendor) -> Speaking:
    """Return a desk with one ticket that its customer opened."""
    found = DESKS[vendor.name](lambda: EPOCH)
    found.put(Ticket(1, AT - timedelta(hours=1), created_at=AT - timedelta(hours=1)))
    return found


def listed(vendor: Vendor, desk: Desk, begin: datetime = BEGIN, received_at: datetime = EPOCH) -> Read:
    done = run(vendor.listing(), desk, Position.begin(begin), time=Time(), credentials=vendor.credentials)
    assert done.over.complaint is None
    assert not any(b"switch it off" in item.body for item in done.items), "no text is kept"
    return read(normaliser(kind_of(vendor)), ADAPTERS[kind_of(vendor)], done.items, received_at, attempt)


def messages(vendor: Vendor, desk: Desk, begin: datetime = BEGIN) -> list[Observation]:
    shown = listed(vendor, desk, begin)
    assert () == shown.refused
    return [one.observation for one in shown.accepted]


def delivered(vendor: Vendor, headers: Mapping[str, str], body: bytes) -> Observation:
    kind = kind_of(vendor)
    received = receive(
        normaliser(kind), ADAPTERS[kind], Delivery("POST", "", headers, body, EPOCH), Arrival.at(EPOCH)
    )
    return received.accepted[0].observation


def heard(one: Observation) -> tuple[object, ...]:
    second = one.time.replace(microsecond=0)  # Zendesk's events are dated a little after what they are about
    return one.ticket, one.id, second, one.activity, one.actor, one.visibility, one.sequence


@pytest.mark.parametrize(("vendor", "how", "expected"), SAID)
def test_a_pulled_message_is_the_message_that_the_webhook_told_of(
    vendor: Vendor, how: dict[str, bool], expected: tuple[object, ...]
) -> None:
    desk = desk_of(vendor)
    desk.say(7, 1, AT, **how)
    told = delivered(vendor, *desk.told(7))
    (pulled,) = messages(vendor, desk)
    assert heard(told) == heard(pulled)
    assert (AT, *expected) == (pulled.time, pulled.activity, pulled.actor, pulled.visibility)
    assert (True, False) == (pulled.pulled, told.pulled)


@each_list
def test_a_message_shows_nothing_of_its_ticket(vendor: Vendor) -> None:
    desk = desk_of(vendor)
    desk.say(7, 1, AT)
    (pulled,) = messages(vendor, desk)
    assert TicketFields() == pulled.fields


@each_list
def test_webhooks_and_the_pull_of_the_same_conversation_come_to_what_the_webhooks_came_to(
    vendor: Vendor,
) -> None:
    desk = desk_of(vendor)
    opened = delivered(vendor, *desk.webhook(1, OPENINGS[kind_of(vendor)]))
    told = [opened]
    for number, (seconds, is_agent) in enumerate(
        ((0, True), (60, False), (60, True), (60, True), (90, False))
    ):
        desk.say(number + 1, 1, AT + timedelta(seconds=seconds), is_agent=is_agent)
        told.append(delivered(vendor, *desk.told(number + 1)))
    pulled = messages(vendor, desk)
    assert 5 == len(pulled)
    key = (opened.tenant, opened.ticket)
    alone, twice = Partition(), Partition()
    alone.take(*told, clock_us=to_us(EPOCH))
    twice.take(*told, clock_us=to_us(EPOCH))
    outcome = twice.take(*pulled, clock_us=to_us(EPOCH))
    assert ["known"] * 5 == [one.outcome.value for _, one in outcome.pulled]
    assert bare(alone.ticket(key)) == bare(twice.ticket(key))
    assert alone.standing() == twice.standing()


@each_list
def test_of_many_messages_exactly_those_whose_webhooks_were_lost_are_found(vendor: Vendor) -> None:
    desk, chance, partition = desk_of(vendor), Random(7), Partition()
    for ticket in (1, 2, 3):
        desk.put(Ticket(ticket, AT - timedelta(hours=1), created_at=AT - timedelta(hours=1)))
        opened = delivered(vendor, *desk.webhook(ticket, OPENINGS[kind_of(vendor)]))
        partition.take(opened, clock_us=to_us(EPOCH))
    lost = set()
    for number in range(100, 160):  # several within a second, of either side
        ticket, at = chance.choice((1, 2, 3)), AT + timedelta(seconds=(number - 100) // 3)
        desk.say(number, ticket, at, is_agent=chance.random() < 0.5)
        if chance.random() < 0.3:
            lost.add(number)
        else:
            partition.take(delivered(vendor, *desk.told(number)), clock_us=to_us(EPOCH))
    pulled = messages(vendor, desk)
    outcome = partition.take(*pulled, clock_us=to_us(EPOCH))
    found = Counter(one.outcome.value for _, one in outcome.pulled)
    assert {"known": 60 - len(lost), "message": len(lost)} == found
    wanted = {number: desk.comments[number] for number in lost}
    assert Counter((f"{one.ticket}", one.written_at) for one in wanted.values()) == Counter(
        (re.split("[#:-]", ticket)[-1], from_us(one.at_us))
        for (_, ticket), one in outcome.pulled
        if one.outcome.value == "message"
    )


@each_list
def test_a_comment_that_is_edited_is_the_observation_it_was(vendor: Vendor) -> None:
    desk = desk_of(vendor)
    desk.say(7, 1, AT)
    before = messages(vendor, desk)
    desk.edit(7, AT + timedelta(minutes=5))
    assert before == messages(vendor, desk)


@each_list
def test_a_comment_from_before_the_list_is_wanted_is_not_though_it_was_edited_since(vendor: Vendor) -> None:
    desk = desk_of(vendor)
    desk.say(7, 1, AT)
    desk.say(8, 1, AT + timedelta(minutes=10))
    desk.edit(7, AT + timedelta(minutes=11))
    assert [AT + timedelta(minutes=10)] == [
        one.time for one in messages(vendor, desk, AT + timedelta(minutes=5))
    ]


def test_a_comment_on_a_pull_request_is_on_no_ticket() -> None:
    desk = desk_of(GITHUB_COMMENTS)
    assert isinstance(desk, GitHubDesk)
    desk.pull_requests = {2}
    desk.say(7, 2, AT)
    desk.say(8, 1, AT)
    assert [8] == [int(one.id.rpartition("-")[2]) for one in messages(GITHUB_COMMENTS, desk)]
    assert GITHUB.key(1) == messages(GITHUB_COMMENTS, desk)[0].ticket.partition(":")[2]


def test_what_zendesk_does_not_show_of_an_author_stays_unshown_and_is_no_message() -> None:
    desk = desk_of(ZENDESK_COMMENTS)
    assert isinstance(desk, ZendeskDesk)
    desk.say(7, 1, AT)
    desk.strangers = {7}
    (pulled,) = messages(ZENDESK_COMMENTS, desk)
    assert (Activity.UPDATED, None, None) == (pulled.activity, pulled.actor, pulled.visibility)


def test_the_description_of_a_ticket_is_no_message() -> None:
    desk = desk_of(ZENDESK_COMMENTS)
    desk.say(6, 1, desk.tickets[1].created_at)
    desk.say(7, 1, desk.tickets[1].created_at + timedelta(seconds=3))
    assert [desk.tickets[1].created_at + timedelta(seconds=3)] == [
        one.time for one in messages(ZENDESK_COMMENTS, desk)
    ]


def test_a_ticket_that_is_gone_says_nothing_and_stops_nobody() -> None:
    desk = desk_of(ZENDESK_COMMENTS)
    desk.say(7, 1, AT)
    desk.put(Ticket(2, AT - timedelta(minutes=1)))
    shown = desk.respond

    def gone(asked: Asked) -> Answered:
        return failing(404)(asked) if "/2/" in asked.path else shown(asked)

    desk.respond = gone  # type: ignore[method-assign]
    assert [AT] == [one.time for one in messages(ZENDESK_COMMENTS, desk)]
    desk.put(Ticket(3, AT, is_deleted=True))
    messages(ZENDESK_COMMENTS, desk)
    assert not any("/3/" in asked.path for asked in desk.asked)


def test_what_gitlab_itself_writes_about_a_change_is_no_message() -> None:
    desk = desk_of(GITLAB_NOTES)
    assert isinstance(desk, GitLabDesk)
    desk.say(7, 1, AT)
    desk.say(8, 1, AT + timedelta(seconds=1))
    desk.system_notes = {8}
    assert ["note-7"] == [one.id for one in messages(GITLAB_NOTES, desk)]


@each_list
def test_a_message_that_could_not_be_used_is_the_same_one_when_it_is_retried(vendor: Vendor) -> None:
    desk, kind = desk_of(vendor), kind_of(vendor)
    desk.put(Ticket(1, AT, created_at=AT - timedelta(hours=1), assignee="8"))
    desk.say(7, 1, AT)
    (expected,) = messages(vendor, desk)
    behind = EPOCH - timedelta(hours=2)  # our clock, so what was said is in the future
    ((item, rejection),) = listed(vendor, desk, received_at=behind).refused
    record = kept(item, rejection, id="r1", tenant="default", source="desk", vendor=ADAPTERS[kind], at=behind)
    assert b"switch it off" not in record.body
    (again,) = retried(record, sources(kind), now=EPOCH).observations
    assert replace(expected, received_at=behind) == again
