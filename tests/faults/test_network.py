"""Ways that are slow, cut, or hang: between aging and Kafka, aging and Postgres, intake and Kafka."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Timer
from typing import Final

import pytest

from tests.faults.world import World
from tests.servers.proxy import Held, Proxy, ProxyGroup

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(300)]

Way = Proxy | ProxyGroup
SLOW_S: Final = 0.15
REQUEST_S: Final = 15.0
"""What our Kafka clients wait for an answer (shared/bus/kafka/settings.py)."""

WAYS: Final[dict[str, Callable[[World], Way]]] = {
    "aging and Kafka": lambda world: world.cluster.ways["aging"],
    "intake and Kafka": lambda world: world.cluster.ways["intake"],
    "aging and Postgres": lambda world: world.database_way,
}
FAULTS: Final[dict[str, tuple[float, Callable[[Way], None]]]] = {
    "slow": (2.0, lambda way: way.delay(SLOW_S)),
    "cut": (2.0, lambda way: way.cut()),
    "hangs": (3.0, lambda way: way.hold(Held.BOTH)),
    "answers are lost": (3.0, lambda way: way.hold(Held.ANSWERS)),
}


def strike(way: Way, lasting_s: float, begin: Callable[[Way], None], *, reset: bool) -> None:
    """Begin a fault that ends by itself."""
    begin(way)
    Timer(lasting_s, partial(way.heal, reset=reset)).start()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_way_that_fails_for_a_while_loses_nothing(world: World, way: str, fault: str) -> None:
    lasting_s, begin = FAULTS[fault]
    reset = fault == "answers are lost"
    world.suffer(
        f"{way}: {fault} for {lasting_s:.0f} s",
        lambda: strike(WAYS[way](world), lasting_s, begin, reset=reset),
    )


def test_a_kafka_that_neither_answers_nor_closes_is_given_up_and_gone_back_to(world: World) -> None:
    way = world.cluster.ways["aging"]
    lasting_s = REQUEST_S + 3.0
    world.suffer(
        f"aging and Kafka: half open for {lasting_s:.0f} s",
        lambda: strike(way, lasting_s, lambda held: held.hold(Held.BOTH), reset=True),
    )
