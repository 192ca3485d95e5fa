"""What the webhook notifier promises: against a real HTTP server, verified by the standard's own library.

The couriers' part (retries, order, disabling) runs here too, on a real store and a clock of our own.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError

from services.alerting.adapters import webhook
from services.alerting.adapters.store import SqlAlertingStore
from services.alerting.adapters.webhook import BadReceiver, Reach, WebhookNotifier, open_client
from services.alerting.core.alerts import AlertRecord, Reason, ended
from services.alerting.core.delivery import SCHEDULE_US, Outcome
from services.alerting.ports import AlertingChanges
from services.alerting.worker import Addressee, CourierParts, Knock, ReceiverCourier, delivery_of
from shared.bus.port import LogIdentity
from shared.clock import ManualClock, SystemClock
from shared.contracts.instants import SECOND_US
from shared.runtime.port import Commit
from shared.sql.engine import opened
from tests.contract.receiver import Answer, Receiver, receiving

pytestmark = pytest.mark.asyncio

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
LOOPBACK = Reach(loopback=True)
BODY = '{"type":"barometer.alert.fired.v1","data":{"rule":"\u00fcberf\u00e4llig"}}'.encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened_receiver:
        yield opened_receiver


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client() as opened_client:
        yield opened_client


def now_us() -> int:
    return SystemClock().now_us()


async def test_the_standards_own_library_verifies_what_arrives(
    receiver: Receiver, client: httpx2.AsyncClient
) -> None:
    notifier = WebhookNotifier(client, receiver.url, secret=SECRET, reach=LOOPBACK)
    attempt = await notifier.send("delivery-1", BODY, at_us=now_us())
    assert Outcome.DELIVERED is attempt.outcome
    arrived = receiver.received[0]
    assert ("/hooks/alerts", BODY, "delivery-1") == (
        arrived.path,
        arrived.body,
        arrived.headers["webhook-id"],
    )
    assert f"127.0.0.1:{receiver.port}" == arrived.headers["host"]
    assert json.loads(BODY) == Webhook(SECRET).verify(arrived.body, arrived.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(arrived.body, arrived.headers)


async def test_two_secrets_sign_twice_so_that_a_receiver_can_change_over(
    receiver: Receiver, client: httpx2.AsyncClient
) -> None:
    secret = f"{SECRET} {OTHER_SECRET}"
    notifier = WebhookNotifier(client, receiver.url, secret=secret, reach=LOOPBACK)
    await notifier.send("delivery-1", BODY, at_us=now_us())
    for known in (SECRET, OTHER_SECRET):
        Webhook(known).verify(receiver.received[0].body, receiver.received[0].headers)


@pytest.mark.parametrize(
    "secret", ["whsec_AAAA", "whsec_short", "whsec_!" + "a" * 40, "not base64 at all", " "]
)
async def test_a_secret_of_no_use_is_refused_without_being_shown(
    client: httpx2.AsyncClient, secret: str
) -> None:
    with pytest.raises(BadReceiver) as refused:
        WebhookNotifier(client, "http://127.0.0.1/", secret=secret, reach=LOOPBACK)
    assert not secret.strip() or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED), (204, Outcome.DELIVERED),
        (301, Outcome.FAILED), (307, Outcome.FAILED), (400, Outcome.FAILED), (404, Outcome.FAILED),
        (408, Outcome.RETRY), (410, Outcome.GONE), (429, Outcome.RETRY), (500, Outcome.RETRY), (503, Outcome.RETRY),
    ],
)  # fmt: skip
async def test_an_answer_is_judged_by_its_status_alone(
    receiver: Receiver, client: httpx2.AsyncClient, status: int, outcome: Outcome
) -> None:
    receiver.answers = [Answer(status, {"location": receiver.url}, b"secret of the receiver" * 100_000)]
    notifier = WebhookNotifier(client, receiver.url, secret=SECRET, reach=LOOPBACK)
    attempt = await notifier.send("delivery-1", BODY, at_us=now_us())
    assert outcome is attempt.outcome
    assert "secret of the receiver" not in attempt.detail
    assert 1 == len(receiver.received), "a redirect is not followed"


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), ("Thu, 01 Jan 2026 00:02:00 GMT", 120), ("soon", None)]
)
async def test_retry_after_is_understood_as_seconds_and_as_a_date(
    receiver: Receiver, client: httpx2.AsyncClient, header: str, seconds: int | None
) -> None:
    receiver.answers = [Answer(503, {"retry-after": header})]
    notifier = WebhookNotifier(client, receiver.url, secret=SECRET, reach=LOOPBACK)
    attempt = await notifier.send("delivery-1", BODY, at_us=1_767_225_600 * SECOND_US)
    assert (None if seconds is None else seconds * SECOND_US) == attempt.retry_after_us


async def test_a_receiver_that_never_answers_is_given_up_in_time(
    receiver: Receiver, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.2)
    receiver.answers = [Answer(hangs=True)]
    notifier = WebhookNotifier(client, receiver.url, secret=SECRET, reach=LOOPBACK)
    attempt = await notifier.send("delivery-1", BODY, at_us=now_us())
    assert Outcome.RETRY is attempt.outcome


async def test_a_receiver_that_is_not_there_may_come_back(client: httpx2.AsyncClient) -> None:
    with receiving() as gone:
        url = gone.url
    notifier = WebhookNotifier(client, url, secret=SECRET, reach=LOOPBACK)
    attempt = await notifier.send("delivery-1", BODY, at_us=now_us())
    assert Outcome.RETRY is attempt.outcome
    assert url not in attempt.detail


async def test_an_address_that_must_not_be_called_is_not(
    receiver: Receiver, client: httpx2.AsyncClient
) -> None:
    notifier = WebhookNotifier(client, receiver.url, secret=SECRET, reach=Reach())
    attempt = await notifier.send("delivery-1", BODY, at_us=now_us())
    assert Outcome.FAILED is attempt.outcome
    assert [] == receiver.received


async def test_a_name_is_judged_by_every_address_it_leads_to(client: httpx2.AsyncClient) -> None:
    async def leads_to(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "169.254.169.254"]

    notifier = WebhookNotifier(
        client, "https://hooks.example.com/", secret=SECRET, reach=Reach(loopback=True, private=True),
        resolve=leads_to,
    )  # fmt: skip
    attempt = await notifier.send("delivery-1", BODY, at_us=now_us())
    assert Outcome.FAILED is attempt.outcome


async def test_the_checked_address_is_the_one_connected_to(
    receiver: Receiver, client: httpx2.AsyncClient
) -> None:
    async def leads_to(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    url = f"http://hooks.example.com:{receiver.port}/a?b=c"
    notifier = WebhookNotifier(client, url, secret=SECRET, reach=LOOPBACK, resolve=leads_to)
    assert Outcome.DELIVERED is (await notifier.send("delivery-1", BODY, at_us=now_us())).outcome
    arrived = receiver.received[0]
    assert ("/a?b=c", f"hooks.example.com:{receiver.port}") == (arrived.path, arrived.headers["host"])


@pytest.mark.parametrize(
    ("address", "reach", "allowed"),
    [
        ("8.8.8.8", Reach(), True), ("2606:4700::1111", Reach(), True),
        ("127.0.0.1", Reach(), False), ("::1", LOOPBACK, True), ("::ffff:127.0.0.1", Reach(), False),
        ("10.1.2.3", Reach(loopback=True), False), ("10.1.2.3", Reach(private=True), True),
        ("fd00::1", Reach(), False), ("100.64.0.1", Reach(private=True), False),
        ("169.254.169.254", Reach(loopback=True, private=True), False),
        ("0.0.0.0", Reach(loopback=True, private=True), False), ("224.0.0.1", Reach(private=True), False),
        ("fe80::1", Reach(private=True), False),
    ],
)  # fmt: skip
async def test_which_addresses_may_be_called(address: str, reach: Reach, allowed: bool) -> None:
    assert allowed is reach.allows(ipaddress.ip_address(address))


# ------------------------------------------------------------------------------------------ the couriers
@dataclass
class Tally:
    """Remembers what was counted."""

    notifications: list[str] = field(default_factory=list)

    def record(self, outcome: str) -> None:
        raise AssertionError(outcome)

    def notification(self, receiver: str, outcome: str) -> None:
        assert "chat" == receiver
        self.notifications.append(outcome)


class Office:
    """A courier with a store, a receiver and a clock that stands until moved."""

    def __init__(self, store: SqlAlertingStore, client: httpx2.AsyncClient, receiver: Receiver) -> None:
        self.store = store
        self.client = client
        self.receiver = receiver
        self.clock = ManualClock(now_us())
        self.tally = Tally()
        self.commits = 0
        self.epoch = 0
        self.alert = an_alert(self.clock.now_us())

    def courier(self) -> ReceiverCourier:
        parts = CourierParts(
            store=self.store, clock=self.clock, pause=_no_pause, partitions=lambda: (0,), chance=lambda: 0.0,
            tally=self.tally, knock=Knock(),
        )  # fmt: skip
        notifier = WebhookNotifier(self.client, self.receiver.url, secret=SECRET, reach=LOOPBACK)
        return ReceiverCourier(parts, Addressee("chat", notifier))

    async def commit(self, *alerts: AlertRecord) -> None:
        self.commits += 1
        deliveries = [delivery_of(alert, "chat", 0) for alert in alerts]
        log = LogIdentity("c", "backlog.cells.v1", "t", 1)
        if not self.epoch:
            self.epoch = (await self.store.take_over(log, 0, owner="a", known=None)).epoch
        changes = AlertingChanges(list(alerts), [], deliveries)
        await self.store.commit(
            Commit("backlog.cells.v1", 0, self.epoch, self.commits, 0, b"", -1, None, changes)
        )

    async def states(self) -> list[tuple[bool, str, int]]:
        found = await self.store.deliveries(self.alert.id)
        return [(resolves, state.value, attempts) for _, resolves, state, attempts, _ in found]

    def later(self, us: int) -> None:
        self.clock.set(self.clock.now_us() + us)


async def _no_pause(wait_ms: int) -> None:
    """Return at once."""


def an_alert(fired_at_us: int, number: int = 1) -> AlertRecord:
    return AlertRecord(
        id=f"alert-{number}", fingerprint="print", tenant="default", rule="backlog", rule_digest="",
        severity="critical", labels=(("queue", "tier1"),), measure="open", value=3.0, threshold=2.0,
        since_us=fired_at_us, fired_at_us=fired_at_us,
    )  # fmt: skip


@pytest_asyncio.fixture
async def office(tmp_path: Path, client: httpx2.AsyncClient, receiver: Receiver) -> AsyncIterator[Office]:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/alerting.db") as engine:
        store = SqlAlertingStore(engine)
        await store.prepare()
        yield Office(store, client, receiver)


async def test_a_delivery_says_what_the_topic_says(office: Office) -> None:
    await office.commit(office.alert)
    assert 1 == await office.courier().deliver_due()
    arrived = office.receiver.received[0]
    said = Webhook(SECRET).verify(arrived.body, arrived.headers)
    assert ("barometer.alert.fired.v1", "alert-1", "firing", {"queue": "tier1", "tenant": "default"}) == (
        said["type"], said["data"]["id"], said["data"]["state"], said["data"]["labels"],
    )  # fmt: skip
    assert said["timestamp"] == said["data"]["fired_at"]
    assert [(False, "delivered", 1)] == await office.states()
    assert ["delivered"] == office.tally.notifications


async def test_retries_follow_the_schedule_under_one_id_and_end(office: Office) -> None:
    office.receiver.answers = [Answer(500)]
    await office.commit(office.alert)
    courier = office.courier()
    assert 1 == await courier.deliver_due()
    for wait_us in SCHEDULE_US[1:]:
        office.later(wait_us - 1)
        assert 0 == await courier.deliver_due()
        office.later(SECOND_US)
        assert 1 == await courier.deliver_due()
    office.later(30 * 24 * 3_600 * SECOND_US)
    assert 0 == await courier.deliver_due()
    assert [(False, "failed", len(SCHEDULE_US))] == await office.states()
    assert 1 == len({one.headers["webhook-id"] for one in office.receiver.received})
    assert 1 == len({one.body for one in office.receiver.received})
    assert len(SCHEDULE_US) == len({one.headers["webhook-timestamp"] for one in office.receiver.received})
    assert ["retry"] * (len(SCHEDULE_US) - 1) + ["exhausted"] == office.tally.notifications


async def test_a_receiver_that_asks_for_time_gets_it_for_all_its_deliveries(office: Office) -> None:
    office.receiver.answers = [Answer(429, {"retry-after": "600"}), Answer(200)]
    office.later(1)
    await office.commit(office.alert, an_alert(office.clock.now_us(), number=2))
    courier = office.courier()
    assert 1 == await courier.deliver_due()
    office.later(599 * SECOND_US)
    assert 0 == await courier.deliver_due()
    office.later(2 * SECOND_US)
    assert 2 == await courier.deliver_due()
    assert [(False, "delivered", 2)] == await office.states()


async def test_a_clock_that_is_set_back_does_not_lengthen_the_time_a_receiver_is_left_alone(
    office: Office,
) -> None:
    office.receiver.answers = [Answer(503), Answer(200)]
    due_us = office.clock.now_us()
    await office.commit(office.alert, an_alert(due_us, number=2))
    courier = office.courier()
    office.later(3_600 * SECOND_US)
    assert 1 == await courier.deliver_due()
    office.clock.set(due_us)
    assert 1 == await courier.deliver_due()


async def test_a_receiver_that_is_gone_is_left_alone_also_after_a_restart(office: Office) -> None:
    office.receiver.answers = [Answer(410)]
    await office.commit(office.alert)
    await office.courier().deliver_due()
    assert [(False, "failed", 1)] == await office.states()
    await office.commit(an_alert(office.clock.now_us(), number=2))
    courier = office.courier()
    await courier.learn()
    assert 1 == await courier.deliver_due()
    assert 1 == len(office.receiver.received)
    assert ["gone", "failed"] == office.tally.notifications


async def test_the_end_follows_what_was_told_and_nothing_follows_silence(office: Office) -> None:
    courier = office.courier()
    await office.commit(office.alert)
    await courier.deliver_due()
    office.later(SECOND_US)
    at_us = office.clock.now_us()
    silent = an_alert(at_us, number=2)
    await office.commit(over(office.alert, at_us), silent, over(silent, at_us))
    office.later(SECOND_US)
    await courier.deliver_due()
    said = [json.loads(one.body) for one in office.receiver.received]
    assert [("alert-1", "firing"), ("alert-1", "resolved")] == [
        (one["data"]["id"], one["data"]["state"]) for one in said
    ]


def over(alert: AlertRecord, at_us: int) -> AlertRecord:
    return ended(alert, at_us, 1.0, Reason.RECOVERED)
