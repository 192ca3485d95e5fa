"""kill -9 of each part in turn, under load, again and again.

BAROMETER_FAULT_ROUNDS says how often; `python -m tests.faults --rounds 100` is the same without pytest.
"""

from __future__ import annotations

import os
import random
from typing import Final

import pytest

from tests.faults.rounds import VICTIMS, Killer, summary
from tests.faults.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.postgres]

ROUNDS: Final = int(os.environ.get("BAROMETER_FAULT_ROUNDS", "10"))
SEED: Final = 6
ROUND_S: Final = 60


@pytest.mark.timeout(120 + ROUNDS * ROUND_S)
def test_whoever_is_killed_under_load_nothing_is_lost_and_nothing_double(world: World) -> None:
    killer = Killer(world, random.Random(SEED))
    killed = [killer.round(number) for number in range(ROUNDS)]
    world.desk.finish()
    print(summary(world, world.settled()))

    assert ROUNDS < len(VICTIMS) or set(VICTIMS) == set(killed)
