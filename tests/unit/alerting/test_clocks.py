"""When an aging partition is called late, and when not yet."""

from __future__ import annotations

from services.alerting.core.clocks import CLOCK_STALE, STALE_AFTER_US, Clocks, StaleClocks
from shared.contracts.backlog import PartitionClock
from shared.contracts.instants import SECOND_US, from_us

NOW_US = 1_795_263_269 * SECOND_US


def shown(at_us: int, version: int = 1) -> PartitionClock:
    return PartitionClock(partition=0, partitions=1, epoch=1, version=version, at=from_us(at_us), position=0)


def test_nobody_is_late_before_there_is_a_clock_to_judge_by() -> None:
    clocks = Clocks()
    stale = StaleClocks(clocks)
    assert [] == stale.judge(0)
    clocks.apply(shown(0))
    assert [] == stale.judge(NOW_US)
    assert [] == stale.judge(NOW_US + STALE_AFTER_US - 1)
    assert [CLOCK_STALE] == [alert.rule for alert in stale.judge(NOW_US + STALE_AFTER_US)]


def test_a_clock_that_comes_in_time_is_not_late_and_one_that_comes_again_ends_the_alert() -> None:
    clocks = Clocks()
    stale = StaleClocks(clocks)
    clocks.apply(shown(NOW_US))
    assert [] == stale.judge(NOW_US)
    assert [] == stale.judge(NOW_US + STALE_AFTER_US - 1)
    (fired,) = stale.judge(NOW_US + STALE_AFTER_US)
    clocks.apply(shown(NOW_US + STALE_AFTER_US, 2))
    (over,) = stale.judge(NOW_US + STALE_AFTER_US)
    assert (fired.id, "recovered") == (over.id, over.reason)
