"""What shared/bus/port.py promises of consumer groups, kept by every adapter."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from shared.bus.port import Assigned, Bus, Membership, Revoked
from shared.clock import monotonic_seconds
from shared.contracts.topics import Topic
from tests.contract.bus_adapters import Adapter, Member, outgoing, settle

pytestmark = pytest.mark.asyncio

BUDGET_MS = 5_000


async def _join(
    bus: Bus, topic: Topic, group: str, member: str, *, revoke_budget_ms: int = BUDGET_MS
) -> Membership:
    return await bus.join(topic, group, member=member, revoke_budget_ms=revoke_budget_ms)


async def _second(bus: Bus, topic: Topic, group: str, first: Member) -> Member:
    """Join a second member while the first follows."""
    joining = asyncio.create_task(_join(bus, topic, group, "b"))
    while not joining.done():
        await first.follow()
    return Member(await joining)


@pytest.fixture
def group() -> str:
    return f"contract-{uuid4().hex}"


async def test_one_member_gets_all_partitions(adapter: Adapter, bus: Bus, group: str) -> None:
    topic = await adapter.topic(bus, partitions=3)
    member = Member(await _join(bus, topic, group, "a"))
    await settle(lambda: member.owned == {0, 1, 2}, member)
    assert [] == member.given_up
    assert None is await member.membership.next_change(wait_ms=50)


async def test_two_members_share_and_no_partition_has_two_owners(
    adapter: Adapter, bus: Bus, group: str
) -> None:
    topic = await adapter.topic(bus, partitions=4)
    first = Member(await _join(bus, topic, group, "a"))
    await settle(lambda: len(first.owned) == 4, first)
    second = await _second(bus, topic, group, first)
    await settle(lambda: first.owned | second.owned == {0, 1, 2, 3}, first, second)
    assert (2, 2) == (len(first.owned), len(second.owned))


async def test_a_partition_is_handed_over_only_once_it_was_released(
    adapter: Adapter, bus: Bus, group: str
) -> None:
    topic = await adapter.topic(bus, partitions=2)
    first = await _join(bus, topic, group, "a")
    assert Assigned((0, 1)) == await first.next_change(wait_ms=10_000)
    joining = asyncio.create_task(_join(bus, topic, group, "b"))
    revoked = await first.next_change(wait_ms=10_000)
    assert isinstance(revoked, Revoked)
    # Half the budget goes by with nobody getting anything.
    await asyncio.wait([joining], timeout=0.8)
    if joining.done():
        assert None is await joining.result().next_change(wait_ms=200)
    await first.released(revoked.partitions)
    second = await joining
    given = await second.next_change(wait_ms=10_000)
    assert isinstance(given, Assigned)
    assert set(given.partitions) <= {0, 1}


async def test_a_member_that_does_not_release_is_waited_for_no_longer_than_its_budget(
    adapter: Adapter, bus: Bus, group: str
) -> None:
    topic = await adapter.topic(bus, partitions=2)
    first = await _join(bus, topic, group, "a", revoke_budget_ms=700)
    assert Assigned((0, 1)) == await first.next_change(wait_ms=10_000)
    before = monotonic_seconds()
    second = await _join(bus, topic, group, "b", revoke_budget_ms=700)
    assert isinstance(await second.next_change(wait_ms=10_000), Assigned)
    assert 0.6 < monotonic_seconds() - before < 8


async def test_a_member_that_leaves_hands_over(adapter: Adapter, bus: Bus, group: str) -> None:
    topic = await adapter.topic(bus, partitions=2)
    first = Member(await _join(bus, topic, group, "a"))
    await settle(lambda: len(first.owned) == 2, first)
    second = await _second(bus, topic, group, first)
    await settle(lambda: first.owned | second.owned == {0, 1}, first, second)
    before = monotonic_seconds()
    await first.membership.close()
    await settle(lambda: second.owned == {0, 1}, second)
    assert monotonic_seconds() - before < 8


async def test_two_groups_own_the_same_partitions(adapter: Adapter, bus: Bus, group: str) -> None:
    topic = await adapter.topic(bus, partitions=2)
    members = [Member(await _join(bus, topic, f"{group}{n}", "a")) for n in range(2)]
    await settle(lambda: all(member.owned == {0, 1} for member in members), *members)


async def test_a_groups_stored_offset_outlives_its_members(adapter: Adapter, bus: Bus, group: str) -> None:
    topic = await adapter.topic(bus, partitions=2)
    await bus.append(outgoing(topic, "a", "b", "c", partition=1))
    member = Member(await _join(bus, topic, group, "a"))
    await settle(lambda: member.owned == {0, 1}, member)
    assert (None, None) == (await member.membership.committed(0), await member.membership.committed(1))
    await member.membership.commit(1, 2)
    await member.membership.commit(1, 3)
    await member.membership.close()
    again = Member(await _join(bus, topic, group, "a"))
    await settle(lambda: again.owned == {0, 1}, again)
    assert (None, 3) == (await again.membership.committed(0), await again.membership.committed(1))


async def test_a_hint_never_disturbs(adapter: Adapter, bus: Bus, group: str) -> None:
    topic = await adapter.topic(bus)
    reader = await bus.open_reader(topic)
    await reader.hint(0, 0)
    member = Member(await _join(bus, topic, group, "a"))
    await settle(lambda: member.owned == {0}, member)
    await reader.hint(0, 5)
    assert None is await member.membership.next_change(wait_ms=100)
