"""Consumer groups of one process: which member works on which partition of a topic.

All members live in this process (`barometer serve` runs every service in one), so a group is a table in
memory. A second process must not join: it would own the same partitions. The system's lock on a file
says so, and lets go by itself when the process dies.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from shared.bus.embedded.appender import Appender
from shared.bus.embedded.files import Files, TopicRow
from shared.bus.port import Assigned, BusMisconfigured, Revoked

LOCK_NAME: Final = "serve.lock"


class ServeLock:
    """The right of one process to have group members in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Take the lock, once for all groups. Raises BusMisconfigured if another process has it."""
        if self._file is not None:
            return
        file = (self._directory / LOCK_NAME).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            text = f"another barometer serve uses {self._directory}: stop it, or give this one another --data"
            raise BusMisconfigured(text) from error
        self._file = file

    def release(self) -> None:
        """Let another process have it."""
        if self._file is not None:
            self._file.close()
            self._file = None


class GroupOffsets:
    """The offsets a group stored for one topic, in the log's file."""

    def __init__(self, files: Files, appender: Appender, group: str, topic: TopicRow) -> None:
        self._files = files
        self._appender = appender
        self._group = group
        self._topic = topic

    async def load(self, partition: int) -> int | None:
        """Return what was stored last."""
        key = (self._group, self._topic.partition_ids[partition])
        question = "SELECT next_offset FROM group_offsets WHERE name = ? AND partition = ?"
        row = await self._files.read(lambda connection: connection.execute(question, key).fetchone())
        return None if row is None else int(row[0])

    async def store(self, partition: int, offset: int) -> None:
        """Store `offset`, durable once this returned."""
        await self._appender.note(self._group, self._topic.partition_ids[partition], offset)


class EmbeddedMembership:
    """One member: its partitions, and the changes it has not heard yet."""

    def __init__(self, group: Group, member: str) -> None:
        self._group = group
        self.member = member
        self._changes: deque[Assigned | Revoked] = deque()
        self._arrived = asyncio.Event()

    def tell(self, change: Assigned | Revoked) -> None:
        """Queue `change` for `next_change`."""
        self._changes.append(change)
        self._arrived.set()

    async def next_change(self, *, wait_ms: int) -> Assigned | Revoked | None:
        """See `Membership.next_change`."""
        if not self._changes:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1_000):
                    await self._arrived.wait()
        return self._changes.popleft() if self._changes else None

    async def released(self, partitions: tuple[int, ...]) -> None:
        """See `Membership.released`."""
        self._group.released(self, partitions)

    async def committed(self, partition: int) -> int | None:
        """See `Membership.committed`."""
        return await self._group.offsets.load(partition)

    async def commit(self, partition: int, offset: int) -> None:
        """See `Membership.commit`."""
        if self._group.owns(self, partition):
            await self._group.offsets.store(partition, offset)

    async def close(self) -> None:
        """See `Membership.close`."""
        self._group.leave(self)


class Group:
    """The members of one group, and who owns what. A partition moves only once its owner released it."""

    def __init__(self, name: str, partitions: int, revoke_budget_ms: int, offsets: GroupOffsets) -> None:
        self.name = name
        self.offsets = offsets
        self._budget_s = revoke_budget_ms / 1_000
        self._members: list[EmbeddedMembership] = []
        self._owners: dict[int, EmbeddedMembership | None] = dict.fromkeys(range(partitions))
        self._leaving: dict[int, asyncio.TimerHandle] = {}

    def join(self, member: str) -> EmbeddedMembership:
        """Return a new member; partitions come to it as the others release them."""
        if any(known.member == member for known in self._members):
            text = f"{self.name} has a member {member} already: give each member a name of its own"
            raise BusMisconfigured(text)
        joined = EmbeddedMembership(self, member)
        self._members.append(joined)
        self._balance()
        return joined

    def released(self, member: EmbeddedMembership, partitions: tuple[int, ...]) -> None:
        """Note that `member` works on `partitions` no more."""
        for partition in partitions:
            if self._owners[partition] is member and (timer := self._leaving.pop(partition, None)):
                timer.cancel()
                self._owners[partition] = None
        self._balance()

    def leave(self, member: EmbeddedMembership) -> None:
        """Hand over everything `member` had."""
        if member not in self._members:
            return
        self._members.remove(member)
        for partition, owner in self._owners.items():
            if owner is member:
                self._owners[partition] = None
                if timer := self._leaving.pop(partition, None):
                    timer.cancel()
        self._balance()

    def owns(self, member: EmbeddedMembership, partition: int) -> bool:
        """Return whether `partition` is still `member`'s, if only until it is released."""
        return self._owners[partition] is member

    def empty(self) -> bool:
        """Return whether nobody is left."""
        return not self._members

    def _balance(self) -> None:
        """Give free partitions away and ask for those above a member's share; nothing else moves."""
        share, rest = divmod(len(self._owners), len(self._members) or 1)
        free = [p for p, owner in self._owners.items() if owner is None]
        for rank, member in enumerate(self._members):
            quota = share + (rank < rest)
            held = [p for p, owner in self._owners.items() if owner is member]
            kept = [p for p in held if p not in self._leaving]
            self._ask_back(member, kept[quota:])
            # A partition on its way out still counts as held: the member may be at its limit of memory.
            given, free = free[: max(0, quota - len(held))], free[max(0, quota - len(held)) :]
            if given:
                self._owners.update(dict.fromkeys(given, member))
                member.tell(Assigned(tuple(given)))

    def _ask_back(self, member: EmbeddedMembership, partitions: list[int]) -> None:
        if not partitions:
            return
        loop = asyncio.get_running_loop()
        for partition in partitions:
            late = loop.call_later(self._budget_s, self.released, member, (partition,))
            self._leaving[partition] = late
        member.tell(Revoked(tuple(partitions)))
