"""Reading lists of what changed to their end: every change once, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest

from services.intake.core.pull.flow import TRIES_MAX
from services.intake.core.pull.position import Position, Progress, decode_progress, encode_progress
from tests.servers.desks.desk import EPOCH, Desk, Ticket, failing
from tests.servers.desks.github import GitHubDesk
from tests.servers.desks.zendesk import ZendeskDesk
from tests.unit.intake.pull.driving import MARGINS, Run, Time, run
from tests.unit.intake.pull.vendors import GITHUB, LISTS, ZENDESK, Vendor

HOUR = timedelta(hours=1)
each_vendor = pytest.mark.parametrize("vendor", LISTS, ids=str)


class Reading:
    """A list, its desk, and the position that is kept between runs."""

    def __init__(self, vendor: Vendor, begin: datetime = EPOCH - HOUR) -> None:
        self.vendor, self.time = vendor, Time()
        self.desk: Desk = vendor.desk(self.time.now)
        self.position = Position.begin(begin)

    def put(self, number: int, *, ago: float) -> None:
        """Let a ticket have changed `ago` seconds before now."""
        self.desk.put(Ticket(number, self.time.at - timedelta(seconds=ago)))

    def run(self) -> Run:
        """Read once, as the next process would: from what was kept as bytes."""
        kept = decode_progress(encode_progress(Progress(lists={"list": self.position})))
        assert kept is not None
        done = run(
            self.vendor.listing(), self.desk, kept.lists["list"], time=self.time,
            credentials=self.vendor.credentials,
        )  # fmt: skip
        self.position = done.over.position
        return done

    def keys(self, *numbers: int) -> list[str]:
        return [self.vendor.key(number) for number in numbers]


@each_vendor
def test_what_changed_is_found_once_oldest_first(vendor: Vendor) -> None:
    reading = Reading(vendor)
    for number, ago in ((3, 600), (1, 900), (2, 700)):
        reading.put(number, ago=ago)
    assert reading.keys(1, 2, 3) == reading.run().keys
    assert [] == reading.run().keys


@each_vendor
def test_a_list_of_many_pages_is_read_to_its_end(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.desk.page_items_max = 3
    for number in range(1, 12):
        reading.put(number, ago=2_000 - 60 * number)
    assert reading.keys(*range(1, 12)) == reading.run().keys


@each_vendor
def test_a_ticket_that_changes_again_is_found_again(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=900)
    reading.run()
    reading.time.pass_(600)
    reading.desk.change(1, reading.time.at - timedelta(seconds=300), is_closed=True)
    assert reading.keys(1) == reading.run().keys


@each_vendor
def test_what_changed_a_moment_ago_is_left_until_its_webhook_had_time(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=900)
    reading.put(2, ago=30)
    assert reading.keys(1) == reading.run().keys
    reading.time.pass_(120)
    assert reading.keys(2) == reading.run().keys


@each_vendor
def test_what_is_committed_late_is_found_within_the_overlap(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=600)
    reading.run()
    if isinstance(reading.desk, ZendeskDesk):
        reading.desk.generated[2] = reading.time.at - timedelta(seconds=500)  # its cursor is by this
    reading.put(2, ago=630)
    assert reading.keys(2) == reading.run().keys


@each_vendor
def test_items_that_change_while_pages_are_read_hide_none(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.desk.page_items_max = 3
    for number in range(1, 13):
        reading.put(number, ago=3_000 - 120 * number)

    def meanwhile() -> Iterator[None]:
        yield
        for number in (1, 2, 4):  # each was read already; all behind it moves up by one
            reading.desk.change(number, reading.time.at - timedelta(seconds=10))
            yield

    reading.desk.meanwhile = meanwhile()
    first = set(reading.run().keys)
    assert set(reading.keys(*range(1, 13))) == first
    reading.time.pass_(300)
    assert set(reading.keys(1, 2, 4)) == set(reading.run().keys)


@each_vendor
def test_equal_times_over_the_border_of_pages_hide_none(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.desk.page_items_max = 3
    for number in range(1, 11):
        reading.put(number, ago=900)
    reading.put(11, ago=600)
    assert sorted(reading.keys(*range(1, 12))) == sorted(reading.run().keys)


@each_vendor
def test_one_of_many_of_one_instant_that_changes_while_they_are_read_hides_none(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.desk.page_items_max = 3
    for number in range(1, 8):
        reading.put(number, ago=900)

    def meanwhile() -> Iterator[None]:
        yield
        reading.desk.change(1, reading.time.at - timedelta(seconds=10))
        yield

    reading.desk.meanwhile = meanwhile()
    assert set(reading.keys(*range(1, 8))) == set(reading.run().keys)


def test_what_stands_behind_a_crowded_instant_is_read_from_that_instant_on_and_not_by_number() -> None:
    reading = Reading(GITHUB)
    reading.desk.page_items_max = 2
    for number, ago in ((1, 900), (2, 900), (3, 800), (4, 700), (5, 600), (6, 500), (7, 400)):
        reading.put(number, ago=ago)

    def meanwhile() -> Iterator[None]:
        for _ in range(
            4
        ):  # the begin, and of the crowded instant: its first page, its second, again its first
            yield
        for number in (1, 2, 3):  # so the second page, read again, begins behind the fifth ticket
            reading.desk.change(number, reading.time.at)
        yield

    reading.desk.meanwhile = meanwhile()
    assert set(reading.keys(*range(1, 8))) == set(reading.run().keys)


@each_vendor
def test_a_vendor_that_fails_for_a_moment_is_asked_again(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=900)
    reading.desk.faults.extend([failing(503, {"retry-after": "7"}), failing(502), reading.desk.cut])
    done = reading.run()
    assert (reading.keys(1), None) == (done.keys, done.over.complaint)
    assert [7, 2, 4] == [wait.seconds for wait in done.waits][:3]


@each_vendor
def test_a_vendor_that_stays_away_ends_the_run_and_the_next_one_goes_on(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=900)
    reading.desk.faults.extend([failing(500)] * TRIES_MAX)
    done = reading.run()
    assert ([], "the vendor answered 500, 6 times in a row") == (done.keys, done.over.complaint)
    assert reading.keys(1) == reading.run().keys


@each_vendor
def test_a_limit_is_waited_out_by_the_vendors_own_clock(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=900)
    reading.desk.faults.append(failing(429, {"retry-after": "41"}))
    done = reading.run()
    assert (41, reading.keys(1)) == (done.waits[0].seconds, done.keys)


@each_vendor
def test_a_token_that_is_not_taken_says_so_and_moves_nothing(vendor: Vendor) -> None:
    reading = Reading(vendor)
    reading.put(1, ago=900)
    before = reading.position
    done = run(
        vendor.listing(), reading.desk, before, time=reading.time, credentials={"authorization": "Bearer x"}
    )
    assert (
        "the answer was 401: the token is not taken: it is wrong, expired or revoked" == done.over.complaint
    )
    assert before == done.over.position


@each_vendor
@pytest.mark.parametrize("body", ["no list", {"issues": 3, "tickets": 3}, [{"number": 1, "iid": 1}]], ids=str)
def test_an_answer_that_is_not_understood_ends_the_run_and_moves_nothing(
    vendor: Vendor, body: object
) -> None:
    reading = Reading(vendor)
    before = reading.position
    reading.desk.faults.append(failing(200, body=body))
    done = reading.run()
    assert done.over.complaint is not None
    assert (before, []) == (done.over.position, done.keys)


@each_vendor
def test_up_to_when_all_is_known_is_told_by_the_vendors_clock(vendor: Vendor) -> None:
    reading = Reading(vendor)
    done = reading.run()
    assert reading.desk.now() - MARGINS.settle == done.over.position.known_until


def test_the_times_are_the_vendors_however_wrong_ours_are() -> None:
    reading = Reading(GITHUB)
    reading.desk.now = lambda: EPOCH + 5 * HOUR
    reading.desk.put(Ticket(1, EPOCH + 4 * HOUR))
    reading.desk.put(Ticket(2, EPOCH + 5 * HOUR - timedelta(seconds=30)))
    assert reading.keys(1) == reading.run().keys


def test_a_list_that_is_not_in_order_is_refused() -> None:
    reading = Reading(GITHUB)
    desk = reading.desk
    assert isinstance(desk, GitHubDesk)
    issues = [
        desk.issue(Ticket(number, EPOCH - timedelta(seconds=ago))) for number, ago in ((1, 600), (2, 900))
    ]
    desk.faults.append(failing(200, body=issues))
    complaint = reading.run().over.complaint
    assert "the list is not in the order of its changes: it cannot be followed" == complaint


def test_an_instant_that_never_comes_to_rest_is_read_a_bounded_number_of_times() -> None:
    reading = Reading(GITHUB)
    reading.desk.page_items_max = 2
    for number in range(1, 6):
        reading.put(number, ago=900)
    fresh = count(100)

    def meanwhile() -> Iterator[None]:
        while True:
            reading.put(next(fresh), ago=900)
            yield

    reading.desk.meanwhile = meanwhile()
    done = reading.run()
    assert "the list changes faster than its pages can be read" == done.over.complaint
    assert EPOCH - timedelta(seconds=900) == done.over.position.watermark
    assert set(reading.keys(1, 2, 3, 4, 5)) <= set(done.keys)
    assert len(done.keys) == len(set(done.keys))


def test_pull_requests_are_left_out_and_do_not_hold_the_list_up() -> None:
    reading = Reading(GITHUB)
    desk = reading.desk
    assert isinstance(desk, GitHubDesk)
    desk.pull_requests = {1, 2, 4}
    desk.page_items_max = 2
    for number in range(1, 6):
        reading.put(number, ago=1_000 - 60 * number)
    assert reading.keys(3, 5) == reading.run().keys


def test_an_unchanged_list_costs_a_conditional_request() -> None:
    reading = Reading(GITHUB)
    desk = reading.desk
    assert isinstance(desk, GitHubDesk)
    reading.put(1, ago=900)
    reading.run()
    reading.run()
    left = desk.left
    reading.time.pass_(300)
    done = reading.run()
    assert (left, [], None) == (desk.left, done.keys, done.over.complaint)
    assert desk.now() - MARGINS.settle == done.over.position.known_until
    reading.put(2, ago=200)
    assert reading.keys(2) == reading.run().keys


def test_a_full_page_is_not_remembered_as_unchanged_for_what_comes_is_on_the_next_one() -> None:
    reading = Reading(GITHUB)
    for number in range(1, 101):
        reading.put(number, ago=900)
    assert [100, 0, 0] == [len(reading.run().keys) for _ in range(3)]
    reading.put(101, ago=700)
    assert reading.keys(101) == reading.run().keys


def test_a_list_with_something_unsettled_is_not_remembered_as_unchanged() -> None:
    reading = Reading(GITHUB)
    reading.put(1, ago=60)
    reading.run()
    reading.time.pass_(300)
    assert reading.keys(1) == reading.run().keys


def test_zendesk_is_asked_at_most_ten_times_a_minute() -> None:
    reading = Reading(ZENDESK)
    reading.desk.page_items_max = 1
    for number in range(1, 25):
        reading.put(number, ago=2_000 - 10 * number)
    done = reading.run()
    assert (24, None) == (len(done.keys), done.over.complaint)
    assert {6} == {wait.seconds for wait in done.waits}


def test_a_cursor_that_zendesk_does_not_take_any_more_is_replaced_by_the_watermark() -> None:
    reading = Reading(ZENDESK)
    reading.put(1, ago=900)
    reading.run()
    reading.put(2, ago=800)
    reading.desk.faults.append(failing(422))
    assert "2" in reading.run().keys


def test_what_zendesk_itself_did_to_a_ticket_is_found_though_its_time_stands_still() -> None:
    reading = Reading(ZENDESK)
    reading.put(1, ago=900)
    reading.run()
    desk = reading.desk
    assert isinstance(desk, ZendeskDesk)
    desk.generated[1] = reading.time.at - timedelta(seconds=300)
    first, second = reading.run().items, reading.run().items
    assert (["1"], []) == ([item.key for item in first], second)


def test_a_finding_that_was_not_acknowledged_is_found_again() -> None:
    reading = Reading(GITHUB)
    reading.desk.page_items_max = 2
    for number in range(1, 7):
        reading.put(number, ago=1_000 - 60 * number)
    died = run(
        GITHUB.listing(), reading.desk, reading.position, time=reading.time, credentials=GITHUB.credentials,
        dies=lambda found: GITHUB.key(3) in {item.key for item in found.items},
    )  # fmt: skip
    assert reading.keys(1, 2) == died.keys
    reading.position = died.over.position
    assert reading.keys(3, 4, 5, 6) == reading.run().keys
