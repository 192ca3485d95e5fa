"""Whatever changes, fails or falls while a list is read: every change is found once, and no watermark skips one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.core.pull.flow import Found
from services.intake.core.pull.port import Item
from services.intake.core.pull.position import Position, Progress, decode_progress, encode_progress
from tests.servers.desks.desk import EPOCH, Desk, Ticket, failing
from tests.unit.intake.pull.driving import Time, run
from tests.unit.intake.pull.vendors import LISTS, Vendor

TICKETS = 12
RUNS = 8


class World:
    """One list read again and again while a desk is at work and things break."""

    def __init__(self, vendor: Vendor, seed: int) -> None:
        self.vendor, self.chance, self.time = vendor, Random(seed), Time()
        self.desk: Desk = vendor.desk(self.time.now)
        self.desk.page_items_max = self.chance.choice((1, 2, 3, 5))
        self.desk.meanwhile = self._at_work()
        self.position = Position.begin(EPOCH)
        self.found: Counter[tuple[str, str]] = Counter()

    def read(self, *, breaks: bool) -> None:
        """Take one turn; a process that falls forgets what was not acknowledged."""
        if breaks:
            self.desk.faults.extend(
                self.chance.choice(
                    (failing(503), failing(429, {"retry-after": "3"}), self.desk.cut, self.desk.respond)
                )
                for _ in range(self.chance.randrange(9))
            )
        kept = decode_progress(encode_progress(Progress(lists={"list": self.position})))
        assert kept is not None
        done = run(
            self.vendor.listing(), self.desk, kept.lists["list"], time=self.time,
            credentials=self.vendor.credentials, dies=self._dies if breaks else lambda _: False,
        )  # fmt: skip
        self.position = done.over.position
        self.found.update(map(_state, done.items))
        self._check()

    def _dies(self, found: Found) -> bool:
        del found
        return self.chance.random() < 0.1

    def _at_work(self) -> Iterator[None]:
        while True:
            self.work(self.chance.choice((0, 0, 1, 3)))
            yield

    def work(self, changes: int) -> None:
        """Change tickets now; time stands still now and then, so several change at one instant."""
        for _ in range(changes):
            self.time.pass_(self.chance.choice((0, 0, 1, 40)))
            at = self.time.at.replace(microsecond=0)
            number = self.chance.randrange(TICKETS)
            self.desk.put(Ticket(number, at, is_closed=self.chance.random() < 0.5))

    def _check(self) -> None:
        """See that whatever changed before the watermark was found."""
        for ticket in self.desk.tickets.values():
            if ticket.updated_at < self.position.watermark:
                assert (self.vendor.key(ticket.number), str(ticket.updated_at)) in self.found, self.position


def _state(item: Item) -> tuple[str, str]:
    return item.key, str(item.at)


@pytest.mark.parametrize("vendor", LISTS, ids=str)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_change_is_found_once_and_the_watermark_skips_none(vendor: Vendor, seed: int) -> None:
    world = World(vendor, seed)
    for _ in range(RUNS):
        world.work(world.chance.randrange(12))
        world.time.pass_(world.chance.choice((1, 60, 400)))
        world.read(breaks=True)
    world.desk.faults.clear()
    world.desk.meanwhile = iter(())
    world.time.pass_(1_000)
    world.read(breaks=False)
    world.time.pass_(timedelta(minutes=10).total_seconds())
    world.read(breaks=False)
    wanted = {(vendor.key(one.number), str(one.updated_at)) for one in world.desk.tickets.values()}
    assert set() == wanted - set(world.found)
    assert {} == {state: times for state, times in world.found.items() if times > 1}
