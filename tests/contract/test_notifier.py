"""What services/alerting/ports.py promises of a notifier, kept by the webhook and by the simulated one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio

from services.alerting.adapters.webhook import Reach, WebhookNotifier, open_client
from services.alerting.core.delivery import Outcome
from services.alerting.ports import Notifier
from shared.contracts.instants import SECOND_US
from tests.contract.receiver import Answer, receiving
from tests.simulation.notifier import Answer as SimulatedAnswer
from tests.simulation.notifier import Receiver as SimulatedReceiver
from tests.simulation.notifier import SimulatedNotifier
from tests.simulation.point import go_on

pytestmark = pytest.mark.asyncio

AT_US: Final = 1_700_000_000 * SECOND_US
BODY: Final = b'{"type":"barometer.alert.fired.v1"}'


@dataclass
class Pair:
    """A notifier and the receiver at its other end."""

    notifier: Notifier
    elsewhere: Notifier
    """Sends to another receiver."""
    answer: Callable[[int, int | None], None]
    """From now on the receiver answers with (status, seconds it asks for)."""
    received: Callable[[], list[tuple[str, bytes]]]


@pytest_asyncio.fixture(params=["simulated", "webhook"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "simulated":
        yield _simulated()
        return
    with receiving() as receiver:
        async with open_client() as client:
            reach = Reach(loopback=True)
            yield Pair(
                WebhookNotifier(client, receiver.url, secret=None, reach=reach),
                WebhookNotifier(client, f"{receiver.url}/elsewhere", secret=None, reach=reach),
                lambda status, wait_s: setattr(
                    receiver,
                    "answers",
                    [Answer(status, {} if wait_s is None else {"retry-after": f"{wait_s}"})],
                ),
                lambda: [(one.headers["webhook-id"], one.body) for one in receiver.received],
            )


def _simulated() -> Pair:
    receiver = SimulatedReceiver("chat")

    def answer(status: int, wait_s: int | None) -> None:
        wait_us = None if wait_s is None else wait_s * SECOND_US
        receiver.answers = lambda: SimulatedAnswer(status, wait_us)

    return Pair(
        SimulatedNotifier(receiver, go_on),
        SimulatedNotifier(SimulatedReceiver("pager"), go_on),
        answer,
        lambda: [(one.delivery_id, one.body) for one in receiver.received],
    )


async def test_a_message_arrives_under_its_id_byte_for_byte_as_often_as_it_is_sent(pair: Pair) -> None:
    for _ in range(2):
        assert Outcome.DELIVERED is (await pair.notifier.send("d-1", BODY, at_us=AT_US)).outcome
    assert [("d-1", BODY)] * 2 == pair.received()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED), (204, Outcome.DELIVERED), (301, Outcome.FAILED), (404, Outcome.FAILED),
        (408, Outcome.RETRY), (410, Outcome.GONE), (429, Outcome.RETRY), (500, Outcome.RETRY), (503, Outcome.RETRY),
    ],
)  # fmt: skip
async def test_a_status_means_the_same_to_each(pair: Pair, status: int, outcome: Outcome) -> None:
    pair.answer(status, None)
    attempt = await pair.notifier.send("d-1", BODY, at_us=AT_US)
    assert (outcome, None) == (attempt.outcome, attempt.retry_after_us)


async def test_the_time_that_a_receiver_asks_for_is_told(pair: Pair) -> None:
    pair.answer(503, 90)
    attempt = await pair.notifier.send("d-1", BODY, at_us=AT_US)
    assert (Outcome.RETRY, 90 * SECOND_US) == (attempt.outcome, attempt.retry_after_us)


async def test_an_address_is_the_same_for_one_receiver_and_another_for_another(pair: Pair) -> None:
    assert pair.notifier.address == pair.notifier.address
    assert pair.notifier.address != pair.elsewhere.address


async def test_a_lost_answer_is_a_reason_to_try_again_though_the_message_arrived() -> None:
    receiver = SimulatedReceiver("chat", lambda: SimulatedAnswer(is_heard=False))
    attempt = await SimulatedNotifier(receiver, go_on).send("d-1", BODY, at_us=AT_US)
    assert Outcome.RETRY is attempt.outcome
    assert ["d-1"] == [one.delivery_id for one in receiver.received]
