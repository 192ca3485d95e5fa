"""What a simulation needs of its stores beyond their ports' promises: to be stopped anywhere, and to forget nothing."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from services.aging.ports import AgingChanges, MarkRow
from shared.runtime.port import Commit, StoreUnavailable
from tests.contract.aging_rows import LOG, NOW_US, a_ticket
from tests.simulation.point import go_on
from tests.simulation.stores.aging import SimulatedAgingStore
from tests.simulation.stores.aging_database import AgingDatabase

Calls = list[tuple[str, bool]]


class Recorder:
    """A point that writes down who came by, and raises at one of them."""

    def __init__(self, fails_at: tuple[str, bool] | None = None) -> None:
        self.calls: Calls = []
        self._fails_at = fails_at

    async def __call__(self, call: str, *, done: bool) -> None:
        self.calls.append((call, done))
        if (call, done) == self._fails_at:
            raise StoreUnavailable("planted")


def result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Drive `coroutine` without an event loop; nothing here may wait."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def a_database() -> AgingDatabase:
    return AgingDatabase(lambda: NOW_US // 1_000)


def a_commit(epoch: int, changes: AgingChanges) -> Commit[AgingChanges]:
    return Commit(
        topic=LOG.topic, partition=0, epoch=epoch, position=1, clock_us=1, note=b"", confirmed=-1,
        block=None, changes=changes,
    )  # fmt: skip


def taken_by(store: SimulatedAgingStore) -> int:
    epoch: int = result_of(store.take_over(LOG, 0, owner="a", known=None)).epoch
    return epoch


def test_each_call_can_be_interrupted_before_and_after_its_effect() -> None:
    point = Recorder()
    store = SimulatedAgingStore(a_database(), point)
    epoch = taken_by(store)
    result_of(store.commit(a_commit(epoch, AgingChanges())))
    result_of(store.load_marks([("default", "s:1")]))
    expected: Calls = [
        (f"store.{call}", done) for call in ("take_over", "commit", "load_marks") for done in (False, True)
    ]
    assert expected == point.calls


@pytest.mark.parametrize(("done", "there"), [(False, None), (True, a_ticket())])
def test_a_commit_that_failed_is_there_whole_or_not_at_all(done: bool, there: object) -> None:
    database = a_database()
    epoch = taken_by(SimulatedAgingStore(database, go_on))
    changes = AgingChanges(tickets=[a_ticket()], marks=[MarkRow("default", "s:1", b"\x01", b"mark")])
    failing = SimulatedAgingStore(database, Recorder(fails_at=("store.commit", done)))
    commit = failing.commit(a_commit(epoch, changes))
    with pytest.raises(StoreUnavailable):
        commit.send(None)
    # Another process opens what the dead one left.
    after = SimulatedAgingStore(database, go_on)
    assert there == result_of(after.ticket("default", "s:1"))
    assert ([] if there is None else changes.marks) == result_of(after.marks("default", "s:1"))


def test_what_a_worker_does_to_its_rows_after_a_commit_changes_nothing_stored() -> None:
    database = a_database()
    store = SimulatedAgingStore(database, go_on)
    body = bytearray(b"fold")
    changes = AgingChanges(tickets=[a_ticket(body=body)])
    result_of(store.commit(a_commit(taken_by(store), changes)))
    body[:] = b"late"
    changes.tickets.clear()
    assert a_ticket(body=b"fold") == result_of(store.ticket("default", "s:1"))
