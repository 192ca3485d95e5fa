"""What all tests share: the real parts (tests/servers/fixtures.py) and one way of drawing examples."""

from __future__ import annotations

import gc
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.servers.environment import in_ci, shared_data_directory

pytest_plugins = ["tests.servers.fixtures"]

SHARED_DATA = shared_data_directory()
"""Real logs, webhook bodies and e-mails; the `shared_data` fixture skips where they are not there."""

# Wall time says nothing on a busy machine, so there is no deadline per example; in CI the examples are the
# same each time, so that a red run is red again.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, database=None)
settings.load_profile("ci" if in_ci() else "default")

_WORLD: Final = "tests/faults"
_OF_THEIR_OWN: Final = ("tests/faults/test_disk.py", "tests/faults/test_topics.py")
"""Tests there that have servers of their own; the others share one world of three brokers and a database."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, where workers run side by side, so that they end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.location[0]))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave all modules and tests out of every collection of garbage: a sixth of the time went into looking at them."""
    gc.collect()
    gc.freeze()


def _turn(file: str) -> int:
    if _together(file) == _WORLD:
        return 0
    return 1 if file.startswith((_WORLD, "tests/e2e/")) else 2


def _together(file: str) -> str:
    """Return what `file` shares servers with: all of that runs in one worker."""
    return _WORLD if file.startswith(_WORLD) and file not in _OF_THEIR_OWN else file


class _ByServers(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """Gives a worker all tests that share servers."""

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Take our own way of distributing in place of `--dist loadfile`.

    Groups (`--dist loadgroup`) are read from what pytest 9.2 no longer shows: each test would go its own way.
    """
    return _ByServers(config, log) if config.getoption("dist") == "loadfile" else None
