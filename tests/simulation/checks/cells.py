"""What readers of the compacted topics have in the end: states, cells and flows that agree with the store."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from services.aging.core.cells import recount
from services.aging.core.picture import Stamp, cell_of, state_of
from services.aging.core.ticket import decode_ticket
from shared.codec import decode
from shared.contracts.backlog import Cell, CellKind, Flow, PartitionClock, TicketState
from shared.contracts.topics import CELLS, TICKETS
from tests.simulation.checks.truth import Truth

if TYPE_CHECKING:
    from tests.simulation.world import World

_ENTERS = ("opened", "reopened", "corrected_in", "imported_in")
_LEAVES = ("solved", "closed", "merged", "void", "corrected_out", "imported_out")


def check_states(world: World) -> None:
    """The newest state of each ticket is that of its row."""
    newest = {
        record.key: decode(record) for log in world.cluster.topic(TICKETS.name).logs for record in log.records
    }
    states = {(one.tenant, one.ticket): one for one in newest.values() if isinstance(one, TicketState)}
    rows = {(row.tenant, row.ticket): row for row in world.aging_database.tickets.rows() if not row.asleep}
    if states.keys() != rows.keys():
        world.violation(f"states without a ticket or the reverse: {sorted(states.keys() ^ rows.keys())}")
    for id_, state in states.items():
        row = rows[id_]
        stamp = Stamp(state.partition, state.epoch, state.version, 0)
        expected = state_of(*id_, decode_ticket(row.body), stamp)
        if state != expected or state.version != row.version:
            world.violation(f"the newest state is {state}, but version {row.version} says {expected}")


def check_cells(world: World, truth: Truth) -> None:
    """The newest cells are a recount of the tickets, by the terms and the clock of their partition."""
    shown, flows, clocks = _newest(world)
    for partition, backlog in truth.backlogs.items():
        clock_us = truth.clocks[partition]
        aged = {id_: copy(ticket) for id_, ticket in backlog.open.items()}
        for ticket in aged.values():
            ticket.advanced_us = clock_us
        book = recount(aged, backlog.terms.age.at(clock_us))
        expected = {
            _dimensions(cell): _sums(cell)
            for key in book.cells
            if (cell := cell_of(book, key, Stamp(partition, 0, 0, 0))).open
        }
        found = {key: sums for (of, key), sums in shown.items() if of == partition}
        if found != expected:
            differing = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
            one = min(differing, key=str)
            world.violation(
                f"cells of partition {partition}: of {one} is shown {found.get(one)}, counted {expected.get(one)}"
            )
        _check_clock(world, partition, clocks, len(aged))
    _check_stock(world, truth, shown, flows)


def _check_clock(world: World, partition: int, clocks: dict[int, PartitionClock], open_tickets: int) -> None:
    clock = clocks.get(partition)
    if clock is None or clock.open != open_tickets or clock.partitions != world.shape.events:
        world.violation(f"partition {partition} has {open_tickets} open tickets, its clock says {clock}")


def _check_stock(
    world: World, truth: Truth, shown: dict[tuple[int, Any], dict[str, Any]], flows: list[Flow]
) -> None:
    """Stock = what entered - what left; and each open ticket is in exactly one main cell."""
    net: dict[str, int] = {}
    for flow in flows:
        entered = sum(getattr(flow, name) for name in _ENTERS)
        left = sum(getattr(flow, name) for name in _LEAVES)
        net[flow.tenant] = net.get(flow.tenant, 0) + entered - left
    stock: dict[str, int] = {}
    counted: dict[str, int] = {}
    for backlog in truth.backlogs.values():
        for tenant, _ in backlog.open:
            stock[tenant] = stock.get(tenant, 0) + 1
    for (_, key), sums in shown.items():
        if key[0] is CellKind.MAIN:
            counted[key[1]] = counted.get(key[1], 0) + sums["open"]
    for tenant in stock.keys() | net.keys() | counted.keys():
        figures = (stock.get(tenant, 0), net.get(tenant, 0), counted.get(tenant, 0))
        if len(set(figures)) != 1:
            world.violation(
                f"{tenant}: {figures[0]} open, {figures[1]} by the flows, {figures[2]} in the cells"
            )


def _newest(
    world: World,
) -> tuple[dict[tuple[int, Any], dict[str, Any]], list[Flow], dict[int, PartitionClock]]:
    """Return what a reader has who reads what is left of the topic: cells with something in them, flows, clocks."""
    cells: dict[tuple[int, Any], dict[str, Any]] = {}
    flows: dict[tuple[int, bytes], Flow] = {}
    clocks: dict[int, PartitionClock] = {}
    for log in world.cluster.topic(CELLS.name).logs:
        for record in {record.key: record for record in log.records}.values():
            event = decode(record)
            if isinstance(event, Cell) and event.open:
                cells[event.partition, _dimensions(event)] = _sums(event)
            elif isinstance(event, Flow):
                flows[log.partition, record.key] = event
            elif isinstance(event, PartitionClock):
                clocks[event.partition] = event
    return cells, list(flows.values()), clocks


_STAMP = ("partition", "epoch", "version", "at")
_SUMS = (
    "open", "edges_seconds", "older", "past_sla", "at_risk", "unowned", "stuck", "stale", "bouncing",
    "close_candidates", "created_sum_us", "created_min_us",
)  # fmt: skip


def _dimensions(cell: Cell) -> tuple[object, ...]:
    names = [name for name in cell.__struct_fields__ if name not in _STAMP and name not in _SUMS]
    return tuple(getattr(cell, name) for name in names)


def _sums(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in _SUMS}
