"""Cells as aging would publish them, in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from shared.contracts.backlog import Cell, CellKind, ClockFlow, Flow, PartitionClock
from shared.contracts.instants import from_us

EDGES = (86_400, 172_800, 259_200)
HOUR_US = 3_600_000_000
NOW_US = 1_767_225_600_000_000


def a_cell(
    version: int,
    *,
    at_us: int = NOW_US,
    created_us: Sequence[int] = (),
    kind: CellKind = CellKind.MAIN,
    partition: int = 0,
    epoch: int = 1,
    tenant: str = "default",
    queue: str = "tier1",
    priority: str = "p1",
    channel: str = "email",
    status: str = "new",
    value: str = "",
    past_sla: int = 0,
    at_risk: int = 0,
    unowned: int = 0,
) -> Cell:
    """Return a cell of the tickets created at `created_us`."""
    older = tuple(sum(at_us - one >= edge * 1_000_000 for one in created_us) for edge in EDGES)
    return Cell(
        kind=kind, partition=partition, epoch=epoch, version=version, at=from_us(at_us), tenant=tenant,
        queue=queue, priority=priority, channel=channel, status=status, value=value, open=len(created_us),
        edges_seconds=EDGES, older=older, past_sla=past_sla, at_risk=at_risk, unowned=unowned,
        created_sum_us=sum(created_us), created_min_us=min(created_us, default=None),
    )  # fmt: skip


def a_flow(
    version: int,
    *,
    at_us: int = NOW_US,
    epoch: int = 1,
    partition: int = 0,
    queue: str = "tier1",
    channel: str = "email",
    clocks: Mapping[str, ClockFlow] | None = None,
    **counts: int,
) -> Flow:
    """Return a flow of the default tenant."""
    flow = Flow(
        partition=partition, epoch=epoch, version=version, at=from_us(at_us), tenant="default", queue=queue,
        priority="p1", channel=channel, clocks=dict(clocks or {}),
    )  # fmt: skip
    return replace(flow, **counts)


def a_clock(
    version: int, *, at_us: int = NOW_US, partition: int = 0, partitions: int = 1, epoch: int = 1
) -> PartitionClock:
    """Return the clock of an aging partition."""
    return PartitionClock(
        partition=partition,
        partitions=partitions,
        epoch=epoch,
        version=version,
        at=from_us(at_us),
        position=0,
    )
