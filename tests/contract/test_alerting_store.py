"""What alerting's store promises: simulated, on SQLite and on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from services.alerting.adapters.store import MIGRATIONS, SqlAlertingStore
from services.alerting.adapters.tables import METADATA
from services.alerting.core.alerts import AlertRecord, Pending, Reason, ended
from services.alerting.ports import (
    AlertCursor,
    AlertFilter,
    AlertingChanges,
    AlertingStore,
    AlertQueries,
    Courier,
    Delivery,
    DeliveryState,
    Stored,
)
from shared.bus.port import LogIdentity
from shared.runtime.port import Commit, NotOwner
from shared.sql.engine import Engine, opened, read
from shared.sql.journal import define_journal
from shared.sql.migrate import upgrade
from tests.simulation.point import go_on
from tests.simulation.stores.alerting import SimulatedAlertingStore
from tests.simulation.stores.alerting_database import AlertingDatabase

pytestmark = pytest.mark.asyncio

LOG = LogIdentity(cluster="c-1", topic="backlog.cells.v1", topic_id="t-1", partitions=2)
NOW_US = 1_000_000_000


class Store(AlertingStore, Courier, AlertQueries, Protocol):
    """All three sides, which one class keeps."""


class World:
    """A store, owned."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.epoch = 0
        self.position = 0

    async def take_over(self) -> None:
        self.epoch = (await self.store.take_over(LOG, 0, owner="a", known=None)).epoch

    async def commit(
        self,
        *,
        alerts: Sequence[AlertRecord] = (),
        pending: Sequence[Pending] = (),
        deliveries: Sequence[Delivery] = (),
        epoch: int | None = None,
    ) -> None:
        self.position += 1
        await self.store.commit(
            Commit(
                topic=LOG.topic,
                partition=0,
                epoch=self.epoch if epoch is None else epoch,
                position=self.position,
                clock_us=self.position,
                note=b"judged",
                confirmed=-1,
                block=None,
                changes=AlertingChanges(list(alerts), list(pending), list(deliveries)),
            )
        )

    async def load(self, partition: int = 0, *, judged_us: int = NOW_US) -> Stored:
        return await self.store.load(partition, judged_us=judged_us)

    async def due(self, receiver: str = "chat", *, now_us: int = NOW_US) -> Sequence[Delivery]:
        return await self.store.due((0,), receiver, now_us=now_us, limit=10)

    async def told(self, alert: AlertRecord) -> list[tuple[str, bool, str]]:
        found = await self.store.deliveries(alert.id)
        return [(receiver, resolves, state.value) for receiver, resolves, state, _, _ in found]


