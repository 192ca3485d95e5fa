"""Aging put together: adapters opened, the worker made, routes built; torn down in the reverse order.

Whoever runs it (one process for all three services, or one for aging alone) opens bus, registry and
configuration, and gets workers to run, routes to serve and reasons for not being ready.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from services.aging.adapters.metrics import AgingCollector, Tally
from services.aging.adapters.sql import SqlAgingStore
from services.aging.api import PartitionTerms, router
from services.aging.core.age import AgeVersion
from services.aging.core.timeline import as_of
from services.aging.ports import AgingChanges
from services.aging.settings import (
    GROUP,
    ProcessSettings,
    Settings,
    age_of,
    arrangement_of,
    default_terms,
    kept_us_of,
)
from services.aging.worker import AgingLogic, Placement
from shared.bus.connect import connect
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock
from shared.configuration.loader import load
from shared.configuration.sla import Worklist
from shared.contracts.topics import CELLS, EVENTS
from shared.http import health, openapi_page, problems
from shared.http.configured import keyring_of
from shared.http.health import Check
from shared.http.keys import Keyring, refuse_open_exposure
from shared.runtime.configurations import Configurations
from shared.runtime.group import PartitionGroup, pause
from shared.runtime.partition import Parts
from shared.runtime.process import Worker, listen, serve
from shared.runtime.retention import retain
from shared.telemetry import build

SERVICE: Final = "aging"


@dataclass(frozen=True, slots=True)
class Given:
    """What aging shares with the process around it."""

    bus: Bus
    clock: Clock
    registry: CollectorRegistry
    keyring: Keyring
    configurations: Configurations
    database_url: str
    worklist: Worklist
    kept_us: int | None = None
    """How long a ticket is kept whole after it left; None for ever."""


@dataclass(frozen=True, slots=True)
class Aging:
    """Aging as a part of a process: what to mount, what to run, what to ask for readiness."""

    routes: APIRouter
    workers: Mapping[str, Worker]
    group: PartitionGroup[AgingChanges]
    configurations: Configurations

    def checks(self) -> Sequence[Check]:
        """Return why aging is not ready, by part."""
        return [
            Check(SERVICE, "; ".join(self.group.complaints()) or None),
            Check("configuration", self.configurations.complaint()),
        ]


@asynccontextmanager
async def open_aging(given: Given, settings: Settings) -> AsyncIterator[Aging]:
    """Give aging, ready to run; the topics exist already.

    Raises StoreMisconfigured, StoreUnavailable, BusUnavailable.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqlAgingStore.open(given.database_url))
        events = (await given.bus.identity(EVENTS)).partitions
        cells = (await given.bus.identity(CELLS)).partitions
        tally, defaults = Tally(), default_terms()

        def new_logic(partition: int) -> AgingLogic:
            logic = AgingLogic(
                store, given.configurations, Placement(partition, events, cells), defaults,
                kept_us=given.kept_us,
            )  # fmt: skip
            tally.watch(partition, logic)
            return logic

        group = PartitionGroup(
            Parts(
                bus=given.bus,
                store=store,
                clock=given.clock,
                pause=pause,
                topic=EVENTS,
                service=SERVICE,
                owner=settings.member,
                new_logic=new_logic,
            ),
            group=GROUP,
            member=settings.member,
        )
        given.registry.register(AgingCollector(tally, group.statuses, given.clock))

        def age() -> AgeVersion:
            latest = given.configurations.latest
            return AgeVersion() if latest is None else age_of(latest.document)

        routes = router(
            store, clock=given.clock, keyring=given.keyring, age=age, as_of=as_of,
            terms=PartitionTerms(store, given.configurations, defaults), arrange=arrangement_of(given.worklist),
        )  # fmt: skip
        workers: dict[str, Worker] = {SERVICE: group}
        yield Aging(routes, workers, group, given.configurations)


def application(aging: Aging, registry: CollectorRegistry) -> FastAPI:
    """Return the application of a process that runs aging alone."""
    app = FastAPI(title="Barometer aging", version=build().version, docs_url=None, redoc_url=None)
    problems.install(app)
    openapi_page.install(app)
    app.include_router(aging.routes)
    app.include_router(health.router(aging.checks))

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def main(settings: ProcessSettings, environment: Mapping[str, str]) -> None:
    """Run aging until SIGTERM. Raises what shared/runtime/process.py turns into exit codes."""
    configuration = load(settings.config)
    refuse_open_exposure(settings.host, has_keys=configuration.has_keys)
    clock, registry = SystemClock(), CollectorRegistry()
    listening = listen(settings.host, settings.port)
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        bus = await stack.enter_async_context(
            await connect(settings.bus, clock=clock, environment=environment)
        )
        await bus.ensure_topics(settings.partitions)
        await retain(bus, configuration.retention)
        configurations = Configurations(bus, pause)
        given = Given(
            bus=bus,
            clock=clock,
            registry=registry,
            keyring=keyring_of(configuration),
            configurations=configurations,
            database_url=settings.database,
            worklist=configuration.sla.worklist,
            kept_us=kept_us_of(configuration.retention),
        )
        aging = await stack.enter_async_context(open_aging(given, settings.aging))
        workers = {**aging.workers, "configuration": configurations}
        await serve(application(aging, registry), workers, listening)
