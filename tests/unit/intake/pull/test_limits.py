"""What answers ask for: to be used, to come again, or to stop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.intake.core.pull.limits import (
    LIMITED_SECONDS,
    WAIT_SECONDS_MAX,
    Outcome,
    Refused,
    Wait,
    judge,
    outcome_of,
    spent,
    vendor_now,
)
from services.intake.core.pull.port import Answer, Unreached
from tests.servers.desks.desk import EPOCH

DATE = "Mon, 02 Mar 2026 10:00:00 GMT"
NOW_S = int(EPOCH.timestamp())


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in {"date": DATE, **headers}.items()}
    return Answer(status, named, body, EPOCH + timedelta(hours=3))


def seconds(reply: Answer | Unreached, tries: int = 0) -> float:
    verdict = judge(reply, tries=tries)
    assert isinstance(verdict, Wait), verdict
    return verdict.seconds


@pytest.mark.parametrize(
    ("expected", "reply"),
    [
        (17, answer(429, retry_after="17")),
        (90, answer(429, retry_after="Mon, 02 Mar 2026 10:01:30 GMT")),
        (301, answer(403, x_ratelimit_remaining="0", x_ratelimit_reset=str(NOW_S + 300))),
        (301, answer(429, ratelimit_remaining="0", ratelimit_reset=str(NOW_S + 300))),
        (42, answer(429, ratelimit_reset="42")),
        (LIMITED_SECONDS, answer(403, b'{"message":"You have exceeded a secondary rate limit."}')),
        (LIMITED_SECONDS, answer(429)),
        (30, answer(403, retry_after="30")),
        (WAIT_SECONDS_MAX, answer(429, retry_after="999999")),
    ],
    ids=str,
)
def test_each_vendors_way_of_saying_not_so_fast_is_a_wait(expected: float, reply: Answer) -> None:
    assert Outcome.LIMITED == outcome_of(reply)
    assert expected == seconds(reply)


def test_a_vendor_in_trouble_is_asked_again_with_growing_waits() -> None:
    assert [1, 2, 4, 8, 60] == [seconds(answer(502), tries) for tries in (0, 1, 2, 3, 9)]
    assert [1, 2] == [seconds(Unreached("ReadError"), tries) for tries in (0, 1)]
    assert 20 == seconds(answer(503, retry_after="20"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "wrong, expired or revoked"),
        (403, "may not read"),
        (404, "no such list"),
        (301, "has moved"),
        (400, "400"),
    ],
)
def test_what_only_a_person_can_mend_is_told_in_words(status: int, words: str) -> None:
    verdict = judge(answer(status, x_ratelimit_remaining="4999"), tries=0)
    assert isinstance(verdict, Refused)
    assert words in verdict.why
    assert Outcome.REFUSED == outcome_of(answer(status))


def test_the_last_request_that_is_allowed_is_known_as_such() -> None:
    used_up = answer(200, x_ratelimit_remaining="0", x_ratelimit_reset=str(NOW_S + 60))
    assert 61 == (spent(used_up) or Wait(0, "")).seconds
    assert spent(answer(200, x_ratelimit_remaining="1", x_ratelimit_reset=str(NOW_S + 60))) is None


def test_without_a_date_our_own_clock_counts() -> None:
    assert EPOCH == vendor_now(answer(200))
    assert EPOCH + timedelta(hours=3) == vendor_now(answer(200, date=""))
    assert EPOCH + timedelta(hours=3) == vendor_now(answer(200, date="yesterday"))
