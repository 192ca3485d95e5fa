"""The real log of a help desk, in order and shuffled with repeats: the same tickets, the same standing facts."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from msgspec import UNSET

from services.aging.core.batch import Arrival
from shared.contracts.instants import to_us
from shared.contracts.tickets import Observation, Priority, Status, TicketFields, WaitReason
from tests.unit.aging.partitions import Partition, arrival, bare

TICKETS = 1_500
"""Of the log's 8,185, taken evenly from all of it, so that the test ends in seconds."""
END_US = to_us(datetime(2018, 1, 1, tzinfo=UTC))
STATUS: dict[str, tuple[Status, WaitReason | None]] = {
    "New": (Status.NEW, None),
    "Active": (Status.IN_PROGRESS, None),
    "Awaiting User Info": (Status.WAITING, WaitReason.CUSTOMER),
    "Awaiting Vendor": (Status.WAITING, WaitReason.VENDOR),
    "Awaiting Problem": (Status.WAITING, WaitReason.INTERNAL),
    "Awaiting Evidence": (Status.WAITING, WaitReason.INTERNAL),
    "Resolved": (Status.SOLVED, None),
    "Closed": (Status.CLOSED, None),
}


def log_rows(shared_data: Path) -> Iterator[tuple[int, dict[str, str]]]:
    path = shared_data / "event-logs" / "servicenow-third" / "incident_event_log_third.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        yield from enumerate(csv.DictReader(file))


def read(shared_data: Path) -> list[Observation]:
    numbers = sorted({row["number"] for _, row in log_rows(shared_data)})
    kept = set(numbers[:: len(numbers) // TICKETS])
    found = [observed(n, row) for n, row in log_rows(shared_data) if row["number"] in kept]
    return sorted(found, key=lambda one: (one.time, one.sequence or 0))


def observed(number: int, row: dict[str, str]) -> Observation:
    status, reason = STATUS.get(row["incident_state"], (UNSET, None))
    time = instant(row["sys_updated_at"])
    return Observation(
        tenant="default",
        source="servicenow",
        ticket=f"servicenow:{row['number']}",
        id=str(number),
        time=time,
        received_at=time,
        sequence=int(row["sys_mod_count"]),
        fields=TicketFields(
            status=status,
            wait_reason=UNSET if reason is None else reason,
            created_at=instant(row["opened_at"]),
            priority=Priority(f"p{row['priority'][0]}"),
            queue=UNSET if row["assignment_group"] == "?" else row["assignment_group"],
            assignee=UNSET if row["assigned_to"] == "?" else row["assigned_to"],
        ),
    )


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=UTC)


def folded(arrivals: Sequence[Arrival], batch: int) -> Partition:
    partition = Partition()
    for start in range(0, len(arrivals), batch):
        partition.fold(arrivals[start : start + batch])
        assert 0 == partition.backlog.flow_error("default")
    assert [] == partition.refused
    partition.check()
    partition.pass_time(END_US)
    partition.check()
    return partition


@pytest.mark.slow
def test_a_real_log_shuffled_and_repeated_gives_the_same_tickets_and_facts(shared_data: Path) -> None:
    log = read(shared_data)
    in_order = folded([arrival(one, to_us(one.time)) for one in log], 1_000)
    tickets = {id_: bare(ticket) for id_, ticket in in_order.awake().items()}
    assert len(tickets) >= TICKETS
    assert {0} == set(in_order.turns.values()), "in order, nothing was ever taken back"
    for seed in (1, 2):
        shuffled = [*log, *log[::7]]
        Random(seed).shuffle(shuffled)
        again = folded([arrival(one, END_US - 1) for one in shuffled], 333)
        assert in_order.standing() == again.standing()
        assert tickets == {id_: bare(ticket) for id_, ticket in again.awake().items()}
