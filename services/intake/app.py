"""Intake put together: routes, the inbox worker, health; alone in a process or inside `barometer serve`.

Intake keeps nothing but the threads of e-mail and how far sources were read: it adds processes to grow, and a
process that dies loses only requests that were never answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import httpx2
from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from services.intake.adapters.fetch import HttpFetch, open_client
from services.intake.adapters.memory import open_memory
from services.intake.adapters.metrics import PrometheusMailboxes, counters
from services.intake.api import router
from services.intake.api.appending import Appending
from services.intake.api.bodies import InFlight
from services.intake.api.emails import Emails
from services.intake.api.emails import Parts as EmailParts
from services.intake.api.mailroom import Mailroom
from services.intake.api.mailroom import Parts as MailroomParts
from services.intake.api.publishing import Parts, Publishing
from services.intake.api.web_form import Parts as WebFormParts
from services.intake.api.web_form import WebForms
from services.intake.api.webhooks import Parts as WebhookParts
from services.intake.api.webhooks import Webhooks
from services.intake.core.definition import DEFAULT_TENANT
from services.intake.core.mail.account import Account
from services.intake.core.pull.source import PulledSource
from services.intake.core.sources import Sources
from services.intake.ports import Counters, Cursors, MailboxCounters, Memory, Threads
from services.intake.settings import (
    Limits,
    MailPorts,
    Settings,
    definitions_of,
    forms_of,
    hooks_of,
    proxies_of,
)
from services.intake.settings.emails import accounts_of, inbound_of, mailboxes_of
from services.intake.settings.pull import pulled_of
from services.intake.worker.collector import Parts as CollectorParts
from services.intake.worker.inbox import InboxWorker
from services.intake.worker.inbox import Parts as InboxParts
from services.intake.worker.mailbox import MailboxWorker
from services.intake.worker.mailbox import Parts as MailboxParts
from services.intake.worker.pull import Parts as PullParts
from services.intake.worker.pull import PullWorker
from shared.bus.connect import connect
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock
from shared.configuration.loader import load
from shared.configuration.models import Configuration
from shared.contracts.configuration import ConfigVersion
from shared.http import health, openapi_page, problems
from shared.http.configured import keyring_of
from shared.http.health import Check
from shared.http.keys import refuse_open_exposure
from shared.runtime.configurations import Configurations
from shared.runtime.environment import PREFIX, SettingsInvalid
from shared.runtime.group import pause
from shared.runtime.process import Worker, listen, serve
from shared.telemetry import build


@dataclass(frozen=True, slots=True)
class Service:
    """Intake as a part of a process: what to mount, what to run, what to ask for readiness."""

    routes: APIRouter
    workers: Mapping[str, Worker]
    checks: Callable[[], Sequence[Check]]


@dataclass(frozen=True, slots=True)
class Pulling:
    """What pulling needs: which sources, their cursors, and the client that asks."""

    pulled: Sequence[PulledSource]
    cursors: Cursors
    client: httpx2.AsyncClient

    def workers(
        self, bus: Bus, sources: Sources, clock: Clock, counted: Counters, member: str
    ) -> dict[str, Worker]:
        """Return a worker for each source."""
        parts = PullParts(bus, self.cursors, sources, clock, counted, pause, member, _fresh_id)
        return {
            f"pull {one.tenant}/{one.source}": PullWorker(parts, one, HttpFetch(self.client, one, clock))
            for one in self.pulled
        }


@asynccontextmanager
async def open_pulling(
    configuration: Configuration, environment: Mapping[str, str], memory: Memory | None
) -> AsyncIterator[Pulling | None]:
    """Give what pulling needs, None if no source is pulled. Raises ConfigurationInvalid, SettingsInvalid."""
    pulled = pulled_of(configuration, environment)
    if not pulled:
        yield None
        return
    if memory is None:
        names = ", ".join(f"`{one.source}`" for one in pulled)
        raise SettingsInvalid(
            f"{names} cannot be pulled without a place to remember how far: set {PREFIX}DATABASE for intake"
        )
    async with open_client() as client:
        yield Pulling(pulled, memory.cursors, client)


class Reading(NamedTuple):
    """What reading mailboxes takes beside: a memory of how far they were read, and somebody who counts."""

    cursors: Cursors
    counters: MailboxCounters


def service(
    bus: Bus,
    configuration: Configuration,
    *,
    environment: Mapping[str, str],
    clock: Clock,
    counted: Counters,
    member: str,
    configurations: Configurations | None = None,
    limits: Limits | None = None,
    threads: Threads | None = None,
    reading: Reading | None = None,
    mail: MailPorts | None = None,
    pulling: Pulling | None = None,
) -> Service:
    """Return intake on `bus`, which stays the caller's. Raises ConfigurationInvalid for a missing secret.

    `environment` has the secrets of webhooks and mailboxes; `configurations` tells what the sources' words mean,
    once that was published. Without `pulling` nothing is pulled, whatever the configuration says; without
    `reading` SettingsInvalid is raised if mailboxes are to be read.
    """
    limits = limits or Limits()
    sources = _sources(configuration, environment, configurations)
    in_flight = InFlight(limits)
    appending = Appending(bus, retry_after_seconds=limits.retry_after_seconds, threads=threads)
    keyring = keyring_of(configuration)
    publishing = Publishing(Parts(sources, keyring, clock, counted, limits, _fresh_id, in_flight, appending))
    hooks = hooks_of(configuration, environment)
    webhooks = Webhooks(WebhookParts(hooks, sources, clock, counted, limits, _fresh_id, in_flight, appending))
    mailroom = Mailroom(
        MailroomParts(threads, clock, counted, _fresh_id, appending, limits.retry_after_seconds)
    )
    inbound = inbound_of(configuration, environment)
    emails = Emails(EmailParts(mailroom, sources, keyring, counted, limits, in_flight, clock, inbound))
    inbox = InboxWorker(
        InboxParts(bus, sources, clock, counted, pause, member, item_bytes_max=limits.item_bytes_max)
    )
    bytes_max = limits.email_bytes_max
    collecting = partial(CollectorParts, mailroom=mailroom, sources=sources, clock=clock, bytes_max=bytes_max)
    mailboxes = _mailboxes(accounts_of(configuration, environment), collecting, reading, member)
    listeners = _listeners(mail or MailPorts(), configuration, mailroom, sources, limits)
    forms = WebForms(
        WebFormParts(
            forms_of(configuration, environment), sources, clock, counted, limits, _fresh_id, in_flight,
            appending, proxies_of(environment),
        )
    )  # fmt: skip
    pulls = {} if pulling is None else pulling.workers(bus, sources, clock, counted, member)
    workers: dict[str, Worker] = {"inbox": inbox, **listeners, **mailboxes, **pulls}
    return Service(
        router(publishing, webhooks, emails, forms), workers, partial(_checks, appending, inbox, mailboxes)
    )


def _sources(
    configuration: Configuration, environment: Mapping[str, str], configurations: Configurations | None
) -> Sources:
    """Return the sources, whose words mean what was published last."""
    sources = Sources(definitions_of(configuration, environment))
    if configurations is not None:

        def adopt(published: ConfigVersion) -> None:
            sources.replace(definitions_of(configuration, environment, published))

        configurations.follow(adopt)
    return sources


def _checks(
    appending: Appending, inbox: InboxWorker, mailboxes: Mapping[str, MailboxWorker]
) -> Sequence[Check]:
    vital = (Check("bus", appending.complaint()), Check("inbox", inbox.complaint()))
    # A mail server out of reach is no reason to send everybody else's events elsewhere.
    read = (Check(name, one.complaint(), is_vital=False) for name, one in mailboxes.items())
    return (*vital, *read)


def _mailboxes(
    accounts: Sequence[Account],
    collecting: Callable[..., CollectorParts],
    reading: Reading | None,
    member: str,
) -> dict[str, MailboxWorker]:
    """Return a worker for each mailbox that is read."""
    if not accounts:
        return {}
    if reading is None:
        raise SettingsInvalid(
            f"source `{accounts[0].source}` reads a mailbox, and how far it was read has to be kept: set "
            f"{PREFIX}DATABASE"
        )
    from services.intake.adapters.imap import ImapMailbox  # noqa: PLC0415 - only if there is one

    workers = {}
    for account in accounts:
        collected = collecting(mailbox=ImapMailbox(account), counters=reading.counters)
        of_tenant = "" if account.tenant == DEFAULT_TENANT else f"{account.tenant}/"
        workers[f"mailbox {of_tenant}{account.source}"] = MailboxWorker(
            account, MailboxParts(collected, reading.cursors, pause, member)
        )
    return workers


def _listeners(
    ports: MailPorts, configuration: Configuration, mailroom: Mailroom, sources: Sources, limits: Limits
) -> dict[str, Worker]:
    """Return a worker for each port where mails are taken."""
    wanted = {"smtp": ports.smtp, "lmtp": ports.lmtp}
    if not any(wanted.values()):
        return {}
    from services.intake.adapters.smtp import MailListener  # noqa: PLC0415 - only if it is switched on
    from services.intake.adapters.smtp import Parts as ListenerParts  # noqa: PLC0415

    parts = ListenerParts(mailroom, sources, mailboxes_of(configuration), limits.email_bytes_max)
    return {
        name: MailListener(parts, listen(ports.host, port), is_lmtp=name == "lmtp")
        for name, port in wanted.items()
        if port is not None
    }


def application(intake: Service, registry: CollectorRegistry) -> FastAPI:
    """Return the application of a process that runs intake alone."""
    app = FastAPI(title="Barometer intake", version=build().version, docs_url=None, redoc_url=None)
    problems.install(app)
    openapi_page.install(app)
    app.include_router(intake.routes)
    app.include_router(health.router(intake.checks))

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def main(settings: Settings, environment: Mapping[str, str]) -> None:
    """Run intake until SIGTERM. Raises what shared/runtime/process.py turns into exit codes."""
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
        configurations = Configurations(bus, pause)
        memory = None
        if settings.database is not None:
            opening = open_memory(settings.database, thread_days=settings.limits.email_thread_days)
            memory = await stack.enter_async_context(opening)
        pulling = await stack.enter_async_context(open_pulling(configuration, environment, memory))
        intake = service(
            bus,
            configuration,
            environment=environment,
            clock=clock,
            counted=counters(registry),
            member=settings.member,
            configurations=configurations,
            limits=settings.limits,
            threads=None if memory is None else memory.threads,
            reading=None if memory is None else Reading(memory.cursors, PrometheusMailboxes(registry)),
            mail=settings.mail,
            pulling=pulling,
        )
        workers = {**intake.workers, "configuration": configurations}
        await serve(application(intake, registry), workers, listening)


def _fresh_id() -> str:
    return uuid4().hex
