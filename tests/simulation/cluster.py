"""The brokers: logs, fenced writers and groups. What is here outlives every process.

Beside what readers can still read, each log keeps all that was ever appended to it (`history`): checkers
want to know what compaction and retention took.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import Final

from shared.bus.port import (
    BusMisconfigured,
    BusUnavailable,
    Fenced,
    LogIdentity,
    LogRange,
    OffsetOutOfRange,
    Outgoing,
    Poll,
    Record,
)
from shared.clock import Clock
from shared.contracts.topics import Cleanup, Topic, partition_of
from tests.simulation.coordinator import Coordinator
from tests.simulation.network import Loss, Network

CLUSTER: Final = "simulated"
_offset: Final = attrgetter("offset")


class Log:
    """One partition of a topic."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.records: list[Record] = []
        self.history: list[Record] = []
        self.begin = self.end = self.time_us = 0

    def append(self, out: Outgoing, now_us: int) -> Record:
        """Append `out`; its append time never goes back, though the clock may."""
        self.time_us = max(self.time_us, now_us)
        record = Record(self.topic, self.partition, self.end, self.time_us, out.key, out.value, out.headers)
        self.end += 1
        self.records.append(record)
        self.history.append(record)
        return record

    def skip(self) -> None:
        """Use up an offset that holds no record, as the mark of a transaction does."""
        self.end += 1

    def read(self, offset: int, records_max: int) -> Poll:
        """Return what lies at `offset` and behind it. Raises OffsetOutOfRange."""
        if not self.begin <= offset <= self.end:
            raise OffsetOutOfRange(self.topic, self.partition, offset, self.begin, self.end)
        first = bisect_left(self.records, offset, key=_offset)
        found = self.records[first : first + records_max]
        at_end = first + len(found) == len(self.records)
        return Poll(found, self.end if at_end else found[-1].offset + 1, at_end)

    def expire(self, before: int) -> int:
        """Forget the records below offset `before`; return how many."""
        before = min(before, self.end)
        if before <= self.begin:
            return 0
        count = bisect_left(self.records, before, key=_offset)
        del self.records[:count]
        self.begin = before
        return count

    def compact(self, before: int) -> int:
        """Forget the records below `before` that a later one below it supersedes; return how many."""
        count = bisect_left(self.records, before, key=_offset)
        newest = {record.key: record.offset for record in self.records[:count]}
        kept = [record for record in self.records[:count] if newest[record.key] == record.offset]
        self.records[:count] = kept
        return count - len(kept)


@dataclass(slots=True)
class TopicLogs:
    """One topic."""

    topic: Topic
    topic_id: str
    logs: list[Log]


@dataclass(slots=True)
class Block:
    """What a writer handed over, on its way. `told` hears (the append time, or what went wrong)."""

    fence: tuple[int, int]
    records: Sequence[Outgoing]
    told: Callable[[int | None, Exception | None], None]


@dataclass(slots=True)
class Ownership:
    """Who may write under a name: the last to open the highest epoch."""

    fence: tuple[int, int]
    on_the_way: deque[Block] = field(default_factory=deque)


