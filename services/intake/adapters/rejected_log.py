"""The topic of rejected input, as the commands `barometer rejected list|retry` use it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from services.intake.core.rejected import Wanted, not_retried, retried
from services.intake.core.rejection import Rejection
from services.intake.core.sources import Sources
from shared.bus.port import Bus, Reader
from shared.clock import Clock
from shared.codec.decoding import decode
from shared.codec.encoding import to_outgoing
from shared.codec.errors import CodecError
from shared.contracts.instants import from_us
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Rejected
from shared.contracts.topics import REJECTED
from shared.runtime.attempt import attempt

SCANNED_MAX: Final = 100_000
"""Newest records looked at by one command; the answer says when there were more."""
LISTED_MAX: Final = 1_000
LISTED_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of bodies held at once; the oldest are left out first."""
READ_RECORDS_MAX: Final = 200
"""A record can have megabytes."""
READ_WAIT_MS: Final = 100


class Listing(NamedTuple):
    """Rejected input, newest first. `complete` False: older input was not looked at, or left out."""

    found: Sequence[Rejected]
    scanned: int
    complete: bool


class Retried(NamedTuple):
    """What became of one retry. `rejection` None: all of it is on the bus now, as observations of `ticket`.

    A webhook can show several tickets (`ticket` names them, separated by commas) or, read again, none.
    """

    id: str
    ticket: str
    rejection: Rejection | None


class RejectedLog:
    """Lists and retries what was rejected. Raises what the bus raises."""

    def __init__(self, bus: Bus, sources: Sources, clock: Clock) -> None:
        self._bus, self._sources, self._clock = bus, sources, clock

    async def list(self, wanted: Wanted, *, listed_max: int = LISTED_MAX) -> Listing:
        """Return the newest rejected input that is `wanted`."""
        found: deque[Rejected] = deque()
        scanned, matched, held = 0, 0, 0
        reader = await self._bus.open_reader(REJECTED)
        try:
            skipped = False
            for partition in range((await self._bus.identity(REJECTED)).partitions):
                begin, end = await reader.range(partition)
                first = max(begin, end - SCANNED_MAX)
                skipped = skipped or first > begin
                async for one in _read(reader, partition, first, end):
                    scanned += 1
                    if wanted.matches(one):
                        matched += 1
                        found.append(one)
                        held += len(one.body)
                    while len(found) > listed_max or held > LISTED_BYTES_MAX:
                        held -= len(found.popleft().body)
        finally:
            await reader.close()
        found.reverse()  # the sort keeps the order of equal times
        newest_first = sorted(found, key=_rejected_at, reverse=True)
        return Listing(newest_first, scanned, complete=not skipped and matched == len(found))

    async def retry(self, wanted: Wanted, *, retried_max: int = LISTED_MAX) -> Sequence[Retried]:
        """Normalise what is `wanted` again, by today's maps; append what is an observation now.

        Returns one result for each, oldest first, after everything was acknowledged. What still cannot
        be used stays where it is. Repeating a retry is harmless: it gives the same observations.
        """
        listing = await self.list(wanted, listed_max=retried_max)
        now = from_us(self._clock.now_us())
        results: list[Retried] = []
        records: list[Outgoing] = []
        for one in reversed(listing.found):
            outcome = attempt(partial(retried, one, self._sources, now=now), not_retried)
            tickets = ", ".join(dict.fromkeys(each.ticket for each in outcome.observations))
            results.append(Retried(one.id, tickets, outcome.rejection))
            records += map(to_outgoing, outcome.observations)
        if records:
            await self._bus.append(records)
        return results


async def _read(reader: Reader, partition: int, first: int, end: int) -> AsyncIterator[Rejected]:
    offset = first
    while offset < end:
        poll = await reader.read(partition, offset, records_max=READ_RECORDS_MAX, wait_ms=READ_WAIT_MS)
        for record in poll.records:
            try:
                event = decode(record)
            except CodecError:
                continue  # a newer version's; the topic is ours, nothing else writes there
            if isinstance(event, Rejected):
                yield event
        if poll.next_offset == offset and poll.at_end:
            return
        offset = poll.next_offset


def _rejected_at(one: Rejected) -> datetime:
    return one.rejected_at
