"""A desk whose mailbox is read: the real reader on a real embedded log and database, against a local server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry

from services.intake.adapters.imap import ImapMailbox
from services.intake.adapters.memory import open_memory
from services.intake.adapters.metrics import PrometheusCounters, PrometheusMailboxes
from services.intake.api.appending import Appending
from services.intake.api.mailroom import Mailroom
from services.intake.api.mailroom import Parts as MailroomParts
from services.intake.app import Reading as Reads
from services.intake.core.mail.account import Account
from services.intake.core.sources import Sources
from services.intake.settings import definitions_of
from services.intake.settings.emails import accounts_of
from services.intake.worker.collector import Parts as CollectorParts
from services.intake.worker.mailbox import MailboxWorker, Parts
from shared.configuration.models import Configuration
from tests.api.intake_world import World, world
from tests.servers.imap import PASSWORD, USER, ImapServer

PATIENCE_S = 20.0
SECRETS = {"MAILBOX_PASSWORD": PASSWORD}


def desk(server: ImapServer, **imap: Any) -> Configuration:
    """Return a configuration whose source `desk` reads the mailbox of `server`."""
    told = {
        "host": "127.0.0.1", "port": server.port, "encryption": "none", "user": USER,
        "password": {"env": "MAILBOX_PASSWORD"}, **imap,
    }  # fmt: skip
    source = {"name": "desk", "email": {"agents": ["@help.example"], "imap": told}}
    return Configuration.model_validate({"sources": [source]})


@dataclass
class Reading:
    """A running intake that reads a mailbox."""

    world: World
    account: Account
    worker: MailboxWorker
    parts: Parts
    registry: CollectorRegistry
    server: ImapServer
    waits: list[int]
    """What was paused for, in milliseconds."""
    task: asyncio.Task[None] = field(init=False)

    def beside(self, member: str) -> Reading:
        """Return the reader of another process."""
        registry = CollectorRegistry()
        collecting = replace(
            self.parts.collecting, mailbox=ImapMailbox(self.account), counters=PrometheusMailboxes(registry)
        )
        parts = replace(self.parts, member=member, collecting=collecting)
        return replace(self, worker=MailboxWorker(self.account, parts), parts=parts, registry=registry)

    def start(self) -> Reading:
        self.task = asyncio.create_task(self.worker.run())
        return self

    async def stop(self) -> None:
        self.worker.stop()
        await self.task

    async def until(self, holds: Callable[[], Any], what: str) -> None:
        """Return once `holds()`, asked between the reader's steps."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                assert not self.task.done(), f"the reader ended before {what}"
                await asyncio.sleep(0.005)

    async def read(self) -> None:
        """Return once the mailbox was read to its end, and every mail delivered before is done."""
        for _ in range(2):  # a round that had begun before the delivery may end after it
            self.world.clock.set(self.world.clock.now_us() + 1_000_000)
            at_s = self.world.clock.now_us() / 1_000_000
            self.server.poke()
            await self.until(partial(self._was_read, at_s), "the mailbox is read")

    def _was_read(self, at_s: float) -> bool:
        return self.value("read_timestamp_seconds") >= at_s

    def value(self, name: str, **labels: str) -> float:
        sample = f"barometer_mailbox_{name}"
        return self.registry.get_sample_value(sample, {"source": "desk", **labels}) or 0.0

    def mails(self, outcome: str) -> float:
        return self.value("mails_total", outcome=outcome)

    def failures(self, reason: str) -> float:
        return self.value("failures_total", reason=reason)

    async def subjects(self) -> list[str]:
        return [str(one.fields.subject) for one in await self.world.observations()]


@asynccontextmanager
async def reading(
    directory: Path, server: ImapServer, *, bytes_max: int = 100_000, poll_ms: int = 600_000, **imap: Any
) -> AsyncIterator[Reading]:
    """Give a reader that is not started; it is stopped at the end. The directory keeps log and database."""
    registry, configuration = CollectorRegistry(), desk(server, **imap)
    counted = PrometheusMailboxes(registry)
    async with (
        open_memory(f"sqlite+aiosqlite:///{directory}/intake.db", thread_days=30) as memory,
        world(
            directory / "log", configuration, threads=memory.threads,
            reads=Reads(memory.cursors, counted), environment=SECRETS,
        ) as running,
    ):  # fmt: skip
        waits: list[int] = []

        async def pause(wait_ms: int) -> None:
            waits.append(wait_ms)
            await asyncio.sleep(0.001)

        [account] = accounts_of(configuration, SECRETS)
        account = replace(account, poll_ms=poll_ms)
        mailroom = Mailroom(
            MailroomParts(
                memory.threads, running.clock, PrometheusCounters(registry), lambda: uuid4().hex,
                Appending(running.bus, retry_after_seconds=1), 1,
            )
        )  # fmt: skip
        sources = Sources(definitions_of(configuration, SECRETS))
        collecting = CollectorParts(
            ImapMailbox(account), mailroom, sources, running.clock, counted, bytes_max
        )
        parts = Parts(collecting, memory.cursors, pause, "intake-test", listen_ms=20)
        given = Reading(running, account, MailboxWorker(account, parts), parts, registry, server, waits)
        try:
            yield given
        finally:
            given.worker.stop()
            if hasattr(given, "task"):
                await asyncio.wait([given.task])
