"""kill -9 under load, round after round, and what it came to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.faults.count import EVENTS, Count
from tests.faults.world import World

VICTIMS: Final = ("aging", "broker", "alerting", "postgres", "intake")
PARTITIONS: Final = 4
STRIKES_WITHIN_S: Final = (0.2, 1.2)


@dataclass
class Killer:
    """Kills one of VICTIMS after the other, at moments drawn from a seed, and starts it again at once."""

    world: World
    chance: random.Random

    def round(self, number: int) -> str:
        """Run round `number` (from 0); return whom it hit. The count is good after it."""
        victim = VICTIMS[number % len(VICTIMS)]
        ways: Mapping[str, Callable[[], None]] = {"broker": self._broker, "postgres": self._postgres}
        strike = ways.get(victim) or (lambda: self._service(victim))
        self.world.suffer(victim, strike, after_s=self.chance.uniform(*STRIKES_WITHIN_S))
        self.world.wait_ready()
        return victim

    def _service(self, name: str) -> None:
        self.world.processes[name].kill9()
        self.world.processes[name].start()

    def _broker(self) -> None:
        """Kill the leader of one of the partitions that the load goes to."""
        node = self.world.cluster.nodes[self.world.cluster.leader(EVENTS, self.chance.randrange(PARTITIONS))]
        node.kill9()
        node.begin()

    def _postgres(self) -> None:
        self.world.postgres.kill9()
        self.world.postgres.start()


def run(world: World, rounds: int, seed: int) -> Count:
    """Run `rounds` rounds, solve what is left, and return the last count."""
    killer = Killer(world, random.Random(seed))
    for number in range(rounds):
        print(f"{number + 1}/{rounds} ", end="", flush=True)
        killer.round(number)
    world.desk.finish()
    return world.settled()


def summary(world: World, counted: Count) -> str:
    """Return a table of the recoveries by victim, and the count."""
    lines = ["| killed | rounds | acknowledged after | stated after | told after |", "|---|---|---|---|---|"]
    for victim, recoveries in world.recoveries.items():
        columns = zip(*((one.acknowledged_s, one.stated_s, one.told_s) for one in recoveries), strict=True)
        figures = " | ".join(f"{median(column):.1f} s (at most {max(column):.1f})" for column in columns)
        lines.append(f"| {victim} | {len(recoveries)} | {figures} |")
    return "\n".join([*lines, "", f"{counted}; tried again by senders: {world.desk.tried_again}"])
