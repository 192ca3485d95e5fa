"""Following `config.v1`: the versions of the configuration that changes facts, as they are published.

Processes use these and never a file, so that all of them change their mind at the same place of the log
(docs/decisions/0006). The topic is small and compacted, and read from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from shared.bus.port import Bus, BusUnavailable, OffsetOutOfRange, Reader
from shared.codec import CodecError, decode
from shared.contracts.configuration import ConfigVersion
from shared.contracts.topics import CONFIG
from shared.runtime.port import Pause

READ_MAX: Final = 100
WAIT_MS: Final = 250
"""How long a read waits; `stop` is heard this often."""
RECORDED_WAITS_MAX: Final = 40
"""Waits for a version that was applied: it was recorded before, so it is there or about to be seen."""
RETRY_WAIT_MS: Final = 1_000

_log = structlog.get_logger(__name__)


class Configurations:
    """The published versions, kept up to date while `run` runs."""

    def __init__(self, bus: Bus, pause: Pause) -> None:
        self._bus = bus
        self._pause = pause
        self._stopping = False
        self._versions: dict[int, ConfigVersion] = {}
        self._followers: list[Callable[[ConfigVersion], None]] = []
        self.read_to_end = False
        """Whether everything published before `run` began was read."""

    @property
    def latest(self) -> ConfigVersion | None:
        """The newest version heard of; None if none was ever published."""
        return self._versions[max(self._versions)] if self._versions else None

    def follow(self, follower: Callable[[ConfigVersion], None]) -> None:
        """Call `follower` with each version that is the newest when it is read."""
        self._followers.append(follower)

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping = True

    def complaint(self) -> str | None:
        """Return why readiness is not given, in words."""
        return None if self.read_to_end else "config.v1 not yet read"

    async def run(self) -> None:
        """Follow the topic until stopped; a bus that is away is waited for."""
        while not self._stopping:
            try:
                await self._follow_log()
            except BusUnavailable as error:
                _log.warning("config.v1 cannot be read", reason=str(error))
                await self._pause(RETRY_WAIT_MS)

    async def version(self, number: int) -> ConfigVersion:
        """Return version `number`, which was recorded before it was applied. Raises BusUnavailable."""
        if number not in self._versions:
            reader = await self._bus.open_reader(CONFIG)
            try:
                await self._seek(reader, number)
            finally:
                await reader.close()
        return self._versions[number]

    async def _seek(self, reader: Reader, number: int) -> None:
        offset = (await reader.range(0)).begin
        for _ in range(RECORDED_WAITS_MAX):
            offset = await self._read(reader, offset)
            if number in self._versions:
                return
        raise BusUnavailable(f"{CONFIG.name}: version {number} was applied but is not recorded")

    async def _follow_log(self) -> None:
        reader = await self._bus.open_reader(CONFIG)
        try:
            offset = (await reader.range(0)).begin
            while not self._stopping:
                offset = await self._read(reader, offset)
        finally:
            await reader.close()

    async def _read(self, reader: Reader, offset: int) -> int:
        try:
            poll = await reader.read(0, offset, records_max=READ_MAX, wait_ms=WAIT_MS)
        except OffsetOutOfRange as error:
            return error.begin  # the topic was compacted or made anew: begin again
        for record in poll.records:
            try:
                event = decode(record)
            except CodecError as error:
                _log.error("config.v1 holds what is no version", offset=record.offset, reason=str(error))
                continue
            if isinstance(event, ConfigVersion):
                self._learn(event)
        self.read_to_end = self.read_to_end or poll.at_end
        return poll.next_offset

    def _learn(self, version: ConfigVersion) -> None:
        known = version.version in self._versions
        self._versions[version.version] = version
        if not known and version is self.latest:
            for follower in self._followers:
                follower(version)
