"""What lies in the databases and on the bus, read without any process of ours.

A ticket's row, a fact, a mark: compared between ways of running and between orders of arrival, they must
be the same. What only counts how it came about (versions, epochs, partitions, encoded memory) is left out.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from shared.bus.connect import connect
from shared.bus.port import Reader
from shared.clock import SystemClock
from shared.codec import decode
from shared.contracts.backlog import Fact, FactType
from shared.contracts.records import Record
from shared.contracts.tickets import Observation
from shared.contracts.topics import EVENTS, FACTS, REJECTED, Topic
from tests.e2e.harness import Deployment, eventually

TICKET_COLUMNS: Final = (
    "tenant", "ticket", "source", "open", "asleep", "created_us", "aged_from_us", "updated_us", "left_us", "status",
    "wait_reason", "kind", "priority", "channel", "queue", "assignee", "segment", "category", "subject",
)  # fmt: skip
SETTLE_S: Final = 180.0
LOOK_EVERY_S: Final = 0.2
"""A look at a database or at the bus is a new connection, and a reading of all there is."""
_PAGE: Final = 5_000
_WAIT_MS: Final = 500


class Standing(NamedTuple):
    """A fact that stands: who says what, when. Its turn and when it was stated are how it came about."""

    id: str
    ticket: str
    type: str
    clock: str
    instance: int
    at: str


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of `statement` in the database at `url`, an SQLAlchemy URL."""
    if url.startswith("sqlite"):
        path = url.split("///", 1)[1]
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        try:
            return [tuple(row) for row in connection.execute(statement)]
        finally:
            connection.close()
    return asyncio.run(_postgres_rows(url, statement))


async def _postgres_rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    import asyncpg

    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def ticket_rows(deployment: Deployment) -> dict[str, tuple[Any, ...]]:
    """Return every ticket as stored, by key."""
    found = rows(deployment.databases["aging"], f"SELECT {', '.join(TICKET_COLUMNS)} FROM tickets")
    # SQLite keeps booleans as numbers, which are equal to them.
    return {str(row[1]): row for row in found}


def mark_orders(deployment: Deployment) -> set[tuple[str, bytes]]:
    """Return the identity of every observation that was folded: (ticket, place in its timeline)."""
    found = rows(deployment.databases["aging"], 'SELECT ticket, "order" FROM marks')
    assert len(found) == len(set(found))
    return set(found)


def read_topic(deployment: Deployment, topic: Topic) -> list[Record]:
    """Return every committed record of `topic`, partition by partition."""
    return asyncio.run(_read_topic(deployment.bus, topic))


async def _read_topic(bus: str, topic: Topic) -> list[Record]:
    found: list[Record] = []
    async with await connect(bus, clock=SystemClock(), environment={}) as opened:
        partitions = (await opened.identity(topic)).partitions
        reader = await opened.open_reader(topic)
        for partition in range(partitions):
            found += await _read_partition(reader, partition)
        await reader.close()
    return found


async def _read_partition(reader: Reader, partition: int) -> list[Record]:
    found: list[Record] = []
    offset, end = await reader.range(partition)
    while offset < end:
        poll = await reader.read(partition, offset, records_max=_PAGE, wait_ms=_WAIT_MS)
        found += poll.records
        if poll.at_end and not poll.records:
            break
        offset = poll.next_offset
    return found


def log_ends(deployment: Deployment, topic: Topic) -> dict[int, int]:
    """Return the next offset of each partition of `topic`."""
    return asyncio.run(_log_ends(deployment.bus, topic))


async def _log_ends(bus: str, topic: Topic) -> dict[int, int]:
    async with await connect(bus, clock=SystemClock(), environment={}) as opened:
        partitions = (await opened.identity(topic)).partitions
        reader = await opened.open_reader(topic)
        ends = {partition: (await reader.range(partition)).end for partition in range(partitions)}
        await reader.close()
    return ends


def acknowledged(deployment: Deployment) -> list[Observation]:
    """Return every observation on the events topic: what the bus acknowledged."""
    events = [decode(record) for record in read_topic(deployment, EVENTS)]
    return [event for event in events if isinstance(event, Observation)]


def rejected(deployment: Deployment) -> list[Any]:
    """Return what was rejected."""
    return [decode(record) for record in read_topic(deployment, REJECTED)]


def facts(deployment: Deployment) -> list[Fact]:
    """Return every fact published, repeats included, in order within a partition."""
    events = [decode(record) for record in read_topic(deployment, FACTS)]
    return [event for event in events if isinstance(event, Fact)]


def standing(published: Sequence[Fact]) -> set[Standing]:
    """Return the facts that stand: for each id, the highest turn decides.

    Not those that tell of a change of mind: whether there was one depends on the order of arrival.
    """
    newest: dict[str, Fact] = {}
    for fact in published:
        if fact.type is FactType.SLA_RESTATED:
            continue
        known = newest.get(fact.id)
        if known is None or fact.turn > known.turn:
            newest[fact.id] = fact
    return {shown(fact) for fact in newest.values() if fact.stands}


def shown(fact: Fact) -> Standing:
    """Return what `fact` says."""
    return Standing(fact.id, fact.ticket, fact.type.value, fact.clock, fact.instance, fact.at.isoformat())


def settled(deployment: Deployment, *, deadline_s: float = SETTLE_S) -> None:
    """Return once aging has read the log to its end, woken every ticket and published all of that."""
    ends = log_ends(deployment, EVENTS)
    url = deployment.databases["aging"]

    def positions() -> dict[int, int]:
        found = rows(url, "SELECT partition, position FROM partitions WHERE topic = 'tickets.events.v1'")
        return {partition: position or 0 for partition, position in found}

    def asleep() -> int:
        count: int = rows(url, "SELECT count(*) FROM tickets WHERE asleep")[0][0]
        return count

    def blocks() -> dict[int, int]:
        return dict(rows(url, "SELECT partition, min(number) FROM outbox GROUP BY partition"))

    eventually(
        lambda: (positions(), asleep()),
        lambda seen: all(seen[0].get(each, 0) >= end for each, end in ends.items()) and not seen[1],
        f"the end of the log {ends}",
        deadline_s=deadline_s,
        poll_s=LOOK_EVERY_S,
    )
    newest = dict(rows(url, "SELECT partition, max(number) FROM outbox GROUP BY partition"))
    eventually(
        blocks,
        lambda seen: all(seen.get(each, number + 1) > number for each, number in newest.items()),
        f"the confirmation of the blocks {newest}",
        deadline_s=deadline_s,
        poll_s=LOOK_EVERY_S,
    )
