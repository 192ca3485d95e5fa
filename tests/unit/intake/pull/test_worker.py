"""The pull worker on a real log and a real database: what is kept when, and what a fall at any point costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.intake.adapters.cursors import SqlCursors
from services.intake.adapters.metrics import counters
from services.intake.adapters.threads import MIGRATIONS
from services.intake.core.pull.port import Listing
from services.intake.core.pull.position import Progress, decode_progress
from services.intake.core.pull.source import PulledSource
from services.intake.core.vendors import VENDORS
from services.intake.ports import CursorKey
from services.intake.worker.pull import KIND, Parts, PullWorker
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import BusUnavailable
from shared.clock import ManualClock
from shared.codec.decoding import decode
from shared.contracts.instants import SECOND_US, from_us, to_us
from shared.contracts.tickets import Observation, Rejected
from shared.contracts.topics import EVENTS, REJECTED, Topic
from shared.sql.engine import opened
from shared.sql.migrate import upgrade
from tests.servers.desks.desk import EPOCH, Desk, Ticket, failing
from tests.servers.desks.github import GitHubDesk
from tests.unit.intake.pull.driving import MARGINS
from tests.unit.intake.pull.fetching import DeskFetch
from tests.unit.intake.pull.test_connectors import kind_of, sources
from tests.unit.intake.pull.vendors import GITHUB, GITHUB_COMMENTS, GITLAB_NOTES, Vendor
from tests.unit.runtime.crashing import Countdown, Crash, Crashing

pytestmark = pytest.mark.asyncio

INTERVAL = timedelta(minutes=5)


class FragileBus(EmbeddedBus):
    """The embedded log, which may go away."""

    away = 0

    async def append(self, records: Any) -> None:
        if self.away:
            self.away -= 1
            raise BusUnavailable("out of reach")
        await super().append(records)


@dataclass
class World:
    """A desk, a log, a database, and processes that pull."""

    bus: FragileBus
    cursors: SqlCursors
    clock: ManualClock
    desk: Desk
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    vendor: Vendor = GITHUB
    credentials: dict[str, str] = field(default_factory=dict)
    listings: tuple[Listing, ...] = ()
    slept_us: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counted = counters(self.registry)
        self.credentials = dict(self.vendor.credentials)
        self.listings = (self.vendor.listing(),)

    def worker(
        self, member: str = "a", *, until: timedelta, countdown: Countdown | None = None
    ) -> PullWorker:
        """Return the worker of a process that stops itself at `until` from now."""
        end_us, ids = self.clock.now_us() + to_us(EPOCH + until) - to_us(EPOCH), count()

        async def pause(wait_ms: int) -> None:
            self.clock.set(self.clock.now_us() + wait_ms * 1_000)
            if self.clock.now_us() >= end_us:
                worker.stop()

        def guarded(port: Any) -> Any:
            return port if countdown is None else Crashing(port, countdown)

        source = PulledSource(
            "default", "desk", VENDORS[kind_of(self.vendor)], "http://desk", self.credentials, self.listings, INTERVAL,
            MARGINS, begin=EPOCH - timedelta(hours=2),
        )  # fmt: skip
        parts = Parts(
            guarded(self.bus), guarded(self.cursors), sources(kind_of(self.vendor)), self.clock, self.counted, pause, member,
            lambda: f"{member}-{next(ids)}",
        )  # fmt: skip
        worker = PullWorker(parts, source, guarded(DeskFetch(self.desk, self.credentials, self.clock)))
        return worker

    async def pull(self, member: str = "a", *, until: timedelta = timedelta(seconds=1)) -> None:
        await self.worker(member, until=until).run()

    async def events(self, topic: Topic = EVENTS) -> list[object]:
        reader = await self.bus.open_reader(topic)
        try:
            poll = await reader.read(0, 0, records_max=1_000, wait_ms=0)
        finally:
            await reader.close()
        return [decode(record) for record in poll.records]

    async def observed(self) -> list[str]:
        """Return ticket and time of each observation on the bus, in order."""
        found = [event for event in await self.events() if isinstance(event, Observation)]
        return [f"{one.ticket.rpartition('#')[2]} {one.time:%H:%M}" for one in found]

    async def progress(self) -> Progress | None:
        body = await self.cursors.load(CursorKey("default", "desk", KIND))
        return decode_progress(body) if body else None

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"source": "desk", **labels})


@asynccontextmanager
async def world(directory: Path, vendor: Vendor = GITHUB) -> AsyncIterator[World]:
    clock = ManualClock(to_us(EPOCH))
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(await FragileBus.open(directory, clock))
        await bus.ensure_topics({EVENTS.name: 1, REJECTED.name: 1})
        engine = await stack.enter_async_context(opened(f"sqlite+aiosqlite:///{directory}/intake.db"))
        await upgrade(engine, MIGRATIONS)
        desk = vendor.desk(lambda: from_us(clock.now_us()))
        desk.page_items_max = 2
        for number in range(1, 6):
            desk.put(Ticket(number, EPOCH - timedelta(minutes=60 - number)))
        yield World(bus, SqlCursors(engine), clock, desk, vendor=vendor)


FIVE = ["1 09:01", "2 09:02", "3 09:03", "4 09:04", "5 09:05"]


async def test_what_changed_is_on_the_bus_and_the_cursor_behind_it(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pull()
        assert FIVE == await here.observed()
        progress = await here.progress()
        assert progress is not None
        position = progress.lists["acme/support"]
        assert EPOCH - timedelta(minutes=55) == position.watermark
        assert EPOCH + INTERVAL == progress.due(INTERVAL, EPOCH)
        assert (EPOCH - MARGINS.settle).timestamp() == here.figure(
            "barometer_pull_known_until_timestamp_seconds"
        )


async def test_it_shows_whether_the_pull_is_the_only_way_of_its_source(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pull()
        assert 0 == here.figure("barometer_pull_alone")


async def test_it_is_asked_again_at_each_interval_and_not_before(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pull(until=timedelta(minutes=4))
        asked = len(here.desk.asked)
        here.desk.put(Ticket(6, EPOCH))
        await here.pull(until=timedelta(seconds=50))
        assert asked == len(here.desk.asked)
        await here.pull(until=timedelta(minutes=6))
        assert [*FIVE, "6 10:00"] == await here.observed()


async def test_of_two_processes_one_asks(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.pull("a")
        asked = len(here.desk.asked)
        await here.pull("b", until=timedelta(minutes=4))
        assert asked == len(here.desk.asked)
        await here.pull("b", until=timedelta(minutes=2))
        assert asked < len(here.desk.asked)
        assert FIVE == await here.observed()


async def test_while_another_process_holds_the_cursor_nothing_is_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        key, now_us = CursorKey("default", "desk", KIND), here.clock.now_us()
        await here.cursors.take(key, holder="other", now_us=now_us, until_us=now_us + 40 * SECOND_US)
        await here.pull(until=timedelta(seconds=35))
        assert [] == here.desk.asked
        await here.pull(until=timedelta(seconds=20))
        assert FIVE == await here.observed()


async def test_the_cursor_waits_for_the_acknowledgement_of_the_bus(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.bus.away = 1
        await here.pull(until=timedelta(milliseconds=100))
        assert (None, []) == (await here.progress(), await here.observed())
        await here.pull(until=timedelta(seconds=5))
        assert FIVE == await here.observed()


@pytest.mark.slow
@pytest.mark.parametrize("vendor", [GITHUB, GITLAB_NOTES], ids=str)
async def test_a_kill_before_or_after_any_call_of_a_port_loses_nothing(
    tmp_path: Path, vendor: Vendor
) -> None:
    for point in count():
        directory = tmp_path / str(point)
        directory.mkdir()
        async with world(directory, vendor) as here:
            try:
                await here.worker(until=timedelta(seconds=5), countdown=Countdown(point)).run()
                survived = True
            except Crash:
                survived = False
            await here.pull(until=timedelta(seconds=5))
            await here.pull(until=timedelta(minutes=11))
            seen = [event for event in await here.events() if isinstance(event, Observation)]
            assert FIVE == list(dict.fromkeys(await here.observed())), point
            assert 5 == len({(one.id, one.time, one.ticket) for one in seen}), point
            assert len(seen) <= 7, f"{point}: only the page in hand comes again"
        if survived:
            assert point > 20
            return


async def test_a_long_limit_ends_the_turn_and_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.desk.faults.append(failing(429, {"retry-after": "1800"}))
        await here.pull()
        assert 1 == len(here.desk.asked)
        await here.pull("b", until=timedelta(minutes=29))
        assert 1 == len(here.desk.asked)
        await here.pull("b", until=timedelta(minutes=2))
        assert FIVE == await here.observed()
        assert 1 == here.figure("barometer_pull_requests_total", outcome="limited")


async def test_a_clock_that_was_wrong_for_a_moment_stops_no_source_for_long(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.clock.set(to_us(EPOCH + timedelta(days=400)))
        here.desk.now = lambda: EPOCH
        await here.pull()
        here.clock.set(to_us(EPOCH + timedelta(minutes=10)))
        here.desk.put(Ticket(6, EPOCH + timedelta(minutes=2)))
        here.desk.now = lambda: EPOCH + timedelta(minutes=10)
        await here.pull()
        assert [*FIVE, "6 10:02"] == await here.observed()


async def test_requests_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.desk.faults.extend([failing(500), here.desk.cut])
        await here.pull(until=timedelta(seconds=5))
        shown = {
            outcome: here.figure("barometer_pull_requests_total", outcome=outcome)
            for outcome in ("failed", "unreached", "refused", "limited")
        }
        assert {"failed": 1, "unreached": 1, "refused": 0, "limited": 0} == shown
        assert FIVE == await here.observed()


async def test_a_token_that_is_not_taken_moves_nothing_and_is_tried_again_at_the_interval(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.credentials = {"authorization": "Bearer old"}
        await here.pull(until=timedelta(minutes=11))
        assert (3, []) == (len(here.desk.asked), await here.observed())
        here.credentials = dict(GITHUB.credentials)
        await here.pull(until=timedelta(minutes=6))
        assert FIVE == await here.observed()


async def test_a_list_of_comments_that_is_refused_is_told_of_and_stops_no_other(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.listings = (GITHUB_COMMENTS.listing(), GITHUB.listing())
        assert isinstance(here.desk, GitHubDesk)
        here.desk.mute = True
        here.desk.say(7, 5, EPOCH - timedelta(minutes=55))
        with capture_logs() as logs:
            await here.pull()
        assert (FIVE, 1) == (
            await here.observed(),
            here.figure("barometer_pull_requests_total", outcome="refused"),
        )
        mend = "the answer was 403: the token may not read this: give it the rights in docs/pull.md"
        assert [("acme/support comments", mend)] == [
            (one["list"], one["reason"]) for one in logs if one["event"] == "pull failed"
        ]
        begin = EPOCH - timedelta(hours=2)
        assert begin.timestamp() == here.figure("barometer_pull_known_until_timestamp_seconds")
        here.desk.mute = False
        await here.pull(until=timedelta(minutes=6))
        assert [*FIVE, "5 09:05"] == await here.observed()


async def test_what_cannot_be_used_is_kept_whole_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.desk.now = lambda: EPOCH + timedelta(hours=5)  # our clock is hours behind the vendor's
        here.desk.put(Ticket(9, EPOCH + timedelta(hours=4)))
        await here.pull()
        kept = [event for event in await here.events(REJECTED) if isinstance(event, Rejected)]
        assert [("future_time", "webhook", "pull:github")] == [
            (one.reason, one.stage, one.verified) for one in kept
        ]
        assert FIVE == await here.observed()


async def test_a_cursor_of_another_version_is_never_begun_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        key, now_us = CursorKey("default", "desk", KIND), here.clock.now_us()
        held = await here.cursors.take(key, holder="a", now_us=now_us, until_us=now_us + 1)
        assert held is not None
        await here.cursors.save(key, b'{"v":9}', epoch=held.epoch, at_us=now_us, until_us=now_us + 1)
        await here.pull(until=timedelta(minutes=3))
        assert ([], b'{"v":9}') == (here.desk.asked, await here.cursors.load(key))


async def test_a_stop_in_the_middle_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        worker = here.worker(until=timedelta(minutes=1))

        class Stopping(DeskFetch):
            async def get(self, request: Any) -> Any:
                if len(here.desk.asked) == 1:
                    worker.stop()
                return await super().get(request)

        worker._fetch = Stopping(here.desk, here.credentials, here.clock)
        await worker.run()
        before = await here.observed()
        assert len(before) < 5
        await here.pull()
        assert FIVE == await here.observed()
