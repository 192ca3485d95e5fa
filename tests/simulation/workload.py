"""Who does what in a world, and when: help desks, senders, an upstream, imports, and an operator."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Final

from shared.contracts.instants import SECOND_US
from tests.simulation.desk import Habits, HelpDesk, Shown
from tests.simulation.settings import TENANTS
from tests.simulation.world import START_US

if TYPE_CHECKING:
    from tests.simulation.world import World

SECONDS: Final = (12, 25, 45)
_EVENTS: Final = (30, 80, 160)
_TICKETS: Final = (1, 3, 8, 20)
_SECTIONS: Final = (("age",), ("sla",), ("calendars",), ("age", "sla"), ("age", "sla", "calendars"))
_SETTLE_US: Final = 5 * SECOND_US
_NEAR_US: Final = 2 * SECOND_US


def people(world: World, history: Sequence[Shown] = ()) -> int:
    """Let everybody begin; return when the last thing is shown (and a little more).

    `history` is shown too, by a sender of its own; it must not reach beyond the shortest world.
    """
    random, outside = world.random, world.outside
    span_us = random.choice(SECONDS) * SECOND_US
    end_us = START_US + span_us
    habits = Habits.drawn(random)
    desks = [
        HelpDesk(random, name, random.choice(_TICKETS), habits) for name in TENANTS[: world.shape.tenants]
    ]
    news = _News(random)
    for at_us in sorted(int(START_US + random.random() * span_us) for _ in range(random.choice(_EVENTS))):
        news.add(random.choice(desks).shows(at_us))
    if history:
        news.sent["history"] = list(history)
    for name, its in sorted(news.sent.items()):
        outside.begin(name, outside.send(its))
    if news.inbox:
        outside.begin("upstream", outside.write(news.inbox))
    if news.listed:
        outside.begin("pull", outside.pull(news.listed))
    if random.random() < 0.4:
        for number in range(random.choice((1, 1, 2))):
            begin_us = START_US + int(random.random() * span_us)
            outside.begin(f"import-{number}", outside.import_(f"run-{number}", _old(random, desks), begin_us))
    _edits(world, span_us)
    return end_us + _SETTLE_US


class _News:
    """What desks show, by the ways it takes."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._by_inbox = random.choice((0.0, 0.1, 0.4))
        self._by_list = random.choice((0.0, 0.0, 0.3))
        self._lost = random.choice((0.0, 0.1))
        self.sent: dict[str, list[Shown]] = {}
        self.inbox: list[Shown] = []
        self.listed: list[Shown] = []

    def add(self, one: Shown) -> None:
        """Choose the way, or two ways, of `one`."""
        random = self._random
        sender = f"{one.tenant}-{random.randint(1, 2)}"
        if random.random() < self._by_list:
            self.listed.append(one)
            if random.random() < self._lost:
                return  # only its list tells: the webhook about it was lost
        (self.inbox if random.random() < self._by_inbox else self.sent.setdefault(sender, [])).append(one)


def _old(random: Random, desks: list[HelpDesk]) -> list[Shown]:
    """Return the history that an import brings: older than the world, or nearly."""
    desk = random.choice(desks)
    spread_us = random.choice((20, 600, 90_000)) * SECOND_US
    instants = sorted(START_US - int(random.random() * spread_us) for _ in range(random.choice((5, 20, 40))))
    history = [desk.shows(at_us, prefix="i") for at_us in instants]
    if random.random() < 0.5:
        random.shuffle(history)
    return history


def _edits(world: World, span_us: int) -> None:
    random = world.random
    count = random.choice((0, 0, 1, 2, 3))
    if count == 0 and random.random() < 0.5:
        return  # nobody ever publishes a configuration: the defaults hold
    # One right after the other: the first is still reaching tickets, slice by slice, when the next comes.
    near_us = min(span_us, random.choice((span_us, span_us, _NEAR_US)))
    first_us = START_US + int(random.random() * (span_us - near_us))
    edits = [(first_us + int(random.random() * near_us), random.choice(_SECTIONS)) for _ in range(count)]
    world.outside.begin("operator", world.outside.edit(world.document, sorted(edits)))