class Cluster:
    """All brokers as one."""

    def __init__(self, clock: Clock, network: Network, *, marks: bool = True, resolution_us: int = 1) -> None:
        """`marks`: each block leaves a gap in the offsets behind it. Append times are cut to `resolution_us`."""
        self.network = network
        self.topics: dict[str, TopicLogs] = {}
        self.changes = 0
        """Counts what a waiting reader or member may have waited for."""
        self._clock, self._marks, self._resolution_us = clock, marks, resolution_us
        self._owners: dict[str, Ownership] = {}
        self._groups: dict[tuple[str, str], Coordinator] = {}
        self._made = 0

    # Topics.

    def ensure(self, partitions: Mapping[str, int], known: Sequence[Topic]) -> None:
        """Create the missing topics. Raises BusMisconfigured."""
        shapes = {topic.name: topic for topic in known}
        for name, count in partitions.items():
            shape, existing = shapes[name], self.topics.get(name)
            if existing is None:
                self._made += 1
                logs = [Log(name, partition) for partition in range(count)]
                self.topics[name] = TopicLogs(shape, f"topic-{self._made}", logs)
            elif existing.topic.cleanup is not shape.cleanup:
                raise BusMisconfigured(f"{name} has another cleanup policy: {existing.topic.cleanup.value}")

    def retain(self, days: Mapping[str, int]) -> dict[str, int | None]:
        """Let topics keep records for `days`; return what was otherwise. Raises BusMisconfigured."""
        former: dict[str, int | None] = {}
        for name, kept in days.items():
            found = self.topic(name)
            if found.topic.retention_days != kept:
                former[name] = found.topic.retention_days
                found.topic = replace(found.topic, retention_days=kept)
        return former

    def forget(self, name: str) -> None:
        """Lose a topic, with all that is in it."""
        del self.topics[name]

    def topic(self, name: str) -> TopicLogs:
        """Return a topic. Raises BusMisconfigured if it does not exist."""
        if name not in self.topics:
            raise BusMisconfigured(f"topic {name} does not exist")
        return self.topics[name]

    def identity(self, name: str) -> LogIdentity:
        """Return what positions in the topic refer to."""
        found = self.topic(name)
        return LogIdentity(CLUSTER, name, found.topic_id, len(found.logs))

    def log(self, topic: str, partition: int) -> Log:
        """Return one partition."""
        return self.topic(topic).logs[partition]

    def range(self, topic: str, partition: int) -> LogRange:
        """Return the offsets now in the log."""
        log = self.log(topic, partition)
        return LogRange(log.begin, log.end)

    # Records.

    def placed(self, records: Sequence[Outgoing]) -> list[tuple[Log, list[Outgoing]]]:
        """Return `records` by the partition they belong to, in the order of first sight."""
        found: dict[tuple[str, int], list[Outgoing]] = {}
        for out in records:
            logs = self.topic(out.topic).logs
            partition = partition_of(out.key, len(logs)) if out.partition is None else out.partition
            found.setdefault((out.topic, partition), []).append(out)
        return [(self.log(*place), outs) for place, outs in found.items()]

    def append(self, log: Log, records: Sequence[Outgoing]) -> int:
        """Append `records` to one partition; return the append time."""
        now_us = self._clock.now_us() // self._resolution_us * self._resolution_us
        for out in records:
            log.append(out, now_us)
        self.changes += 1
        return log.time_us

    # Writers.

    def own(self, name: str, epoch: int) -> tuple[int, int]:
        """Open a writer: from now on nobody else's blocks of this name arrive. Raises Fenced."""
        owner = self._owners.setdefault(name, Ownership((epoch, 0)))
        if owner.fence[0] > epoch:
            raise Fenced(f"{name}: epoch {epoch} is not the owner, {owner.fence[0]} is")
        self.lose(name, owner.fence, Fenced(f"{name}: epoch {owner.fence[0]} is no longer the owner"))
        owner.fence = (epoch, owner.fence[1] + 1)
        return owner.fence

    def send(self, name: str, block: Block) -> None:
        """Take a block; it arrives behind those of the same name that were sent before."""
        self._owners[name].on_the_way.append(block)
        self.network.later(partial(self._arrive, name))

    def lose(self, name: str, fence: tuple[int, int], error: Exception) -> None:
        """The writer died or was fenced: of its blocks on the way some more arrive, and then none."""
        owner = self._owners[name]
        own = [block for block in owner.on_the_way if block.fence == fence]
        # A zombie may have handed over more since it was fenced: nothing of that arrives.
        arriving = self.network.some(len(own)) if fence == owner.fence else 0
        for block in own[:arriving]:
            self._take(block)
        owner.on_the_way = deque(block for block in owner.on_the_way if block.fence != fence)
        for block in own:
            self.network.later(partial(block.told, None, error))

    def _arrive(self, name: str) -> None:
        owner = self._owners[name]
        if not owner.on_the_way:
            return
        block = owner.on_the_way.popleft()
        if block.fence != owner.fence:
            block.told(None, Fenced(f"{name}: epoch {block.fence[0]} is no longer the owner"))
            return
        loss = self.network.loss()
        time_us = None if loss is Loss.BEFORE else self._take(block)
        if loss is Loss.NONE:
            self.network.later(partial(block.told, time_us, None))
            return
        error = BusUnavailable("no acknowledgement came")
        followers = [one for one in owner.on_the_way if one.fence == block.fence]
        owner.on_the_way = deque(one for one in owner.on_the_way if one.fence != block.fence)
        for one in (block, *followers):
            one.told(None, error)

    def _take(self, block: Block) -> int:
        time_us = 0
        for log, records in self.placed(block.records):
            time_us = max(time_us, self.append(log, records))
            if self._marks:
                log.skip()
        return time_us

    # Groups.

    def group(self, topic: str, name: str) -> Coordinator:
        """Return the coordinator of a group."""
        key = (topic, name)
        if key not in self._groups:
            self._groups[key] = Coordinator(len(self.topic(topic).logs), self.network, self._changed)
        return self._groups[key]

    def _changed(self) -> None:
        self.changes += 1

    # Upkeep.

    def compact(self, name: str, *, behind: int = 0) -> int:
        """Compact a topic but for its last `behind` offsets; return how many records went."""
        found = self.topic(name)
        assert found.topic.cleanup is Cleanup.COMPACT, name
        return sum(log.compact(log.end - behind) for log in found.logs)

    def expire(self, name: str, partition: int, before: int) -> int:
        """Let retention take what lies below `before`; return how many records went."""
        assert self.topic(name).topic.cleanup is Cleanup.DELETE, name
        return self.log(name, partition).expire(before)
