"""A message that a webhook and a pull tell of counts once, whichever came first."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from services.aging.core.mark import mark_of, order_of
from services.aging.core.policy import Policy, PolicyVersion, Promise
from services.aging.core.pulled import PullOutcome
from services.aging.core.retold import retold_messages, without_retold
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from shared.contracts.instants import to_us
from shared.contracts.tickets import Activity, Actor, Observation, Status, Visibility
from tests.unit.aging.observations import HOUR_US, TENANT, at, seen
from tests.unit.aging.partitions import FactKey, Partition, bare

ID = (TENANT, "desk:1")
AGENT, CUSTOMER, NOTE = Activity.AGENT_MESSAGE, Activity.CUSTOMER_MESSAGE, Activity.INTERNAL_NOTE
KNOWN, MESSAGE, OPENED = PullOutcome.KNOWN, PullOutcome.MESSAGE, PullOutcome.OPENED
SPEAKERS = {AGENT: Actor.AGENT, CUSTOMER: Actor.CUSTOMER, NOTE: Actor.AGENT}
TERMS = Terms(
    policies=(
        PolicyVersion((
            Policy(
                "all",
                {
                    name: Promise({"default": 5 * HOUR_US}, ())
                    for name in ("first_response", "next_response", "update")
                },
                label="all@1",
            ),
        )),
    )
)  # fmt: skip
OPENED_BY_WEBHOOK = seen(activity=Activity.CREATED, actor=Actor.CUSTOMER, status=Status.NEW)


def said(hours: float, activity: Activity = AGENT, *, id: str = "comment-1", **more: Any) -> Observation:
    """Return a message as a webhook tells of it, with the ticket as it was."""
    visibility = Visibility.INTERNAL if activity is NOTE else Visibility.PUBLIC
    shown: dict[str, Any] = {"status": Status.IN_PROGRESS, "assignee": "ann", "sequence": 1, **more}
    one = seen("desk:1", hours, id=id, activity=activity, actor=SPEAKERS[activity], **shown)
    return msgspec.structs.replace(one, visibility=visibility)


def listed(hours: float, activity: Activity = AGENT, **more: Any) -> Observation:
    """Return a message as a list of messages shows it, without the ticket."""
    bare_one = said(hours, activity, **{"status": msgspec.UNSET, "assignee": msgspec.UNSET, **more})
    return msgspec.structs.replace(bare_one, pulled=True)


def folded(*batches: tuple[Observation, ...]) -> tuple[Ticket, set[FactKey], list[PullOutcome]]:
    """Return ticket, standing facts and what the pulled ones came to, one fold for each batch."""
    partition, found = Partition(TERMS), []
    for number, batch in enumerate(batches):
        outcome = partition.take(*batch, clock_us=at(30 + number))
        found += [one.outcome for _, one in outcome.pulled]
    partition.pass_time(at(40))
    partition.check()
    return bare(partition.ticket(ID)), partition.standing(), found


CONVERSATIONS = [
    (said(1),),
    (said(1), said(2, CUSTOMER, id="comment-2"), said(3, id="comment-3")),
    # Both within one second of the source's clock.
    (said(1), said(1, CUSTOMER, id="comment-2"), said(1, id="comment-3")),
    (said(1, NOTE), said(2, CUSTOMER, id="comment-2"), said(2, CUSTOMER, id="comment-3")),
    (said(1), said(9, id="comment-2", status=Status.SOLVED), said(10, CUSTOMER, id="comment-3")),
]


def as_listed(one: Observation) -> Observation:
    fields = msgspec.structs.replace(one.fields, status=msgspec.UNSET, assignee=msgspec.UNSET)
    return msgspec.structs.replace(one, pulled=True, fields=fields)


@pytest.mark.parametrize("told", CONVERSATIONS)
def test_what_webhooks_told_comes_to_the_same_with_the_pull_that_repeats_it(
    told: tuple[Observation, ...],
) -> None:
    pulled = tuple(map(as_listed, told))
    ticket, facts, _ = folded((OPENED_BY_WEBHOOK, *told))
    known = [KNOWN] * len(pulled)
    assert (ticket, facts, known) == folded((OPENED_BY_WEBHOOK, *told), pulled)
    assert (ticket, facts, known) == folded((*pulled, *told, OPENED_BY_WEBHOOK))
    for late in (((OPENED_BY_WEBHOOK,), pulled, told), (pulled, told, (OPENED_BY_WEBHOOK,))):
        again, stands, _ = folded(*late)
        assert (ticket, facts) == (again, stands)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_message_listed_just_as_it_was_told_and_another_like_it_come_to_the_same_in_any_order(
    order: tuple[int, ...],
) -> None:
    told = said(1, CUSTOMER)
    shown = (told, msgspec.structs.replace(told, pulled=True), listed(1, CUSTOMER, id="another"))
    ticket, facts, _ = folded(shown)
    for batches in ([(shown[place],) for place in order], [tuple(shown[place] for place in order)]):
        again, stands, _ = folded(*batches)
        assert (ticket, facts) == (again, stands)


@pytest.mark.parametrize("lost", range(3))
def test_of_several_messages_the_one_that_no_webhook_told_of_is_found(lost: int) -> None:
    told = CONVERSATIONS[1]
    heard = tuple(one for place, one in enumerate(told) if place != lost)
    _, facts, outcomes = folded((OPENED_BY_WEBHOOK, *heard), tuple(map(as_listed, told)))
    assert [MESSAGE if place == lost else KNOWN for place in range(3)] == outcomes
    assert of_clocks(folded((OPENED_BY_WEBHOOK, *told))[1]) == of_clocks(facts)


def of_clocks(facts: set[FactKey]) -> set[FactKey]:
    return {fact for fact in facts if fact[1][1]}


def test_a_repeat_is_kept_and_leaves_its_ticket_alone() -> None:
    partition = Partition(TERMS)
    partition.take(OPENED_BY_WEBHOOK, said(1), clock_us=at(2))
    repeat = partition.take(listed(1), clock_us=at(3))
    again = partition.take(listed(1), clock_us=at(3))
    assert ({}, 1, 1) == (repeat.tickets, len(repeat.marks), len(repeat.pulled))
    assert ({}, 0, 0, 1) == (again.tickets, len(again.marks), len(again.pulled), again.repeated)
    partition.check()


def test_a_lost_answer_is_found_and_stops_its_clock() -> None:
    breached, met = ("sla.breached", "first_response", 1, at(5)), ("sla.met", "first_response", 1, at(1))
    _, before, _ = folded((OPENED_BY_WEBHOOK,))
    _, after, outcomes = folded((OPENED_BY_WEBHOOK,), (listed(1),))
    assert [MESSAGE] == outcomes
    assert {(ID, breached)} == before & {(ID, breached), (ID, met)}
    assert {(ID, met)} == after & {(ID, breached), (ID, met)}


def test_a_message_of_a_ticket_that_nobody_told_of_opens_it() -> None:
    assert [OPENED] == folded((listed(1),))[2]


def test_a_webhook_that_comes_late_and_dates_a_message_later_than_the_list_counts_instead() -> None:
    told = said(1, plus_us=2_500_000)
    expected = folded((OPENED_BY_WEBHOOK, told))[:2]
    assert expected == folded((OPENED_BY_WEBHOOK,), (listed(1),), (told,))[:2]
    assert expected == folded((OPENED_BY_WEBHOOK, listed(1), told))[:2]


def test_pulled_again_and_shown_otherwise_a_message_counts_once() -> None:
    one, other = listed(1), listed(1, CUSTOMER)  # its author left the desk since
    first = min((one, other), key=lambda observation: order_of(mark_of(observation)))
    alone = folded((OPENED_BY_WEBHOOK,), (first,))[:2]
    for batches in (((one,), (other,)), ((other,), (one,)), ((one, other),), ((one,), (one, one), (other,))):
        assert alone == folded((OPENED_BY_WEBHOOK,), *batches)[:2]


def test_without_an_id_a_message_is_known_by_its_second_its_speaker_and_who_sees_it() -> None:
    told = said(1, id="delivery-7")
    for pulled, outcome in (
        (listed(1), KNOWN),
        (listed(1, plus_us=999_000), KNOWN),
        (listed(1, plus_us=1_000_000), MESSAGE),
        (listed(1, CUSTOMER), MESSAGE),
        (listed(1, NOTE), MESSAGE),
        (msgspec.structs.replace(listed(1), source="other"), MESSAGE),
    ):
        assert [outcome] == folded((OPENED_BY_WEBHOOK, told), (pulled,))[2]


def test_of_two_alike_within_a_second_of_which_one_was_told_the_other_is_found() -> None:
    pulled = (listed(1), listed(1, id="comment-2"))
    for id_ in ("delivery-7", "comment-1", "comment-2"):
        outcomes = folded((OPENED_BY_WEBHOOK, said(1, id=id_)), pulled)[2]
        assert [KNOWN, MESSAGE] == sorted(outcomes)


def test_what_was_condensed_is_not_found_again_by_a_list_that_is_read_once_more() -> None:
    partition, last = Partition(TERMS), listed(2, sequence=9)  # it stands behind all that counted
    partition.take(OPENED_BY_WEBHOOK, said(2, status=Status.SOLVED), last, clock_us=at(3))
    partition.condense(at(4))
    outcome = partition.take(last, clock_us=at(30))
    assert ([], {}, True) == (outcome.pulled, outcome.marks, partition.ticket(ID).condensed)
    lost = partition.take(listed(3, id="comment-2"), clock_us=at(31))
    assert [MESSAGE] == [one.outcome for _, one in lost.pulled]


def test_a_survivor_hears_a_message_of_the_ticket_it_absorbed_once() -> None:
    link = seen("desk:1", 5, merged_into="desk:2")
    partition = Partition(TERMS)
    partition.take(OPENED_BY_WEBHOOK, said(1), listed(1), link, clock_us=at(30))
    (told,) = partition.told
    said_at = [(to_us(message.time), message.actor) for message in told.messages]
    assert [(at(0), Actor.CUSTOMER), (at(1), Actor.AGENT)] == said_at


def test_states_and_what_webhooks_told_are_never_left_out() -> None:
    told = (said(1), said(1), seen("desk:1", 1, id="comment-1"))
    state = msgspec.structs.replace(seen("desk:1", 1, id="comment-1", sequence=9), pulled=True)
    marks = [mark_of(one) for one in (*told, state)]
    assert (set(), marks) == (retold_messages(marks), list(without_retold(marks)))
