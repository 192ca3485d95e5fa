"""The topics: names, keys, partitions, retention, compaction. The only place that names them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final
from zlib import crc32


class Cleanup(str, Enum):
    """What the log forgets: old records, or superseded values of a key."""

    DELETE = "delete"
    COMPACT = "compact"


class PartitionedBy(str, Enum):
    """What a topic's number of partitions follows."""

    EVENTS = "events"
    """The number of aging partitions, a setting."""
    CELLS = "cells"
    """The number of alerting partitions, a setting."""
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `retention_days` None keeps for ever (or until superseded)."""

    name: str
    key: str
    cleanup: Cleanup
    partitioned_by: PartitionedBy
    retention_days: int | None
    summary: str


EVENTS: Final = Topic(
    "tickets.events.v1", "tenant/ticket", Cleanup.DELETE, PartitionedBy.EVENTS, 30,
    "Normalised observations, absorbed registers and control records; read by aging.",
)  # fmt: skip
INBOX: Final = Topic(
    "tickets.inbox.v1", "any", Cleanup.DELETE, PartitionedBy.EVENTS, 7,
    "Events published straight onto Kafka by upstream systems; read by intake.",
)  # fmt: skip
REJECTED: Final = Topic(
    "tickets.rejected.v1", "tenant/source", Cleanup.DELETE, PartitionedBy.ONE, 90,
    "Authenticated input that could not be used, whole, with the reason.",
)  # fmt: skip
FACTS: Final = Topic(
    "backlog.facts.v1", "tenant/ticket", Cleanup.DELETE, PartitionedBy.EVENTS, 30,
    "Statements about tickets at exact instants, and their withdrawals.",
)  # fmt: skip
TICKETS: Final = Topic(
    "backlog.tickets.v1", "tenant/ticket", Cleanup.COMPACT, PartitionedBy.EVENTS, None,
    "The latest state of each ticket.",
)  # fmt: skip
CELLS: Final = Topic(
    "backlog.cells.v1", "aging partition and dimensions", Cleanup.COMPACT, PartitionedBy.CELLS, None,
    "Summable counts of open tickets, flows and the clocks of the aging partitions; read by alerting.",
)  # fmt: skip
ALERTS: Final = Topic(
    "alerts.v1", "tenant/fingerprint", Cleanup.DELETE, PartitionedBy.CELLS, 90,
    "Alerts as they fire and resolve.",
)  # fmt: skip
CONFIG: Final = Topic(
    "config.v1", "version", Cleanup.COMPACT, PartitionedBy.ONE, None,
    "Numbered versions of the configuration that changes facts.",
)  # fmt: skip

TOPICS: Final = (EVENTS, INBOX, REJECTED, FACTS, TICKETS, CELLS, ALERTS, CONFIG)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key`: CRC-32 modulo, librdkafka's "consistent" partitioner.

    Every producer of ours uses this one function, on both buses, so a ticket stays in its partition.
    """
    return crc32(key) % partitions


def ticket_key(tenant: str, ticket: str) -> bytes:
    """Return the record key of a ticket: `tenant/ticket`."""
    return f"{tenant}/{ticket}".encode()
