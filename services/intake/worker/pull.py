"""The third way in: asking a vendor what changed, so that what its webhooks lost is found.

One worker for each source. It holds the source's cursor while it reads, so of many processes one reads; when the
source is due next stands in the cursor as well, so whoever comes first after that reads, and the vendor is asked as
often as for one process. The cursor moves only after the bus acknowledged. A crash between the two, and two that
read at once because a lease ran out, publish some observations twice, which is harmless: a ticket is a set of them.

That a vendor is away or does not take the token never makes intake unready: webhooks can be taken all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import structlog

from services.intake.core.pull.flow import Flow, Found, Over, Reply, Step, pull
from services.intake.core.pull.limits import Outcome as PullOutcome
from services.intake.core.pull.limits import Wait, outcome_of
from services.intake.core.pull.port import Listing, Request
from services.intake.core.pull.position import Position, Progress, decode_progress, encode_progress
from services.intake.core.pull.reading import Read, kept, read
from services.intake.core.pull.source import PulledSource
from services.intake.core.rejected import KEPT_BYTES_MAX
from services.intake.core.sources import Sources
from services.intake.ports import Counters, CursorKey, Cursors, Fetch, Outcome
from shared.bus.port import Bus, BusUnavailable, RecordTooLarge
from shared.clock import Clock
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import SECOND_US, from_us, to_us
from shared.contracts.records import Outgoing
from shared.runtime.attempt import attempt
from shared.sql.port import NotOwner, StoreUnavailable

KIND: Final = "pull"
"""Of the cursor."""
HOLD_US: Final = 120 * SECOND_US
"""For so long the cursor is held without a save: longer than any request, append and wait in place together."""
WAIT_IN_PLACE_SECONDS: Final = 10
"""A longer wait ends the turn, and holds nothing meanwhile."""
OTHERS_US: Final = 15 * SECOND_US
"""How soon to look again at a cursor that another process holds."""
SLICE_MS: Final = 250
"""How soon `stop` is heard in a wait."""
RETRY_US_MIN: Final = SECOND_US
RETRY_US_MAX: Final = 60 * SECOND_US
"""Waits while bus or store are away; they double."""

_log = structlog.get_logger(__name__)

Pause = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What pulling works with. `pause` lets milliseconds pass; `member` is the process's name, unique among all."""

    bus: Bus
    cursors: Cursors
    sources: Sources
    clock: Clock
    counters: Counters
    pause: Pause
    member: str
    fresh_id: Callable[[], str]


class _Turned(NamedTuple):
    """How a list was left. `wait` asks the whole source to wait before the next request."""

    position: Position
    complaint: str | None = None
    more: bool = False
    wait: Wait | None = None


