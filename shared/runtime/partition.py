"""The loop that gives every record of a partition its effect exactly once.

The problem: records come at least once, processes die between any two lines, and two of them may both
believe that they own a partition. The order of things below is the whole answer:

1. *Take over*: raise the stored epoch, which fences the former owner's commits; then open the writer of
   that epoch, which fences its appends; then publish what was committed but perhaps not published;
   then load, unless memory is still good.
2. *Step*: read, fold in memory, commit (state, position, clock, outbox and epoch check are one
   transaction), then publish in the background. What is not committed did not happen: it is read
   again. What is committed but not published is published by the next owner, under the same ids.
3. *When in doubt, forget*: a commit whose outcome is unknown leaves memory that may be ahead of the
   store or equal to it. It is dropped, and the partition taken over anew.

Only ports are awaited here, so that a simulator can stop, kill and reorder everything at each of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from enum import Enum
from typing import Final, Generic, TypeVar

import structlog

from shared.bus.port import (
    BusUnavailable,
    Fenced,
    LogIdentity,
    OffsetOutOfRange,
    Outgoing,
    Poll,
    Reader,
    Writer,
    check_sizes,
)
from shared.clock import monotonic_seconds
from shared.contracts.instants import SECOND_US
from shared.runtime.block import decode_block, encode_block
from shared.runtime.bus_time import BusTime, Trust
from shared.runtime.parts import Limits as Limits
from shared.runtime.parts import Memory as Memory
from shared.runtime.parts import Parts as Parts
from shared.runtime.port import (
    BusTimeProbe,
    Commit,
    Folded,
    NotOwner,
    PositionLost,
    StoreUnavailable,
    Taken,
    Unshown,
)
from shared.runtime.status import PartitionStatus as PartitionStatus
from shared.runtime.status import Phase as Phase

Changes = TypeVar("Changes")

PROBE_EVERY_US: Final = SECOND_US
HINT_EVERY_US: Final = SECOND_US
VERIFY_EVERY_US: Final = SECOND_US
_PAUSE_SLICE_MS: Final = 250
"""A loop that waits for a database still hears `stop` this soon."""

_log = structlog.get_logger(__name__)


class Ending(Enum):
    """Why a loop ended without an error."""

    STOPPED = "stopped"
    LOST = "lost"
    """Another process took the partition over."""


class PartitionLoop(Generic[Changes]):
    """Owns one partition from `run` until it is stopped or loses it."""

    def __init__(
        self, parts: Parts[Changes], partition: int, *, memory: Memory[Changes] | None = None
    ) -> None:
        """`memory` is a former loop's, of the same partition and process."""
        self._parts = parts
        self._partition = partition
        self._stopping = False
        self.memory = memory
        """Good for the next loop of this partition; None once it is in doubt."""
        self.status = PartitionStatus(parts.topic.name, partition, stepped_s=monotonic_seconds())

    def stop(self) -> None:
        """Let `run` finish the batch in hand, publish, commit and return."""
        self._stopping = True

    async def run(self) -> Ending:
        """Work until stopped (or until the partition is lost), over passing failures.

        Raises PositionMismatch, PositionLost, StoreMisconfigured, BusMisconfigured, and StoreUnavailable
        or BusUnavailable once they lasted for Limits.retries_max retries.
        """
        try:
            while not self._stopping:
                try:
                    await self._own()
                except (StoreUnavailable, BusUnavailable) as error:
                    await self._wait_after(error)
        except (NotOwner, Fenced) as error:
            self.memory = None
            _log.warning("partition lost", **self._where(), reason=str(error))
            return Ending.LOST
        finally:
            self.status.phase = Phase.ENDED
        return Ending.STOPPED

    async def _own(self) -> None:
        self.status.phase = Phase.TAKING_OVER
        parts, partition = self._parts, self._partition
        identity = await parts.bus.identity(parts.topic)
        held = self.memory
        known = None if held is None or held.committed is None else (held.epoch, held.committed)
        # The store first: from here on the former owner can commit nothing, so what is read back now
        # stays true, and the writer opened next is the newest.
        taken = await parts.store.take_over(identity, partition, owner=parts.owner, known=known)
        async with AsyncExitStack() as stack:
            name = f"{parts.service}/{parts.topic.name}/{partition}"
            writer = await parts.bus.open_writer(
                name, taken.epoch, blocks_in_flight_max=parts.limits.blocks_in_flight_max
            )
            stack.push_async_callback(writer.close)
            reader = await parts.bus.open_reader(parts.topic)
            stack.push_async_callback(reader.close)
            start = await self._start(reader, taken.position)
            tenure = _Tenure(self, parts, partition, reader, writer, taken, identity=identity)
            await tenure.republish(taken)
            await self._remember(taken, start)
            while not self._stopping:
                await tenure.step()
            await tenure.finish()

    async def _start(self, reader: Reader, position: int | None) -> int:
        log = await reader.range(self._partition)
        if position is None:
            return log.begin
        if not log.begin <= position <= log.end:
            raise position_lost(
                OffsetOutOfRange(self._parts.topic.name, self._partition, position, log.begin, log.end)
            )
        return position

    async def _remember(self, taken: Taken, start: int) -> None:
        self.status.phase, self.status.epoch = Phase.LOADING, taken.epoch
        memory, self.memory = self.memory, None
        if memory is not None and taken.unchanged:
            memory.epoch = taken.epoch
        else:
            logic = self._parts.new_logic(self._partition)
            await logic.load(taken)
            memory = Memory(logic, taken.epoch, taken.position, start, taken.clock_us)
        self.memory = memory
        self.status.phase, self.status.caught_up = Phase.RUNNING, False
        _log.info(
            "partition taken over", **self._where(), epoch=taken.epoch, position=memory.position,
            republished=len(taken.unpublished), loaded=not taken.unchanged,
        )  # fmt: skip

    async def _wait_after(self, error: StoreUnavailable | BusUnavailable) -> None:
        status, limits = self.status, self._parts.limits
        status.phase, status.retries = Phase.RETRYING, status.retries + 1
        if self._stopping:
            return
        if status.retries > limits.retries_max:
            raise error
        wait_ms = min(limits.retry_wait_ms << (status.retries - 1), limits.retry_wait_ms_max)
        _log.warning("partition waits", **self._where(), wait_ms=wait_ms, reason=str(error))
        while wait_ms > 0 and not self._stopping:
            await self._parts.pause(min(wait_ms, _PAUSE_SLICE_MS))
            wait_ms -= _PAUSE_SLICE_MS

    def _where(self) -> dict[str, object]:
        return {"topic": self._parts.topic.name, "partition": self._partition}


