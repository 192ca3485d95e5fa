"""One world for all tests that can leave it as they found it; a new one after a test that could not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.faults.world import World, opened
from tests.servers.fixtures import have, record
from tests.servers.kafka import VERSION, jars_directory
from tests.servers.postgres import version

SEED = 6


@dataclass
class Holder:
    """The world at hand, if there is one."""

    directories: pytest.TempPathFactory
    world: World | None = None
    stack: ExitStack = field(default_factory=ExitStack)

    def get(self) -> World:
        """Return a sound world."""
        if self.world is None:
            directory = self.directories.mktemp("world")
            self.world = self.stack.enter_context(opened(directory, seed=SEED, disturbed=True))
        return self.world

    def drop(self) -> None:
        """End it."""
        self.world = None
        self.stack.close()


@pytest.fixture(scope="package")
def holder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holder]:
    """Give who has the world."""
    have(request, "Kafka", jars_directory)
    record(request, "Kafka", VERSION)
    record(request, "PostgreSQL", have(request, "PostgreSQL", version))
    holder = Holder(tmp_path_factory)
    yield holder
    holder.drop()


@pytest.fixture
def world(holder: Holder) -> Iterator[World]:
    """Give three brokers, a database and our three services, at rest; aging and intake by ways of their own."""
    world = holder.get()
    yield world
    try:
        world.heal()
    except BaseException:
        holder.drop()
        raise
