"""Alerting put together: adapters opened, workers made, routes built; torn down in the reverse order.

Whoever runs it (one process for all three services, or one for alerting alone) opens bus, registry and
configuration, and gets workers to run, routes to serve and reasons for not being ready.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx2
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from services.alerting.adapters.health import Health
from services.alerting.adapters.store import SqlAlertingStore
from services.alerting.adapters.webhook import BadReceiver, Reach, WebhookNotifier, open_client
from services.alerting.api import Surface, router
from services.alerting.ports import AlertingChanges
from services.alerting.settings import (
    GROUP,
    ProcessSettings,
    ReceiverSettings,
    Settings,
    buckets_of,
    receivers_of,
    routing_of,
    rule_labels,
    rules_of,
)
from services.alerting.worker import Addressee, CourierParts, Desk, Knock, Parts, ReceiverCourier
from shared.bus.connect import connect
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock
from shared.configuration.loader import load
from shared.configuration.models import Configuration
from shared.contracts.topics import ALERTS, CELLS, CONFIG, partition_of
from shared.http import health as health_routes
from shared.http import openapi_page, problems
from shared.http.configured import keyring_of
from shared.http.health import Check
from shared.http.keys import Keyring, refuse_open_exposure
from shared.runtime.configurations import Configurations
from shared.runtime.environment import SettingsInvalid
from shared.runtime.group import PartitionGroup, pause
from shared.runtime.partition import Parts as LoopParts
from shared.runtime.process import Worker, listen, serve
from shared.sql.engine import opened
from shared.telemetry import build

SERVICE: Final = "alerting"


@dataclass(frozen=True, slots=True)
class Given:
    """What alerting shares with the process around it."""

    bus: Bus
    clock: Clock
    registries: Sequence[CollectorRegistry]
    """Own health of the services in this process; alerting adds to the last and shows all of them."""
    keyring: Keyring
    configuration: Configuration
    environment: Mapping[str, str]
    """Where secrets of receivers are looked up."""
    database_url: str
    configurations: Configurations | None = None
    """Where buckets are published; without it those of the configuration stay."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """Alerting as a part of a process: what to mount, what to run, what to ask for readiness."""

    routes: APIRouter
    workers: Mapping[str, Worker]
    desk: Desk
    group: PartitionGroup[AlertingChanges]

    def checks(self) -> Sequence[Check]:
        """Return why alerting is not ready, by part."""
        complaints = self.group.complaints() or self.desk.complaints()
        return [Check(SERVICE, "; ".join(complaints) or None)]


@asynccontextmanager
async def open_alerting(given: Given, settings: Settings) -> AsyncIterator[Alerting]:
    """Give alerting, ready to run; the topics exist already.

    Raises StoreMisconfigured, StoreUnavailable, BusUnavailable, BadRule, SettingsInvalid, ConfigurationInvalid.
    """
    configuration = given.configuration
    rules, routing = rules_of(configuration), routing_of(configuration)
    receivers = receivers_of(configuration, given.environment)
    health = Health(given.registries[-1], rules=rule_labels(rules), receivers=routing.receivers)
    knock = Knock()
    async with AsyncExitStack() as stack:
        store = SqlAlertingStore(await stack.enter_async_context(opened(given.database_url)))
        await store.prepare()
        await store.abandon(routing.receivers, at_us=given.clock.now_us())
        partitions = (await given.bus.identity(CELLS)).partitions
        desk = Desk(
            Parts(
                store=store,
                open_reader=lambda: given.bus.open_reader(CELLS),
                rules=rules,
                routing=routing,
                buckets_seconds=configuration.age.buckets_seconds,
                tenants_of=_tenants_of(configuration, partitions),
                tally=health,
                queues_max=settings.queues_max,
                knock=knock,
            )
        )
        if given.configurations is not None:
            given.configurations.follow(lambda version: desk.cut(buckets_of(version)))
        group = _group(given, settings, store, desk)
        reach = Reach(loopback=settings.webhook_loopback, private=settings.webhook_private)
        notifiers = _notifiers(await stack.enter_async_context(open_client()), receivers, reach)
        courier_parts = CourierParts(
            store=store,
            clock=given.clock,
            pause=pause,
            partitions=desk.partitions,
            chance=random.random,
            tally=health,
            knock=knock,
        )
        couriers = {f"courier-{each.name}": ReceiverCourier(courier_parts, each) for each in notifiers}

        def refresh() -> None:
            health.refresh(
                firing=desk.firing(),
                statuses=group.statuses(),
                judged_us=desk.judged_low_us(),
                now_us=given.clock.now_us(),
            )

        surface = Surface(store, desk, rules, given.keyring, given.registries, refresh)
        yield Alerting(router(surface), {SERVICE: group, **couriers}, desk, group)


def _tenants_of(configuration: Configuration, partitions: int) -> Callable[[int], Sequence[str]]:
    names = [tenant.name for tenant in configuration.tenants]
    return lambda partition: [name for name in names if partition_of(name.encode(), partitions) == partition]


def _group(
    given: Given, settings: Settings, store: SqlAlertingStore, desk: Desk
) -> PartitionGroup[AlertingChanges]:
    loop = LoopParts(
        bus=given.bus,
        store=store,
        clock=given.clock,
        pause=pause,
        topic=CELLS,
        service=SERVICE,
        owner=settings.member,
        new_logic=desk.new_logic,
    )
    group = PartitionGroup(loop, group=GROUP, member=settings.member)
    desk.follow(group.statuses)
    return group


def _notifiers(
    client: httpx2.AsyncClient, receivers: Sequence[ReceiverSettings], reach: Reach
) -> list[Addressee]:
    return [Addressee(each.name, _notifier(client, each, reach)) for each in receivers]


def _notifier(client: httpx2.AsyncClient, receiver: ReceiverSettings, reach: Reach) -> WebhookNotifier:
    try:
        return WebhookNotifier(client, receiver.url, secret=receiver.secret, reach=reach)
    except BadReceiver as error:
        raise SettingsInvalid(f"receiver {receiver.name}: {error}") from None


def application(alerting: Alerting) -> FastAPI:
    """Return the application of a process that runs alerting alone."""
    app = FastAPI(title="Barometer alerting", version=build().version, docs_url=None, redoc_url=None)
    problems.install(app)
    openapi_page.install(app)
    app.include_router(alerting.routes)
    app.include_router(health_routes.router(alerting.checks))
    return app


async def main(settings: ProcessSettings, environment: Mapping[str, str]) -> None:
    """Run alerting until SIGTERM. Raises what shared/runtime/process.py turns into exit codes."""
    configuration = load(settings.config)
    refuse_open_exposure(settings.host, has_keys=configuration.has_keys)
    clock = SystemClock()
    listening = listen(settings.host, settings.port)
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        bus = await stack.enter_async_context(
            await connect(settings.bus, clock=clock, environment=environment)
        )
        await bus.ensure_topics(
            {CONFIG.name: 1, **{topic.name: settings.cells_partitions for topic in (CELLS, ALERTS)}}
        )
        configurations = Configurations(bus, pause)
        given = Given(
            bus=bus,
            clock=clock,
            registries=(CollectorRegistry(),),
            keyring=keyring_of(configuration),
            configuration=configuration,
            environment=environment,
            database_url=settings.database,
            configurations=configurations,
        )
        alerting = await stack.enter_async_context(open_alerting(given, settings.alerting))
        workers = {**alerting.workers, "configuration": configurations}
        await serve(application(alerting), workers, listening)
