"""The wall clock of aging's host is set, by ten minutes, forward or back, while it works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Timer
from typing import Final

import httpx2
import pytest

from tests.e2e.harness import Process, eventually
from tests.faults.world import World
from tests.servers.fixtures import have
from tests.servers.skew import SkewedClock

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(180)]

STEP_S: Final = 600
LASTING_S: Final = 4.0


@pytest.fixture
def clock(world: World, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SkewedClock]:
    """Give the clock of the aging process, which is started anew with it."""
    clock = have(request, "faketime", lambda: SkewedClock(tmp_path / "offset"))
    aging = world.processes["aging"]
    restarted(aging, clock.environment)
    yield clock
    restarted(aging, dict.fromkeys(clock.environment, ""))


def restarted(process: Process, settings: Mapping[str, str]) -> None:
    """Start `process` again with `settings`."""
    assert 0 == process.stop()
    process.set(settings)
    process.start().wait_ready()


def complaint(process: Process) -> str:
    """Return what /readyz says."""
    return httpx2.get(f"{process.url}/readyz?verbose", timeout=5).text


@pytest.mark.parametrize("step_s", [STEP_S, -STEP_S])
def test_a_clock_that_is_set_states_nothing_before_its_time_and_nothing_twice(
    world: World, clock: SkewedClock, step_s: int
) -> None:
    def strike() -> None:
        clock.step(step_s)
        said = eventually(
            lambda: complaint(world.processes["aging"]), lambda seen: "clock" in seen, "a complaint"
        )
        assert "more than 5 minutes off the bus's; timers wait" in said
        Timer(LASTING_S, clock.step, [0]).start()

    world.suffer(f"aging's clock is set by {step_s:+d} s", strike)
    eventually(world.processes["aging"].ready, bool, "readiness")
