"""What lists show is what is explained and what is stored, however the configuration changed on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aging.adapters.sql import SqlAgingStore
from services.aging.api import PartitionTerms
from services.aging.api.explanation import explained
from services.aging.api.tickets import item
from services.aging.core.age import AgeVersion
from services.aging.core.terms import Terms
from services.aging.ports import TicketFilter
from shared.configuration.facts import facts_document
from shared.configuration.loader import read
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import from_us, rfc3339, to_us
from shared.contracts.tickets import Observation
from tests.unit.aging.observations import HOUR_US, TENANT, at, observations
from tests.unit.aging.worker import Worker

pytestmark = pytest.mark.slow

POLICY = "{name: all, calendar: desk, max_pause: 9h, clocks: {first_response: {target: T}, next_response: {target: 2h}, resolution: {target: {p1: T, default: 40h}}, team: {target: T}}}"  # fmt: skip
WEEKLY = ("{tue: [['00:00', '24:00']], wed: [['08:00', '18:00']], fri: [['09:00', '12:30'], ['13:00', '24:00']]}", "{tue: [['22:00', '06:00']], thu: [['00:00', '24:00']]}")  # fmt: skip


def version(number: int, hours: int, weekly: str, target: str, how: str) -> ConfigVersion:
    """Return a configuration that counts from `hours` on; `how` it reaches what runs already."""
    since = rfc3339(at(hours))
    extra = (
        f", versions: [{{effective_from: '{since}', retroactive: Flood, weekly: {WEEKLY[0]}}}]"
        if how == "flood"
        else ""
    )
    policy = POLICY.replace("T", target)
    later = (
        f"\n  versions: [{{effective_from: '{since}', apply: running, policies: [{policy}]}}]"
        if how == "running"
        else ""
    )
    text = f"tenants: [{{name: {TENANT}}}]\ncalendars: {{desk: {{timezone: UTC, weekly: {weekly}{extra}}}}}\nsla:\n  policies: [{policy}]{later}\n"
    start = from_us(at(hours))
    return ConfigVersion(
        version=number, effective_from=start, recorded_at=start, digest=str(number), document=facts_document(read(text))
    )  # fmt: skip


VERSIONS = st.tuples(
    st.integers(1, 190), st.sampled_from(WEEKLY), st.sampled_from(["1h", "5h", "30h"]),
    st.sampled_from(["new", "running", "flood"]),
)  # fmt: skip


async def agree(
    directory: Path, observed: list[Observation], versions: list[tuple[int, str, str, str]], lag_hours: int
) -> None:
    async with SqlAgingStore.open(f"sqlite+aiosqlite:///{directory}/aging.db") as store:
        worker = Worker(store)
        published = [version(1, -1, WEEKLY[0], "5h", "new")]
        published += [version(number, *one) for number, one in enumerate(sorted(versions), 2)]
        worker.configurations.versions = {one.version: one for one in published}
        await worker.start()
        events: list[tuple[int, Observation | ConfigApplied]] = [
            (to_us(one.effective_from), ConfigApplied(version=one.version, at=one.effective_from))
            for one in published
        ]
        events += [
            (to_us(one.time) + number % 2 * lag_hours * HOUR_US, one) for number, one in enumerate(observed)
        ]
        for clock_us, event in sorted(events, key=lambda one: one[0]):
            worker.append(clock_us, event)
            await worker.rest(clock_us)
        now_us = at(260)
        await worker.rest(now_us)
        await compare(store, PartitionTerms(store, worker.configurations, Terms()), now_us)


async def compare(store: SqlAgingStore, terms: PartitionTerms, now_us: int) -> None:
    rows = await store.find(TicketFilter(TENANT), after=None, newest_first=False, limit=100)
    for row in rows:
        shown = item(row, await terms(), AgeVersion(), now_us)
        told = await explained(store, terms, TENANT, row.ticket, now_us)
        assert told is not None
        going_on = [clock for clock in told.clocks if clock.ended_at is None and told.open]
        assert {
            (one.clock, one.instance, one.policy, one.state, one.due, one.remaining_seconds, one.breached)
            for one in shown.clocks
        } == {
            (one.clock, one.instance, one.policy, one.state, one.due, one.remaining_seconds, one.breached)
            for one in going_on
        }
        assert (shown.past_sla, shown.at_risk, shown.due) == (
            told.past_sla, told.at_risk, min((one.due for one in going_on if one.due is not None), default=None),
        )  # fmt: skip
        for clock in told.clocks:
            counted = clock.earlier.counted_seconds + sum(one.counted_seconds for one in clock.intervals)
            assert abs(clock.used_seconds - counted) < 1e-6


@settings(max_examples=20, deadline=None)
@given(
    st.lists(observations(("desk:1", "desk:2"), merges=True, runs=False), min_size=1, max_size=8),
    st.lists(VERSIONS, max_size=3, unique_by=lambda one: one[0]),
    st.sampled_from([0, 0, 30]),
)
def test_lists_explanations_and_rows_agree_whatever_was_configured_when(
    observed: list[Observation], versions: list[tuple[int, str, str, str]], lag_hours: int
) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(agree(Path(directory), observed, versions, lag_hours))
