"""The three services in one process: one port, one application, one embedded log, SQLite beside it.

It is the same code as in distributed mode: each service is opened by its own composition root and
given what the process shares. Workers and server are siblings in one task group (shared/runtime), so
whatever dies takes the process with it and nothing limps on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from barometer.db import database_file, sqlite_url
from barometer.demo import DemoWorker
from barometer.publication import publish
from services.aging.app import Aging, open_aging
from services.aging.app import Given as AgingGiven
from services.aging.settings import Settings as AgingSettings
from services.aging.settings import kept_us_of, topic_partitions
from services.alerting.app import Alerting, open_alerting
from services.alerting.app import Given as AlertingGiven
from services.alerting.settings import Settings as AlertingSettings
from services.intake.adapters.memory import open_memory
from services.intake.adapters.metrics import PrometheusMailboxes, counters
from services.intake.app import Pulling, Reading, open_pulling
from services.intake.app import Service as IntakeService
from services.intake.app import service as intake_service
from services.intake.ports import Memory
from services.intake.settings import MailPorts, limits_of
from shared.bus.connect import EMBEDDED
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock
from shared.configuration.facts import facts_document
from shared.configuration.loader import load
from shared.configuration.models import Configuration
from shared.contracts.instants import from_us
from shared.http import health, openapi_page, problems
from shared.http.configured import keyring_of
from shared.http.health import Check
from shared.http.keys import Keyring, refuse_open_exposure
from shared.runtime.configurations import Configurations
from shared.runtime.group import pause
from shared.runtime.process import Worker, listen, serve
from shared.runtime.retention import retain
from shared.telemetry import build

DEMO_SEED: Final = 20_260_101


@dataclass(frozen=True, slots=True)
class Options:
    """What `barometer serve` was asked for."""

    host: str
    port: int
    data: Path
    config: Path | None
    demo: bool = False


@dataclass(frozen=True, slots=True)
class _Common:
    """What the three services share."""

    bus: Bus
    clock: Clock
    configuration: Configuration
    configurations: Configurations
    keyring: Keyring
    registries: tuple[CollectorRegistry, CollectorRegistry, CollectorRegistry]
    environment: Mapping[str, str]
    data: Path


async def main(options: Options, environment: Mapping[str, str]) -> None:
    """Run everything until SIGTERM. Raises what shared/runtime/process.py turns into exit codes."""
    configuration = load(options.config)
    refuse_open_exposure(options.host, has_keys=configuration.has_keys)
    clock = SystemClock()
    listening = listen(options.host, options.port)
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        address = f"{EMBEDDED}{options.data}"
        bus = await stack.enter_async_context(await EmbeddedBus.open(options.data, clock))
        bus.claim()  # before anything is published: beside another `serve` it would change that one's rules
        await bus.ensure_topics(topic_partitions(environment, address))
        await retain(bus, configuration.retention)
        await publish(bus, facts_document(configuration), now=from_us(clock.now_us()))
        common = _Common(
            bus=bus,
            clock=clock,
            configuration=configuration,
            configurations=Configurations(bus, pause),
            keyring=keyring_of(configuration),
            registries=(CollectorRegistry(), CollectorRegistry(), CollectorRegistry()),
            environment=environment,
            data=options.data,
        )
        memory = await stack.enter_async_context(_open_memory(common))
        pulling = await stack.enter_async_context(open_pulling(configuration, environment, memory))
        intake = _intake(common, memory, pulling)
        aging = await stack.enter_async_context(_open_aging(common))
        alerting = await stack.enter_async_context(_open_alerting(common))
        workers: dict[str, Worker] = {
            **intake.workers,
            "configuration": common.configurations,
            **aging.workers,
            **alerting.workers,
        }
        if options.demo:
            seeded = random.Random(DEMO_SEED)  # noqa: S311 - a made-up help desk, no secret
            workers["demo"] = DemoWorker(bus, clock, pause, configuration, seeded, environment)
        app = _application(
            (intake.routes, aging.routes, alerting.routes),
            lambda: [*intake.checks(), *aging.checks(), *alerting.checks()],
        )
        print(greeting(options, configuration, port=listening.getsockname()[1]), flush=True)
        await serve(app, workers, listening)


def _open_memory(common: _Common) -> AbstractAsyncContextManager[Memory]:
    url = sqlite_url(database_file(common.data, "intake"))
    return open_memory(url, thread_days=limits_of(common.environment).email_thread_days)


def _intake(common: _Common, memory: Memory, pulling: Pulling | None) -> IntakeService:
    return intake_service(
        common.bus,
        common.configuration,
        environment=common.environment,
        clock=common.clock,
        counted=counters(common.registries[0]),
        member="intake-1",
        configurations=common.configurations,
        limits=limits_of(common.environment),
        threads=memory.threads,
        reading=Reading(memory.cursors, PrometheusMailboxes(common.registries[0])),
        mail=MailPorts.from_environment(common.environment),
        pulling=pulling,
    )


def _open_aging(common: _Common) -> AbstractAsyncContextManager[Aging]:
    given = AgingGiven(
        bus=common.bus,
        clock=common.clock,
        registry=common.registries[1],
        keyring=common.keyring,
        configurations=common.configurations,
        database_url=sqlite_url(database_file(common.data, "aging")),
        worklist=common.configuration.sla.worklist,
        kept_us=kept_us_of(common.configuration.retention),
    )
    return open_aging(given, AgingSettings())


def _open_alerting(common: _Common) -> AbstractAsyncContextManager[Alerting]:
    given = AlertingGiven(
        bus=common.bus,
        clock=common.clock,
        registries=common.registries,
        keyring=common.keyring,
        configuration=common.configuration,
        environment=common.environment,
        database_url=sqlite_url(database_file(common.data, "alerting")),
        configurations=common.configurations,
    )
    return open_alerting(given, AlertingSettings.from_environment(common.environment))


def _application(services: Sequence[APIRouter], checks: Callable[[], Sequence[Check]]) -> FastAPI:
    app = FastAPI(title="Barometer", version=build().version, docs_url=None, redoc_url=None)
    problems.install(app)
    openapi_page.install(app)
    for routes in (*services, health.router(checks)):
        app.include_router(routes)
    return app


def greeting(options: Options, configuration: Configuration, *, port: int) -> str:
    """Return what a person who just started it wants to know."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    base = f"http://{host}:{port}"
    key = ' -H "Authorization: Bearer $KEY"' if configuration.has_keys else ""
    ticket = '{"id": "42", "subject": "Printer on fire", "priority": "p1", "queue": "hardware"}'
    about = "a made-up help desk is at work; " if options.demo else ""
    return f"""
Barometer {build().version}: {about}stop with Ctrl-C.

  tickets   {base}/v1/tickets
  backlog   {base}/v1/backlog
  alerts    {base}/v1/alerts
  metrics   {base}/metrics
  API       {base}/docs
  data      {options.data}
  config    {options.config or "defaults (no barometer.yaml)"}

Send a ticket:

  curl{key} -H "Content-Type: application/json" {base}/v1/events \\
    -d '{ticket}'
"""
