"""Rows and commits of the aging store, as short as tests want to write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from services.aging.core.attention import COUNTED
from services.aging.ports import AgingChanges, AgingStore, Group, TicketRow
from shared.bus.port import LogIdentity
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import EVENTS
from shared.runtime.port import Commit, Taken

LOG = LogIdentity(cluster="c-1", topic=EVENTS.name, topic_id="t-1", partitions=4)
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
DAY_US = 86_400 * SECOND_US
NOW_US = 20_000 * DAY_US

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
INTS = st.integers(INT64_MIN, INT64_MAX)
BYTES = st.binary(max_size=40)


def a_ticket(ticket: str = "s:1", **changes: Any) -> TicketRow:
    """Return an open, awake ticket, a day old, with `changes`."""
    row = TicketRow(
        tenant="default", ticket=ticket, partition=0, source="s", open=True, asleep=False,
        created_us=NOW_US - DAY_US, aged_from_us=NOW_US - DAY_US, updated_us=NOW_US - DAY_US, left_us=None,
        status="new", wait_reason="", kind="operational", priority="p3", channel="email", queue="first",
        assignee="", segment="", category="", subject="It does not work", version=1, body=b"body",
    )  # fmt: skip
    return row._replace(**changes)


def a_closed_ticket(ticket: str, *, left_us: int, **changes: Any) -> TicketRow:
    """Return a ticket that left the stock at `left_us`."""
    return a_ticket(ticket, **{"open": False, "status": "solved", "left_us": left_us, **changes})


class Owner:
    """The owner of one partition of a store: commits batch after batch."""

    def __init__(self, store: AgingStore, taken: Taken, partition: int) -> None:
        self._store = store
        self.epoch = taken.epoch
        self.position = taken.position or 0
        self._partition = partition

    @classmethod
    async def of(cls, store: AgingStore, partition: int = 0) -> Owner:
        """Take the partition over."""
        return cls(store, await store.take_over(LOG, partition, owner="o", known=None), partition)

    async def commit(self, changes: AgingChanges, note: bytes = b"") -> None:
        """Commit `changes` as the next batch."""
        position = self.position + 1
        await self._store.commit(
            Commit(
                topic=LOG.topic, partition=self._partition, epoch=self.epoch, position=position,
                clock_us=position * SECOND_US, note=note, confirmed=-1, block=None, changes=changes,
            )
        )  # fmt: skip
        self.position = position


def ticket_rows() -> st.SearchStrategy[TicketRow]:
    """Draw rows with anything a column can hold."""
    columns: Mapping[str, st.SearchStrategy[object]] = {
        name: st.booleans() if kind is bool else TEXTS for name, kind in _kinds().items()
    }
    numbers = dict.fromkeys(("created_us", "aged_from_us", "updated_us", "version"), INTS)
    return st.builds(
        TicketRow,
        **{
            **columns, **numbers,
            "partition": st.integers(-(2**31), 2**31 - 1), "left_us": st.none() | INTS, "body": BYTES,
            "flags": st.integers(0, 127), "duplicate_group": st.none() | INTS, "job": st.none() | INTS,
        },
    )  # fmt: skip


def _kinds() -> dict[str, type]:
    return {name: bool if name in {"open", "asleep"} else str for name in TicketRow._fields}


def recount(
    rows: Sequence[TicketRow], by: Sequence[str], edges: Sequence[int]
) -> dict[tuple[str, ...], Group]:
    """Return the groups of `rows` by the columns `by`, counted the plain way."""

    def values(row: TicketRow) -> tuple[str, ...]:
        return tuple(getattr(row, name) for name in by)

    return {
        key: Group(
            key,
            number,
            sum(row.assignee == "" for row in rows if values(row) == key),
            sum(row.aged_from_us for row in rows if values(row) == key),
            min(row.aged_from_us for row in rows if values(row) == key),
            tuple(
                sum(NOW_US - row.aged_from_us >= edge for row in rows if values(row) == key) for edge in edges
            ),
            tuple(sum(bool(row.flags & flag) for row in rows if values(row) == key) for flag in COUNTED),
        )
        for key, number in Counter(map(values, rows)).items()
    }
