"""What aging shows of its memory: ticket states, cells, flows and its clock, as the contracts have them."""

from __future__ import annotations

from typing import NamedTuple

from services.aging.core.cells import CellBook, CellKey, CellSums
from services.aging.core.flows import Counters, FlowKey
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import Cell, ClockFlow, Flow, PartitionClock, TicketState
from shared.contracts.instants import SECOND_US, from_us
from shared.contracts.tickets import Status, WaitReason


class Stamp(NamedTuple):
    """Who shows it, and when: readers ignore what is not newer by (epoch, version)."""

    partition: int
    epoch: int
    version: int
    clock_us: int


def state_of(tenant: str, key: str, ticket: Ticket, stamp: Stamp) -> TicketState:
    """Return the ticket's state; its version is the ticket's own."""
    return TicketState(
        tenant=tenant,
        ticket=key,
        source=ticket.source,
        partition=stamp.partition,
        epoch=stamp.epoch,
        version=ticket.version,
        status=Status(ticket.status),
        open=ticket.open,
        created_at=from_us(ticket.created_us),
        updated_at=from_us(ticket.updated_us),
        wait_reason=WaitReason(ticket.wait_reason) if ticket.wait_reason else None,
        kind=ticket.kind,
        priority=ticket.priority,
        channel=ticket.channel,
        queue=ticket.queue,
        assignee=ticket.assignee,
        segment=ticket.segment,
        category=ticket.category,
        subject=ticket.subject,
        url=ticket.url,
        episode=max(ticket.episode, 1),
        reopened_at=from_us(ticket.episode_us) if ticket.episode > 1 else None,
        left_at=from_us(ticket.left_us) if ticket.left_us is not None else None,
        merged_into=ticket.link if ticket.merged else "",
        deleted=ticket.deleted,
    )


def cell_of(book: CellBook, key: CellKey, stamp: Stamp) -> Cell:
    """Return the cell as it stands; an emptied one is all zeros."""
    sums = book.cells.get(key) or CellSums(len(book.age.edges_seconds))
    return Cell(
        kind=key.kind,
        partition=stamp.partition,
        epoch=stamp.epoch,
        version=stamp.version,
        at=from_us(stamp.clock_us),
        tenant=key.tenant,
        source=key.source,
        ticket_kind=key.ticket_kind,
        queue=key.queue,
        priority=key.priority,
        channel=key.channel,
        status=key.status,
        wait_reason=key.wait_reason,
        segment=key.segment,
        value=key.value,
        open=sums.open,
        edges_seconds=book.age.edges_seconds,
        older=tuple(sums.older),
        past_sla=sums.past_sla,
        at_risk=sums.at_risk,
        unowned=sums.unowned,
        stuck=sums.stuck,
        stale=sums.stale,
        bouncing=sums.bouncing,
        close_candidates=sums.close_candidates,
        created_sum_us=sums.start_sum_us,
        created_min_us=book.min_start_us(key),
    )


def flow_of(key: FlowKey, counters: Counters, stamp: Stamp) -> Flow:
    """Return the flow counters as they stand."""
    return Flow(
        **key._asdict(),
        partition=stamp.partition,
        epoch=stamp.epoch,
        version=stamp.version,
        at=from_us(stamp.clock_us),
        opened=counters.opened,
        reopened=counters.reopened,
        solved=counters.solved,
        closed=counters.closed,
        merged=counters.merged,
        void=counters.void,
        corrected_in=counters.corrected_in,
        corrected_out=counters.corrected_out,
        imported_in=counters.imported_in,
        imported_out=counters.imported_out,
        clocks={
            name: ClockFlow(
                met=clock.met,
                breached=clock.breached,
                met_corrected=clock.met_corrected,
                breached_corrected=clock.breached_corrected,
                durations=tuple(clock.durations),
                duration_sum_us=clock.duration_sum_us,
            )
            for name, clock in counters.clocks.items()
        },
    )


def clock_of(
    stamp: Stamp, *, partitions: int, position: int, at_end: bool, lateness_us: int, open_tickets: int
) -> PartitionClock:
    """Return how far the partition has come."""
    return PartitionClock(
        partition=stamp.partition,
        partitions=partitions,
        epoch=stamp.epoch,
        version=stamp.version,
        at=from_us(stamp.clock_us),
        position=position,
        at_end=at_end,
        timer_lateness_seconds=lateness_us / SECOND_US,
        open=open_tickets,
    )