@pytest_asyncio.fixture(params=["simulated", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        if request.param == "simulated":
            store: Store = SimulatedAlertingStore(AlertingDatabase(lambda: NOW_US), go_on)
        else:
            store = SqlAlertingStore(await stack.enter_async_context(upgraded(request, tmp_path)))
        world = World(store)
        await world.take_over()
        yield world


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    async with upgraded(request, tmp_path) as engine:
        yield engine


@asynccontextmanager
async def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/alerting.db"
    else:
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as engine:
        await upgrade(engine, MIGRATIONS)
        await SqlAlertingStore(engine).prepare()
        yield engine


def an_alert(number: int = 1, *, tenant: str = "default", fired_at_us: int = 500) -> AlertRecord:
    return AlertRecord(
        id=f"alert-{number}",
        fingerprint=f"print-{number}",
        tenant=tenant,
        rule="backlog",
        rule_digest="digest",
        severity="critical",
        labels=(("queue", 'tier "1"\n\u00fc'), ("priority", "")),
        measure="open",
        value=12.5,
        threshold=10.0,
        since_us=400,
        fired_at_us=fired_at_us,
        summary="Many",
    )


def over(alert: AlertRecord) -> AlertRecord:
    return ended(alert, alert.fired_at_us + 100, 1.0, Reason.RECOVERED)


def a_delivery(alert: AlertRecord, receiver: str = "chat", *, resolves: bool = False) -> Delivery:
    kind = "over" if resolves else "fires"
    due_us = alert.fired_at_us + (100 if resolves else 0)
    body = f'{{"{kind}": 1}}'.encode()
    return Delivery(f"{alert.id}-{kind}-{receiver}", 0, alert.id, receiver, resolves, body, due_us)


async def test_what_was_written_is_read_back_equal(world: World) -> None:
    waits = Pending("default", "backlog", "digest", (("queue", "b"),), 300)
    await world.commit(alerts=[an_alert()], pending=[waits])
    assert Stored([an_alert()], [waits], []) == await world.load()
    assert an_alert() == await world.store.alert("default", "alert-1")
    assert Stored([], [], []) == await world.load(1)


async def test_an_alert_that_is_over_is_kept_but_no_longer_loaded(world: World) -> None:
    await world.commit(alerts=[an_alert()])
    await world.commit(alerts=[over(an_alert())])
    assert Stored([], [], []) == await world.load()
    assert over(an_alert()) == await world.store.alert("default", "alert-1")


async def test_an_alert_that_was_over_at_the_instant_judged_last_or_later_is_loaded(world: World) -> None:
    ended_us = [200, 300, 400]
    alerts = [over(an_alert(number, fired_at_us=at_us - 100)) for number, at_us in enumerate(ended_us)]
    await world.commit(alerts=alerts)
    assert [200, 300, 400] == [alert.resolved_at_us for alert in alerts]
    assert Stored([], [], alerts[1:]) == await world.load(judged_us=300)
    assert Stored([], [], []) == await world.load(1, judged_us=300)


async def test_what_is_no_longer_pending_is_gone(world: World) -> None:
    waits = Pending("default", "backlog", "digest", (("queue", "b"),), 300)
    await world.commit(pending=[waits])
    again = replace(waits, since_us=700, rule_digest="another")
    await world.commit(pending=[replace(waits, since_us=None), again])
    assert Stored([], [again], []) == await world.load()
    await world.commit(pending=[replace(waits, since_us=None)])
    assert Stored([], [], []) == await world.load()


async def test_a_commit_of_a_former_owner_changes_nothing(world: World) -> None:
    former = world.epoch
    await world.take_over()
    with pytest.raises(NotOwner):
        await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())], epoch=former)
    assert Stored([], [], []) == await world.load()
    assert [] == await world.due()


async def test_deliveries_come_when_due_in_the_order_in_which_they_were(world: World) -> None:
    first, second = an_alert(1, fired_at_us=500), an_alert(2, fired_at_us=400)
    deliveries = [a_delivery(first), a_delivery(second), a_delivery(second, "mail")]
    await world.commit(alerts=[first, second], deliveries=deliveries)
    assert [deliveries[1]] == await world.due(now_us=400)
    assert [deliveries[1], deliveries[0]] == await world.due()
    assert [deliveries[2]] == await world.due("mail")
    assert [] == await world.store.due((1,), "chat", now_us=NOW_US, limit=10)


async def test_a_delivery_committed_twice_is_one(world: World) -> None:
    await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())])
    claimed = await world.store.claim((await world.due())[0], until_us=NOW_US + 60)
    await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())])
    assert claimed == (await world.due(now_us=NOW_US + 60))[0]


async def test_one_claim_of_many_wins(world: World) -> None:
    await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())])
    delivery = (await world.due())[0]
    claims = await asyncio.gather(*(world.store.claim(delivery, until_us=NOW_US + 60) for _ in range(5)))
    assert [delivery._replace(attempts=1, due_us=NOW_US + 60)] == [one for one in claims if one is not None]


async def test_an_attempt_that_was_never_settled_is_due_again(world: World) -> None:
    await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())])
    claimed = await world.store.claim((await world.due())[0], until_us=NOW_US + 60)
    assert claimed is not None
    assert [] == await world.due(now_us=NOW_US + 59)
    assert [claimed] == await world.due(now_us=NOW_US + 60)


async def test_only_the_last_attempt_settles(world: World) -> None:
    await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())])
    first = await world.store.claim((await world.due())[0], until_us=NOW_US + 60)
    assert first is not None
    second = await world.store.claim(first, until_us=NOW_US + 120)
    assert second is not None
    await world.store.settle(first, DeliveryState.FAILED, due_us=0, at_us=NOW_US, detail="late")
    assert [("chat", False, "due")] == await world.told(an_alert())
    await world.store.settle(second, DeliveryState.DELIVERED, due_us=0, at_us=NOW_US, detail="HTTP 200")
    assert [("chat", False, "delivered")] == await world.told(an_alert())
    assert [] == await world.due()