class _Tenure(Generic[Changes]):
    """One ownership: from a take-over until the partition is stopped, lost or in doubt."""

    def __init__(
        self,
        loop: PartitionLoop[Changes],
        parts: Parts[Changes],
        partition: int,
        reader: Reader,
        writer: Writer,
        taken: Taken,
        *,
        identity: LogIdentity,
    ) -> None:
        self._loop, self._parts, self._partition = loop, parts, partition
        self._reader, self._writer = reader, writer
        self._identity = identity
        self._next_block = taken.next_block
        self._in_flight: deque[tuple[int, int]] = deque()
        self._bus_time = BusTime()
        self._committed_clock_us = taken.clock_us
        self._committed_at_us = self._hinted_at_us = self._probed_at_us = self._verified_at_us = 0

    async def republish(self, taken: Taken) -> None:
        """Publish what the former owner committed and perhaps did not publish."""
        for number, block in taken.unpublished:
            await self._publish(number, decode_block(block))

    async def step(self) -> None:
        """Read, fold, commit, publish: once."""
        memory = self._loop.memory
        assert memory is not None
        # The clock is read before the log: whatever was appended by then, this read can see. Read
        # after it, a timer could fire over a record that was acknowledged before the timer was due.
        wall_us = self._parts.clock.now_us()
        self._bus_time.acknowledged(self._writer.bus_time_us, wall_us)
        due_us = memory.logic.next_due_us()
        poll = await self._read(memory, due_us, wall_us)
        await self._verify()
        until_us = self._until(memory, poll, wall_us)
        self._loop.memory = None  # in doubt until the commit returns
        folded = await memory.logic.fold(poll.records, from_us=memory.clock_us, until_us=until_us)
        memory.position, memory.clock_us, memory.more = poll.next_offset, until_us, folded.more
        outgoing = [*folded.outgoing, *self._probe(memory, poll, wall_us)]
        if folded.worth_committing or outgoing or self._commit_is_due(memory, wall_us):
            number = await self._commit(memory, folded, outgoing)
            self._committed_at_us = wall_us
            self._loop.memory = memory
            if number is not None:
                await self._publish(number, outgoing)
            await self._hint(memory, wall_us)
        self._loop.memory = memory
        self._show(memory, poll, max(0, wall_us - due_us) if due_us is not None else 0)

    async def finish(self) -> None:
        """Let go in good order: all is shown, the bus has it, the store knows it, memory equals the store."""
        memory = self._loop.memory
        assert memory is not None
        if isinstance(memory.logic, Unshown):
            memory.logic.show()
        try:
            await self._fold_nothing(memory, publish=True)
            await self._writer.flush()
        except BusUnavailable as error:
            # What is not confirmed stays in the outbox, and the next owner publishes it.
            _log.warning("outbox left to the next owner", partition=self._partition, reason=str(error))
        await self._fold_nothing(memory, publish=False)

    async def _fold_nothing(self, memory: Memory[Changes], *, publish: bool) -> None:
        """Commit memory as it stands, with what the bus confirmed by now."""
        self._loop.memory = None  # in doubt until the commit returns
        clock_us = memory.clock_us
        folded = await memory.logic.fold((), from_us=clock_us, until_us=clock_us)
        memory.more = folded.more
        number = await self._commit(memory, folded, folded.outgoing)
        self._loop.memory = memory
        if publish and number is not None:
            await self._publish(number, folded.outgoing)

    async def _read(self, memory: Memory[Changes], due_us: int | None, wall_us: int) -> Poll:
        try:
            return await self._reader.read(
                self._partition,
                memory.position,
                records_max=self._parts.limits.records_max,
                wait_ms=self._wait_ms(memory, due_us, wall_us),
            )
        except OffsetOutOfRange as error:
            raise position_lost(error) from error

    async def _verify(self) -> None:
        """Make sure that the log read last is still the one taken over.

        A process that stood still may wake before a topic that was deleted and made again meanwhile: its
        position lies in the new log, too, and nothing fails. Asked each second, and after the read, so that
        what was read over a longer pause is never folded unasked.
        """
        now_us = self._parts.clock.now_us()
        if _passed(self._verified_at_us, now_us, VERIFY_EVERY_US):
            self._verified_at_us = now_us
            found = await self._parts.bus.identity(self._parts.topic)
            if found != self._identity:
                # Taken over anew, which compares with what the store knows and says what to do.
                raise BusUnavailable(f"{found.topic}: the log was replaced while it was read")

    def _wait_ms(self, memory: Memory[Changes], due_us: int | None, wall_us: int) -> int:
        idle_ms = self._parts.limits.idle_wait_ms
        if memory.more:
            return 0
        # A timer that the logic left standing, or that waits with the clock, must not spin the loop.
        if due_us is None or due_us <= memory.clock_us or self._timers_wait(memory, wall_us):
            return idle_ms
        return min(max(0, -((wall_us - due_us) // 1_000)), idle_ms)

    def _until(self, memory: Memory[Changes], poll: Poll, wall_us: int) -> int:
        newest_us = max((record.time_us for record in poll.records), default=0)
        self._bus_time.read(newest_us)
        if poll.at_end and not self._timers_wait(memory, wall_us):
            newest_us = max(newest_us, wall_us)
        return max(memory.clock_us, newest_us)

    def _timers_wait(self, memory: Memory[Changes], wall_us: int) -> bool:
        trust = self._bus_time.trust(wall_us)
        return trust is Trust.HELD or (trust is Trust.UNHEARD and isinstance(memory.logic, BusTimeProbe))

    def _probe(self, memory: Memory[Changes], poll: Poll, wall_us: int) -> Sequence[Outgoing]:
        logic = memory.logic
        if not isinstance(logic, BusTimeProbe) or not poll.at_end:
            return ()
        if self._bus_time.trust(wall_us) is Trust.TRUSTED:
            return ()
        if not _passed(self._probed_at_us, wall_us, PROBE_EVERY_US):
            return ()
        self._probed_at_us = wall_us
        return logic.probe()

    def _commit_is_due(self, memory: Memory[Changes], wall_us: int) -> bool:
        behind = memory.position - (memory.committed or 0)
        if behind >= self._parts.limits.positions_uncommitted_max:
            return True
        moved = memory.committed != memory.position or self._committed_clock_us != memory.clock_us
        return moved and _passed(self._committed_at_us, wall_us, self._parts.limits.idle_commit_us)

    async def _commit(
        self, memory: Memory[Changes], folded: Folded[Changes], outgoing: Sequence[Outgoing]
    ) -> int | None:
        """Commit, and return the number of the block to publish, if there is one."""
        # A block that the bus can never take must not get into the outbox, where it would stay.
        check_sizes(outgoing)
        number = self._next_block if outgoing else None
        await self._parts.store.commit(
            Commit(
                topic=self._parts.topic.name,
                partition=self._partition,
                epoch=memory.epoch,
                position=memory.position,
                clock_us=memory.clock_us,
                note=folded.note,
                confirmed=self._writer.confirmed,
                block=None if number is None else (number, encode_block(outgoing)),
                changes=folded.changes,
            )
        )
        memory.committed, self._committed_clock_us = memory.position, memory.clock_us
        if number is not None:
            self._next_block = number + 1
        return number

    async def _publish(self, number: int, records: Sequence[Outgoing]) -> None:
        self._in_flight.append((number, len(records)))
        await self._writer.publish(number, records)

    async def _hint(self, memory: Memory[Changes], wall_us: int) -> None:
        if _passed(self._hinted_at_us, wall_us, HINT_EVERY_US):
            self._hinted_at_us = wall_us
            await self._reader.hint(self._partition, memory.position)

    def _show(self, memory: Memory[Changes], poll: Poll, lateness_us: int) -> None:
        while self._in_flight and self._in_flight[0][0] <= self._writer.confirmed:
            self._in_flight.popleft()
        status = self._loop.status
        status.position, status.clock_us = memory.position, memory.clock_us
        status.at_end = poll.at_end
        status.caught_up = status.caught_up or poll.at_end
        status.held = self._bus_time.trust(self._parts.clock.now_us()) is Trust.HELD
        status.lateness_us = lateness_us
        status.outbox_blocks = len(self._in_flight)
        status.outbox_records = sum(records for _, records in self._in_flight)
        status.stepped_s, status.retries = monotonic_seconds(), 0


def _passed(since_us: int, now_us: int, span_us: int) -> bool:
    # A wall clock that was set back counts as passed: better once too often than an hour of silence.
    return not 0 <= now_us - since_us < span_us


def position_lost(error: OffsetOutOfRange) -> PositionLost:
    """Return the error that says what is lost, and what a person can do."""
    why = (
        "the records in between were deleted by retention before they were read"
        if error.offset < error.begin
        else "the log is shorter than when it was read: it was replaced or restored from an older copy"
    )
    return PositionLost(
        f"{error.topic}/{error.partition}: the stored position {error.offset} is outside the log "
        f"[{error.begin}, {error.end}): {why}. Nothing was skipped. Restore log and database from "
        f"backups of one moment, or give an empty database in BAROMETER_DATABASE to fold again what the log "
        f"still holds, and publish again or close (`barometer ticket close`) what it no longer knows."
    )
