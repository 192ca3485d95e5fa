"""By which terms a ticket is judged: those of its partition, which followed each configuration at its own instant.

A partition writes with each commit which versions it adopted, and from when on (core/note.py). From that anybody can
make its terms anew, as its owner did, so every aging process can say how the promises of any ticket stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from services.aging.core.note import decode_note
from services.aging.core.terms import Terms
from services.aging.ports import AgingQueries, Configurations
from services.aging.settings import generations

_Adopted = tuple[tuple[int, int], ...]


class TermsOf(Protocol):
    """The terms of every partition, now. Ask after the rows were read: then these terms know all that rows name."""

    async def __call__(self) -> Mapping[int, Terms]:
        """Return the terms by partition; a partition that never committed has none. Raises BusUnavailable."""
        ...


class PartitionTerms:
    """Makes the terms of partitions from their notes, once for each configuration they follow."""

    def __init__(self, queries: AgingQueries, configurations: Configurations, defaults: Terms) -> None:
        """`defaults` hold before any configuration was published."""
        self._queries = queries
        self._configurations = configurations
        self._made: dict[_Adopted, Terms] = {(): defaults}

    async def __call__(self) -> Mapping[int, Terms]:
        """Return the terms by partition. Raises BusUnavailable, StoreUnavailable."""
        notes = await self._queries.notes()
        adopted = {partition: tuple(decode_note(note).configs) for partition, note in notes.items()}
        made = {configs: await self._made_of(configs) for configs in {(), *adopted.values()}}
        self._made = made
        return {partition: made[configs] for partition, configs in adopted.items()}

    async def _made_of(self, adopted: _Adopted) -> Terms:
        if adopted in self._made:
            return self._made[adopted]
        versions = [(await self._configurations.version(number), at_us) for number, at_us in adopted]
        return generations(self._made[()], versions)[-1]
