"""Sums over cells, kept up to date by differences.

A rule or a metric asks for a few figures of many cells: all tickets of a queue, the p1 tickets of each
channel, the oldest one of a team. Adding the cells up at each question costs the number of cells; here a
changed cell costs a constant for each view that counts it, and a question costs nothing.

A `View` is a choice of cells (kind, accepted values) and the dimensions they are grouped by; each of its
groups has one `Totals`. The `Book` remembers the last value of each cell and hands on the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any, Final

from shared.contracts.backlog import Cell, CellKind

MAIN_DIMENSIONS: Final = {
    "source": "source",
    "kind": "ticket_kind",
    "queue": "queue",
    "priority": "priority",
    "channel": "channel",
    "status": "status",
    "wait_reason": "wait_reason",
    "segment": "segment",
}
"""Dimension as people write it -> member of a main cell."""

SIDE_DIMENSIONS: Final = {"category": CellKind.CATEGORY, "assignee": CellKind.ASSIGNEE}
"""Dimensions with cells of their own, which beside them know only the queue."""

GROUPS_MAX: Final = 10_000
"""Groups of one view. Beyond, new ones are summed up under the value `other`: a source that makes up
queue names must not fill the memory."""

OTHER: Final = "other"

_HEAP_SLACK: Final = 32

CellKey = tuple[int, str, str, str, str, str, str, str, str, str, str]
Values = tuple[str, ...]


def cell_key(cell: Cell) -> CellKey:
    """Return what identifies a cell: aging partition, kind and dimensions. Its tenant is the book's."""
    return (
        cell.partition,
        "" if cell.kind is CellKind.MAIN else cell.kind.value,
        cell.source,
        cell.ticket_kind,
        cell.queue,
        cell.priority,
        cell.channel,
        cell.status,
        cell.wait_reason,
        cell.segment,
        cell.value,
    )


