"""Which faults a seed has, and how likely each is: the swarm.

A world with every fault on dies of the commonest one before the rare ones meet. So each seed draws its own
set, and rates that differ by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

SECOND_US: Final = 1_000_000


class Fault(str, Enum):
    """What can go wrong, or happen at a bad moment."""

    # At a call of a port.
    CRASH = "crash"
    """kill -9, before or after the effect."""
    FREEZE = "freeze"
    """The process stands still for a while, and wakes up as a zombie if its partitions moved."""
    FAIL_BEFORE = "fail before"
    """The call raises and has no effect."""
    FAIL_AFTER = "fail after"
    """The call has its effect and raises all the same."""
    DELAY = "delay"
    """The call takes long; others overtake it."""
    # On the way.
    LOSE_BLOCK = "lose block"
    """A published block does not arrive, or arrives and looks lost."""
    REFUSE_DELIVERY = "refuse delivery"
    """A receiver answers with an error, is slow down, asks for time, or its answer is lost."""
    GONE = "gone"
    """A receiver answers 410."""
    # At any time.
    STOP = "stop"
    """A process is stopped in good order, and started again."""
    SCALE = "scale"
    """A process is stopped for long, or one more is started."""
    EXPEL = "expel"
    """A group loses sight of a member that is well."""
    BUS_AWAY = "bus away"
    STORE_AWAY = "store away"
    CLOCK_JUMP = "clock jump"
    """A host's wall clock is set."""
    CLOCK_DRIFT = "clock drift"
    BROKER_JUMP = "broker jump"
    """The brokers' clock is set; within a partition append times do not go back all the same."""
    SUSPEND = "suspend"
    """Everything stands still for minutes, as on a laptop that sleeps."""
    COMPACT = "compact"
    EXPIRE = "expire"
    """Retention takes what everybody has read."""


AT_CALLS: Final = (Fault.CRASH, Fault.FREEZE, Fault.FAIL_BEFORE, Fault.FAIL_AFTER, Fault.DELAY)
ON_THE_WAY: Final = (Fault.LOSE_BLOCK, Fault.REFUSE_DELIVERY, Fault.GONE)
IN_TIME: Final = (
    Fault.STOP, Fault.SCALE, Fault.EXPEL, Fault.BUS_AWAY, Fault.STORE_AWAY, Fault.CLOCK_JUMP, Fault.CLOCK_DRIFT,
    Fault.BROKER_JUMP, Fault.SUSPEND, Fault.COMPACT, Fault.EXPIRE,
)  # fmt: skip

_CALM_SHARE: Final = 0.04
"""So many seeds have no fault at all: what fails there fails without any."""
_ON_SHARE: Final = 0.5
_MOST: Final[Mapping[Fault, float]] = {
    Fault.CRASH: 0.003, Fault.FREEZE: 0.002, Fault.FAIL_BEFORE: 0.03, Fault.FAIL_AFTER: 0.03, Fault.DELAY: 0.2,
    Fault.LOSE_BLOCK: 0.1, Fault.REFUSE_DELIVERY: 0.6, Fault.GONE: 0.02,
}  # fmt: skip
"""The highest rate drawn, for each call (or block, or delivery)."""
_ORDERS: Final = 1.7
"""Rates are drawn over so many orders of magnitude below the highest."""
_INTERVALS_US: Final = (3 * SECOND_US, 40 * SECOND_US)
"""Between two faults of one kind that come with time, on average: drawn between these."""


@dataclass(frozen=True)
class Swarm:
    """The faults of one seed."""

    rates: Mapping[Fault, float]
    """Of those at calls and on the way; what is absent is off."""
    intervals_us: Mapping[Fault, int]
    """Of those that come with time."""

    @classmethod
    def drawn(cls, random: Random) -> Swarm:
        """Draw which faults are on, and how likely."""
        if random.random() < _CALM_SHARE:
            return cls({}, {})
        rates = {
            fault: _MOST[fault] * 10 ** -(random.random() * _ORDERS)
            for fault in (*AT_CALLS, *ON_THE_WAY)
            if random.random() < _ON_SHARE
        }
        intervals = {
            fault: int(random.uniform(*_INTERVALS_US)) for fault in IN_TIME if random.random() < _ON_SHARE
        }
        return cls(rates, intervals)

    def rate(self, fault: Fault) -> float:
        """Return how likely `fault` is, 0 if it is off."""
        return self.rates.get(fault, 0.0)

    def __str__(self) -> str:
        rates = [f"{fault.value} {rate:.2g}" for fault, rate in self.rates.items()]
        seconds = [f"{fault.value} each {us // SECOND_US} s" for fault, us in self.intervals_us.items()]
        return ", ".join((*rates, *seconds)) or "none"