async def test_nobody_hears_of_an_alert_that_was_over_before_it_was_sent(world: World) -> None:
    await world.commit(alerts=[an_alert()], deliveries=[a_delivery(an_alert())])
    await world.commit(alerts=[over(an_alert())], deliveries=[a_delivery(an_alert(), resolves=True)])
    assert [("chat", False, "quiet")] == await world.told(an_alert())
    assert [] == await world.due()


async def test_nobody_hears_of_an_alert_that_fires_and_is_over_in_one_batch(world: World) -> None:
    alert = an_alert()
    deliveries = [a_delivery(alert), a_delivery(alert, resolves=True)]
    await world.commit(alerts=[alert, over(alert)], deliveries=deliveries)
    assert [] == await world.told(alert)
    assert over(alert) == await world.store.alert("default", alert.id)


async def test_who_may_have_heard_is_told_of_the_end_and_of_nothing_else(world: World) -> None:
    alert = an_alert()
    await world.commit(alerts=[alert], deliveries=[a_delivery(alert), a_delivery(alert, "mail")])
    claimed = await world.store.claim((await world.due())[0], until_us=NOW_US + 60)
    assert claimed is not None
    ends = [a_delivery(alert, name, resolves=True) for name in ("chat", "mail", "new receiver")]
    await world.commit(alerts=[over(alert)], deliveries=ends)
    assert [
        ("chat", False, "superseded"),
        ("chat", True, "due"),
        ("mail", False, "quiet"),
    ] == await world.told(alert)
    await world.store.settle(claimed, DeliveryState.DELIVERED, due_us=0, at_us=NOW_US, detail="late")
    assert [ends[0]] == await world.due()


async def test_a_receiver_disabled_is_remembered_with_its_address(world: World) -> None:
    await world.store.disable("chat", "address-1", at_us=NOW_US)
    await world.store.disable("chat", "address-2", at_us=NOW_US)
    assert {"chat": "address-2"} == await world.store.disabled()


async def test_deliveries_to_receivers_that_are_gone_are_given_up(world: World) -> None:
    await world.commit(
        alerts=[an_alert()], deliveries=[a_delivery(an_alert()), a_delivery(an_alert(), "mail")]
    )
    assert 1 == await world.store.abandon(["chat"], at_us=NOW_US)
    assert [("chat", False, "due"), ("mail", False, "failed")] == await world.told(an_alert())
    assert 1 == await world.store.abandon([], at_us=NOW_US)


async def test_alerts_are_listed_newest_first_page_by_page_and_by_tenant(world: World) -> None:
    mine = [an_alert(number, fired_at_us=500 + number // 2) for number in range(5)]
    others, own = an_alert(8, tenant="other"), an_alert(9, tenant="", fired_at_us=100)
    await world.commit(alerts=[*mine, others, own])
    await world.commit(alerts=[over(mine[3])])
    wanted = AlertFilter("default")
    first = await world.store.find(wanted, after=None, limit=4)
    rest = await world.store.find(wanted, after=AlertCursor(first[-1].fired_at_us, first[-1].id), limit=4)
    assert ["alert-4", "alert-3", "alert-2", "alert-1"] == [one.id for one in first]
    assert ["alert-0", "alert-9"] == [one.id for one in rest]
    resolved = await world.store.find(AlertFilter("default", firing=False), after=None, limit=9)
    assert ["alert-3"] == [one.id for one in resolved]
    firing = await world.store.find(AlertFilter("other", firing=True, rule="backlog"), after=None, limit=9)
    assert ["alert-8", "alert-9"] == [one.id for one in firing]
    assert await world.store.alert("other", "alert-1") is None


async def test_the_migrations_make_the_tables_that_the_code_uses(engine: Engine) -> None:
    def differences(connection: Connection) -> list[object]:
        wanted = MetaData()
        define_journal(wanted)
        for table in METADATA.tables.values():
            table.to_metadata(wanted)
        return list(compare_metadata(MigrationContext.configure(connection), wanted))

    assert [] == await read(engine, differences)