class Slot:
    """The last value of one cell, and the totals it is counted in."""

    __slots__ = (
        "at_risk", "created_min_us", "created_sum_us", "edges", "epoch", "fresh", "index", "older", "open",
        "past_sla", "totals", "unowned", "version",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.epoch = -1
        self.version = -1
        self.fresh = True
        self.open = self.past_sla = self.at_risk = self.unowned = self.created_sum_us = 0
        self.created_min_us: int | None = None
        self.edges: tuple[int, ...] = ()
        self.older: tuple[int, ...] = ()
        self.totals: list[Totals] = []

    def heard(self, cell: Cell) -> bool:
        """Return whether `cell` is newer than anything heard of it, and remember it as heard."""
        if (cell.epoch, cell.version) <= (self.epoch, self.version):
            return False
        self.epoch, self.version = cell.epoch, cell.version
        return True


class Totals:
    """The sums of one group. Instants are microseconds, edges seconds."""

    __slots__ = (
        "_heap", "_members", "at_risk", "changed_us", "created_sum_us", "followers", "older", "open",
        "past_sla", "unowned", "values",
    )  # fmt: skip

    def __init__(self, values: Values) -> None:
        self.values = values
        self.open = self.past_sla = self.at_risk = self.unowned = self.created_sum_us = 0
        self.older: dict[int, int] = {}
        self.changed_us = 0
        """Newest `at` of a cell that changed these sums."""
        self.followers: list[Any] = []
        """Whoever is to look at these sums when they changed; the book does not touch them."""
        self._members: list[Slot] = []
        self._heap: list[tuple[int, int, Slot]] = []

    def join(self, slot: Slot) -> None:
        """Count `slot` from now on."""
        self._members.append(slot)

    def created_min_us(self) -> int | None:
        """Return the instant of creation of the oldest ticket, None if there is none."""
        heap = self._heap
        # Entries are not taken out when a cell changes, but skipped here once they reach the top.
        while heap and heap[0][2].created_min_us != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def minimum_moved(self, slot: Slot) -> None:
        """Take note of the new minimum of `slot`."""
        heap = self._heap
        if slot.created_min_us is not None:
            heappush(heap, (slot.created_min_us, slot.index, slot))
        if len(heap) > 2 * len(self._members) + _HEAP_SLACK:
            self._heap = [
                (member.created_min_us, member.index, member)
                for member in self._members
                if member.created_min_us is not None
            ]
            heapify(self._heap)


@dataclass(frozen=True, slots=True)
class ViewKey:
    """Which cells a view counts, and how it groups them. Sorted, so that equal questions are equal."""

    kind: CellKind = CellKind.MAIN
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(dimension, accepted values); all must hold."""


class View:
    """The groups of one choice of cells."""

    def __init__(
        self,
        key: ViewKey,
        *,
        on_group: Callable[[Totals], None] | None = None,
        shown_as: Mapping[str, Callable[[str], str]] | None = None,
    ) -> None:
        """`shown_as` gives a dimension's values other names, for figures with few values each."""
        self.key = key
        self.groups: dict[Values, Totals] = {}
        shown_as = shown_as or {}
        self._by = tuple(_renamed(_reader(name), shown_as.get(name)) for name in key.by)
        self._where = tuple((_reader(name), frozenset(values)) for name, values in key.where)
        self._on_group = on_group
        if not key.by:
            # The sum of everything is known before the first ticket: it is zero.
            self.group(())

    def place(self, cell: Cell) -> Totals | None:
        """Return the totals that count cells like `cell`, None if this view leaves them out."""
        if cell.kind is not self.key.kind:
            return None
        for read, accepted in self._where:
            if read(cell) not in accepted:
                return None
        return self.group(tuple([read(cell) for read in self._by]))

    def group(self, values: Values) -> Totals:
        """Return the totals of `values`, new ones at the first sight; a group once seen stays."""
        found = self.groups.get(values)
        if found is not None:
            return found
        if len(self.groups) >= GROUPS_MAX:
            values = (OTHER,) * len(values)
            if values in self.groups:
                return self.groups[values]
        totals = self.groups[values] = Totals(values)
        if self._on_group is not None:
            self._on_group(totals)
        return totals


def _reader(dimension: str) -> Callable[[Cell], str]:
    reader: Callable[[Cell], str] = attrgetter(MAIN_DIMENSIONS.get(dimension, "value"))
    return reader


def _renamed(read: Callable[[Cell], str], shown_as: Callable[[str], str] | None) -> Callable[[Cell], str]:
    return read if shown_as is None else lambda cell: shown_as(read(cell))


class Book:
    """The last value of every cell of one tenant."""

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        self._slots: dict[CellKey, Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def slot(self, cell: Cell) -> Slot:
        """Return the place of `cell`; its groups are known from then on."""
        key = cell_key(cell)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = Slot(len(self._slots))
            for view in self._views:
                totals = view.place(cell)
                if totals is not None:
                    totals.join(slot)
                    slot.totals.append(totals)
        return slot

    def write(self, slot: Slot, cell: Cell, at_us: int) -> Iterable[Totals]:
        """Make `cell` the value of `slot`; return the totals that changed (or were seen first)."""
        open_ = cell.open - slot.open
        sum_us = cell.created_sum_us - slot.created_sum_us
        flags = (cell.unowned - slot.unowned, cell.past_sla - slot.past_sla, cell.at_risk - slot.at_risk)
        older = _older_differences(slot, cell)
        moved = cell.created_min_us != slot.created_min_us
        if not (open_ or sum_us or older or moved or slot.fresh or any(flags)):
            return ()
        slot.fresh = False
        slot.open, slot.created_sum_us = cell.open, cell.created_sum_us
        slot.created_min_us = cell.created_min_us
        slot.unowned, slot.past_sla, slot.at_risk = cell.unowned, cell.past_sla, cell.at_risk
        slot.edges, slot.older = cell.edges_seconds, cell.older
        for totals in slot.totals:
            totals.open += open_
            totals.created_sum_us += sum_us
            totals.unowned += flags[0]
            totals.past_sla += flags[1]
            totals.at_risk += flags[2]
            for edge, difference in older:
                totals.older[edge] = totals.older.get(edge, 0) + difference
            if moved:
                totals.minimum_moved(slot)
            totals.changed_us = max(totals.changed_us, at_us)
        return slot.totals


def _older_differences(slot: Slot, cell: Cell) -> list[tuple[int, int]]:
    if slot.older == cell.older and slot.edges == cell.edges_seconds:
        return []
    if slot.edges == cell.edges_seconds:
        pairs = zip(cell.edges_seconds, cell.older, slot.older, strict=True)
        return [(edge, new - old) for edge, new, old in pairs if new != old]
    # Other edges than before (or the first value): what was counted goes, what is counted comes. An
    # edge with zero tickets is named too, so that it is known to be counted.
    gone = [(edge, -old) for edge, old in zip(slot.edges, slot.older, strict=True)]
    return gone + list(zip(cell.edges_seconds, cell.older, strict=True))
