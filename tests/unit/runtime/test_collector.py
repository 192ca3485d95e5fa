"""How often the garbage collector looks."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from shared.runtime import collector


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.enable()


def test_a_tuned_process_looks_rarely_and_still_looks() -> None:
    collector.tune()
    assert collector.YOUNG_OBJECTS_MAX == gc.get_threshold()[0]
    assert gc.isenabled()


def test_the_collector_rests_while_much_is_loaded_and_goes_on_afterwards() -> None:
    with collector.resting():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_goes_on_after_a_load_that_failed() -> None:
    with pytest.raises(KeyError), collector.resting():
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with collector.resting():
        pass
    assert not gc.isenabled()
