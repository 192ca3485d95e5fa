"""`barometer ticket void|close|erase|revive|retry KEY --reason`: what a person saw, published like anybody's event.

A ticket whose 'solved' was lost upstream must not stay the oldest for ever; and a correction that edited
state in place would be lost with the next replay.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Final

from barometer.bus import append, opened_bus
from barometer.db import database_file, sqlite_url
from barometer.exits import Refused, reported
from barometer.instants import parse_instant
from barometer.places import bus_address, environment
from services.intake.adapters.threads import SqlThreads
from services.intake.core.corrections import Correction, corrected
from services.intake.core.rejection import Rejection
from services.intake.settings import Limits
from shared.bus.connect import EMBEDDED
from shared.clock import SystemClock
from shared.codec import to_outgoing
from shared.configuration.models import DEFAULT_TENANT
from shared.contracts.instants import from_us
from shared.contracts.tickets import Observation
from shared.sql.engine import opened

EVENT_ID_BYTES: Final = 16


def void(
    key: str,
    /,
    *,
    reason: str,
    tenant: str = DEFAULT_TENANT,
    at: str | None = None,
    data: Path | None = None,
    bus: str | None = None,
) -> int:
    """Say that a ticket was none: spam, a test. It leaves the stock and counts as no resolution.

    Args:
        key: The ticket: its source, a colon, its id there.
        reason: Why; it stays with the ticket.
        tenant: Whose ticket it is.
        at: Since when, such as 2026-01-01T00:00:00Z; by default now.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
    """
    return _correct(Correction.VOID, key, reason, tenant, at, data, bus)


def close(
    key: str,
    /,
    *,
    reason: str,
    tenant: str = DEFAULT_TENANT,
    at: str | None = None,
    data: Path | None = None,
    bus: str | None = None,
) -> int:
    """Say that a ticket is over.

    Args:
        key: The ticket: its source, a colon, its id there.
        reason: Why; it stays with the ticket.
        tenant: Whose ticket it is.
        at: Since when, such as 2026-01-01T00:00:00Z; by default now.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
    """
    return _correct(Correction.CLOSE, key, reason, tenant, at, data, bus)


def erase(
    key: str,
    /,
    *,
    reason: str,
    tenant: str = DEFAULT_TENANT,
    data: Path | None = None,
    bus: str | None = None,
) -> int:
    """Let nothing be kept of who a ticket is about and what it says; it leaves the stock. Cannot be undone.

    Args:
        key: The ticket: its source, a colon, its id there.
        reason: Why; it stays with the ticket, so it should name nobody.
        tenant: Whose ticket it is.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
    """
    return _correct(Correction.ERASE, key, reason, tenant, None, data, bus)


def revive(
    key: str,
    /,
    *,
    reason: str,
    tenant: str = DEFAULT_TENANT,
    at: str | None = None,
    data: Path | None = None,
    bus: str | None = None,
) -> int:
    """Say that a ticket is one after all: undo void, spam, deleted or merged. What was erased stays gone.

    Args:
        key: The ticket: its source, a colon, its id there.
        reason: Why; it stays with the ticket.
        tenant: Whose ticket it is.
        at: Since when, such as 2026-01-01T00:00:00Z; by default now.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
    """
    return _correct(Correction.REVIVE, key, reason, tenant, at, data, bus)


def retry(
    key: str,
    /,
    *,
    reason: str,
    tenant: str = DEFAULT_TENANT,
    data: Path | None = None,
    bus: str | None = None,
) -> int:
    """Derive a quarantined ticket again (GET /v1/quarantine lists them).

    Args:
        key: The ticket: its source, a colon, its id there.
        reason: Why; it stays with the ticket.
        tenant: Whose ticket it is.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
    """
    return _correct(Correction.RETRY, key, reason, tenant, None, data, bus)


def _correct(  # noqa: PLR0917 (one caller for each command)
    correction: Correction,
    key: str,
    reason: str,
    tenant: str,
    at: str | None,
    data: Path | None,
    bus: str | None,
) -> int:
    return reported(
        lambda: asyncio.run(_publish(correction, key, reason, tenant, at, bus_address(data, bus)))
    )


async def _publish(
    correction: Correction, key: str, reason: str, tenant: str, at: str | None, address: str
) -> int:
    now = from_us(SystemClock().now_us())
    instant = now if at is None else parse_instant("--at", at)
    event_id = f"by-hand-{secrets.token_hex(EVENT_ID_BYTES)}"
    outcome = corrected(correction, key, tenant=tenant, why=reason, at=instant, event_id=event_id)
    if isinstance(outcome, Rejection):
        raise Refused(outcome.detail)
    async with opened_bus(address, environment()) as bus:
        await append(bus, [to_outgoing(outcome)])
    if correction is Correction.ERASE:
        await _forget_mails(outcome, address)
    print(f"{correction.value} of {key} sent as {event_id}")
    return 0


async def _forget_mails(erased: Observation, address: str) -> None:
    """Let no mail belong to the ticket any more, on one machine; elsewhere its threads end with their time."""
    if not address.startswith(EMBEDDED):
        return
    path = database_file(Path(address.removeprefix(EMBEDDED)), "intake")
    if path.exists():
        async with opened(sqlite_url(path)) as engine:
            threads = SqlThreads(engine, kept_days=Limits().email_thread_days)
            external = erased.ticket.removeprefix(f"{erased.source}:")
            await threads.forget(erased.tenant, erased.source, external)
