"""Messages that only their ticket shows: each ticket that changed is asked, and none is asked or told twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.intake.core.pull.flow import LOOKBACK, TALKS_MAX, Found
from services.intake.core.pull.position import Position
from tests.servers.desks.desk import EPOCH, Answered, Asked, Ticket, answered, failing
from tests.servers.desks.zendesk import ZendeskDesk
from tests.unit.intake.pull.driving import Run, Time, run
from tests.unit.intake.pull.vendors import ZENDESK_COMMENTS

BEGIN = EPOCH - timedelta(hours=3)


class Asking:
    """A desk of tickets, asked again and again for what was said in them."""

    def __init__(self) -> None:
        self.time, self.position = Time(), Position.begin(BEGIN)
        self.desk = ZendeskDesk(self.time.now)
        for number in (1, 2, 3):
            self.desk.put(Ticket(number, BEGIN, created_at=BEGIN - timedelta(hours=1)))

    def say(self, number: int, ticket: int, *, ago: float) -> None:
        self.desk.say(number, ticket, self.time.at - timedelta(seconds=ago))

    def run(self, *, dies_at: int = 0) -> Run:
        """Read once; the process falls before the finding of that number is acknowledged."""
        found: list[Found] = []

        def dies(step: Found) -> bool:
            found.append(step)
            return len(found) == dies_at

        done = run(
            ZENDESK_COMMENTS.listing(), self.desk, self.position, time=self.time, dies=dies,
            credentials=ZENDESK_COMMENTS.credentials,
        )  # fmt: skip
        self.position = done.over.position
        return done

    def asked(self) -> list[int]:
        """Return the tickets that were asked, and forget them."""
        paths = [asked.path for asked in self.desk.asked if "/comments" in asked.path]
        self.desk.asked.clear()
        return [int(path.split("/")[4]) for path in paths]


def numbers(done: Run) -> list[int]:
    return [int(item.key.rpartition(" ")[2]) for item in done.items]


def refusing(desk: ZendeskDesk, ticket: int, fault: Answered) -> None:
    """Let the conversation of one ticket be answered by a fault, once."""
    respond, left = desk.respond, [fault]

    def answer(asked: Asked) -> Answered:
        return left.pop() if left and f"/{ticket}/comments" in asked.path else respond(asked)

    desk.respond = answer  # type: ignore[method-assign]


def test_tickets_that_did_not_change_are_not_asked() -> None:
    asking = Asking()
    asking.say(11, 1, ago=900)
    assert [11] == numbers(asking.run())
    asking.asked()
    asking.say(12, 2, ago=300)
    assert ([12], [2]) == (numbers(asking.run()), asking.asked())
    assert ([], []) == (numbers(asking.run()), asking.asked())


def test_a_conversation_of_several_pages_is_read_back_to_what_is_known() -> None:
    asking = Asking()
    asking.desk.page_items_max = 2
    for number in range(11, 18):
        asking.say(number, 1, ago=2_000 - 10 * number)
    assert list(range(11, 18)) == numbers(asking.run())
    asking.time.pass_(LOOKBACK.total_seconds() + 600)
    asking.run()
    asking.asked()
    asking.time.pass_(300)
    asking.say(18, 1, ago=200)
    assert ([18], [1]) == (numbers(asking.run()), asking.asked()), "one page, for the second is of long ago"


def test_a_ticket_that_changes_at_every_turn_before_it_has_settled_hides_nothing() -> None:
    asking = Asking()
    asking.run()
    asking.time.pass_(600)
    asking.say(11, 1, ago=10)
    for turn in range(6):
        asking.desk.change(1, asking.time.at - timedelta(seconds=10))
        asking.say(20 + turn, 2, ago=200)  # so the watermark goes on
        assert [20 + turn] == numbers(asking.run())
        asking.time.pass_(300)
    assert 11 in numbers(asking.run())


def test_what_was_said_a_moment_ago_is_left_until_its_webhook_had_time() -> None:
    asking = Asking()
    asking.say(11, 1, ago=900)
    asking.say(12, 1, ago=30)
    asking.desk.change(1, asking.time.at - timedelta(seconds=800))
    assert [11] == numbers(asking.run())
    asking.time.pass_(300)
    asking.desk.change(1, asking.time.at - timedelta(seconds=200))
    assert [12] == numbers(asking.run())


def test_a_limit_in_the_middle_loses_none_of_the_way() -> None:
    asking = Asking()
    for number in (1, 2, 3):
        asking.say(10 + number, number, ago=1_000 - number)
    refusing(asking.desk, 2, failing(429, {"retry-after": "400"})(Asked("", {}, {})))
    done = asking.run()
    assert ([11, 12, 13], [400]) == (numbers(done), [one.seconds for one in done.waits if one.seconds > 10])
    assert [1, 2, 2, 3] == asking.asked()


def test_many_tickets_are_asked_in_several_runs_so_that_other_lists_are_read_between() -> None:
    asking = Asking()
    asking.desk.tickets.clear()
    for number in range(100, 100 + TALKS_MAX + 7):
        asking.desk.put(Ticket(number, BEGIN))
        asking.say(1_000 + number, number, ago=2_000 - number)
    first = asking.run()
    assert (TALKS_MAX, True, None) == (len(first.items), first.over.more, first.over.complaint)
    second = asking.run()
    assert (7, False) == (len(second.items), second.over.more)
    assert set(range(100, 100 + TALKS_MAX + 7)) == set(asking.asked())


@pytest.mark.parametrize("cut", [False, True], ids=["503", "cut"])
def test_a_conversation_that_fails_for_a_moment_is_asked_for_again(cut: bool) -> None:
    asking = Asking()
    asking.say(11, 1, ago=900)
    refusing(asking.desk, 1, failing(503)(Asked("", {}, {}))._replace(cut=cut))
    done = asking.run()
    assert ([11], None, [1, 1]) == (numbers(done), done.over.complaint, [n for n in asking.asked() if n == 1])


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
def test_what_was_not_acknowledged_is_asked_for_again_and_nothing_else(dies_at: int) -> None:
    asking = Asking()
    for number in (1, 2, 3):
        asking.say(10 + number, number, ago=1_000 - number)
    first = numbers(asking.run(dies_at=dies_at))
    asking.asked()
    assert [11, 12, 13] == first + numbers(asking.run())
    assert [1, 2, 3][dies_at - 1 :] == asking.asked()


def test_a_conversation_that_may_not_be_read_ends_the_run_and_says_so() -> None:
    asking = Asking()
    asking.say(11, 1, ago=900)
    asking.desk.mute = True
    before = asking.position
    done = asking.run()
    assert (
        "the answer was 403: the token may not read this: give it the rights in docs/pull.md"
        == done.over.complaint
    )
    assert (before, []) == (done.over.position, done.items)
    asking.desk.mute = False
    assert [11] == numbers(asking.run())


def test_a_conversation_that_is_not_newest_first_is_refused() -> None:
    asking = Asking()
    asking.say(11, 1, ago=900)
    asking.say(12, 1, ago=800)
    comments = [asking.desk.comment(asking.desk.comments[number]) for number in (11, 12)]
    refusing(asking.desk, 1, answered({"comments": comments, "users": [], "meta": {"has_more": False}}))
    assert "the messages of 1 are not newest first: some would be left out" == asking.run().over.complaint