class PullWorker:
    """Reads the lists of one source whenever they are due, until stopped."""

    def __init__(self, parts: Parts, source: PulledSource, fetch: Fetch) -> None:
        self._parts, self._source, self._fetch = parts, source, fetch
        self._key = CursorKey(source.tenant, source.source, KIND)
        self._stopping = False
        self._retry_us = RETRY_US_MIN
        self._complaints: dict[str, str] = {}
        self._progress = Progress(lists={})
        self._epoch = 0
        self._saved_us = 0
        for outcome in PullOutcome:
            parts.counters.count_pull(source.source, outcome, 0)
        parts.counters.show_pull(source.source, alone=source.alone)

    def stop(self) -> None:
        """Let `run` finish the request in hand and return."""
        self._stopping = True

    async def run(self) -> None:
        """Work until stopped. While bus or store are away it waits; what waiting cannot mend raises."""
        while not self._stopping:
            await self._wait_until(await self._turn_or_wait())

    async def _turn_or_wait(self) -> int:
        """Take a turn; return when to look again."""
        try:
            again_us = await self._turn()
        except NotOwner:
            _log.info("another process reads this source now", source=self._source.source)
            return self._parts.clock.now_us() + OTHERS_US
        except (BusUnavailable, StoreUnavailable) as error:
            wait_us, self._retry_us = self._retry_us, min(self._retry_us * 2, RETRY_US_MAX)
            _log.warning(
                "pull waits", source=self._source.source, reason=str(error), wait_s=wait_us // SECOND_US
            )
            return self._parts.clock.now_us() + wait_us
        self._retry_us = RETRY_US_MIN
        return again_us

    async def _turn(self) -> int:
        now_us = self._parts.clock.now_us()
        held = await self._parts.cursors.take(
            self._key, holder=self._parts.member, now_us=now_us, until_us=now_us + HOLD_US
        )
        if held is None:
            return now_us + OTHERS_US
        self._epoch, self._saved_us = held.epoch, now_us
        progress = decode_progress(held.body) if held.body else Progress(lists={})
        if progress is None:
            # Beginning anew would be a silent reset: what changed since then would never be asked for.
            self._complain(KIND, "the cursor was written by another version, and cannot be read")
            await self._parts.cursors.release(self._key, epoch=self._epoch)
            return now_us + RETRY_US_MAX
        self._progress = progress
        if self._due_us() <= now_us:
            await self._read_lists()
        self._show()
        await self._parts.cursors.release(self._key, epoch=self._epoch)
        return self._due_us()

    def _due_us(self) -> int:
        now = from_us(self._parts.clock.now_us())
        return to_us(self._progress.due(self._source.interval, now))

    async def _read_lists(self) -> None:
        begun = from_us(self._parts.clock.now_us())
        is_more = False
        for listing in self._source.listings:
            turned = await self._drive(listing)
            self._note(listing, turned.position)
            if turned.wait is not None:
                self._defer(turned.wait)
            if turned.wait is not None or self._stopping:
                break
            self._complain(listing.name, turned.complaint)
            is_more |= turned.more
        if not (is_more or self._stopping):
            self._progress = msgspec.structs.replace(self._progress, read_at=begun)
        await self._save()

    def _defer(self, wait: Wait) -> None:
        """Leave the vendor alone for as long as it asks, whichever process comes next."""
        not_before = from_us(self._parts.clock.now_us()) + timedelta(seconds=wait.seconds)
        self._progress = msgspec.structs.replace(self._progress, not_before=not_before)
        source = self._source.source
        _log.info("pull waits for the vendor", source=source, reason=wait.why, wait_s=round(wait.seconds))

    async def _drive(self, listing: Listing) -> _Turned:
        """Do what the flow of one list asks for, until it is over or the turn ends."""
        source = self._source
        begin = source.begin or from_us(self._parts.clock.now_us()) - source.margins.settle
        known = self._progress.lists.get(listing.name, Position.begin(begin))
        flow = pull(listing, known, source.margins)
        reply: Reply = None
        while not self._stopping:
            step = self._advanced(flow, reply, known)
            reply = None
            match step:
                case Over(position, complaint, more):
                    return _Turned(position, complaint, more)
                case Found(_, position):
                    await self._publish(step, listing)
                    known = position
                case Wait(seconds) if seconds > WAIT_IN_PLACE_SECONDS:
                    return _Turned(known, wait=step)
                case Wait(seconds):
                    now_us = self._parts.clock.now_us()
                    await self._wait_until(now_us + round(seconds * SECOND_US))
                case Request():
                    await self._hold()
                    reply = await self._fetch.get(step)
                    self._parts.counters.count_pull(source.source, outcome_of(reply))
        return _Turned(known)

    def _advanced(self, flow: Flow, reply: Reply, known: Position) -> Step | Over:
        """Return the next step. A defect in a connector ends the run of its list, and nothing else."""
        return attempt(
            lambda: _next(flow, reply), lambda error: Over(known, f"a defect in the connector: {error}")
        )

    async def _wait_until(self, until_us: int) -> None:
        while not self._stopping and (left_us := until_us - self._parts.clock.now_us()) > 0:
            await self._parts.pause(min(SLICE_MS, max(1, left_us // 1_000)))

    async def _publish(self, found: Found, listing: Listing) -> None:
        """Put what was found on the bus; then, and only then, keep the position behind it."""
        source, now = self._source, from_us(self._parts.clock.now_us())
        normaliser = self._parts.sources.get(source.tenant, source.source)
        assert normaliser is not None, "every configured source has one"
        shown = read(normaliser, source.vendor, found.items, now, attempt)
        accepted = [to_outgoing(each.observation) for each in shown.accepted]
        refused = self._kept(shown, now)
        try:
            await self._parts.bus.append([*accepted, *refused])
        except RecordTooLarge:
            _log.error("pulled tickets too large to keep", source=source.source, records=len(refused))
            await self._parts.bus.append(accepted)
        self._count(shown)
        self._note(listing, found.position)
        await self._save()

    def _kept(self, shown: Read, now: datetime) -> list[Outgoing]:
        source = self._source
        records = []
        for item, rejection in shown.refused:
            if len(item.body) > KEPT_BYTES_MAX:
                _log.error("pulled ticket too large to keep", source=source.source, ticket=item.key)
                continue
            one = kept(
                item, rejection, id=self._parts.fresh_id(), tenant=source.tenant, source=source.source,
                vendor=source.vendor, at=now,
            )  # fmt: skip
            records.append(to_outgoing(one))
        return records

    def _count(self, shown: Read) -> None:
        counters = self._parts.counters
        counters.count(Outcome.ACCEPTED, len(shown.accepted))
        counters.count(Outcome.UNMAPPED, sum(len(each.unmapped) for each in shown.accepted))
        for _, rejection in shown.refused:
            counters.count(Outcome.REJECTED)
            counters.count_rejected(rejection.reason)
        for reason in shown.ignored:
            counters.count(Outcome.IGNORED)
            counters.count_ignored(self._source.source, reason)

    def _note(self, listing: Listing, position: Position) -> None:
        lists = {**self._progress.lists, listing.name: position}
        self._progress = msgspec.structs.replace(self._progress, lists=lists)

    async def _hold(self) -> None:
        """Hold on to the cursor while much is asked and nothing found."""
        if self._parts.clock.now_us() - self._saved_us > HOLD_US // 3:
            await self._save()

    async def _save(self) -> None:
        now_us = self._parts.clock.now_us()
        body = encode_progress(self._progress)
        await self._parts.cursors.save(
            self._key, body, epoch=self._epoch, at_us=now_us, until_us=now_us + HOLD_US
        )
        self._saved_us = now_us

    def _show(self) -> None:
        names = [listing.name for listing in self._source.listings]
        known = [self._progress.lists[name].known_until for name in names if name in self._progress.lists]
        if len(known) == len(names):
            self._parts.counters.show_pulled(self._source.source, to_us(min(known)))

    def _complain(self, name: str, complaint: str | None) -> None:
        """Say once what is wrong, and once that it is over."""
        if complaint is None:
            if self._complaints.pop(name, None) is not None:
                _log.info("pull works again", source=self._source.source, list=name)
        elif self._complaints.get(name) != complaint:
            self._complaints[name] = complaint
            _log.error("pull failed", source=self._source.source, list=name, reason=complaint)


def _next(flow: Flow, reply: Reply) -> Step | Over:
    try:
        return flow.send(reply)
    except StopIteration as stopped:
        over = stopped.value
        assert isinstance(over, Over), over
        return over
