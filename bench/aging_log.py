"""Topics full of observations for aging to read: made-up ones in order, and a real log, several times over.

Live, an observation comes seconds after it happened; a topic filled within seconds has to look like that.
So the made-up observations all happened within the hour before they were written, and the year of the
real log is squeezed into that hour: its order, statuses, queues and reassignments are real, its spans are
not. (A log replayed with its true times is the import's business, which has its own way.)
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from barometer.log import LogReader
from barometer.mapping import load_mapping
from services.intake.core.arrival import Arrival
from services.intake.core.definition import SourceDefinition
from shared.bus.port import Bus
from shared.clock import SystemClock
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import LATEST, SECOND_US, from_us, to_us
from shared.contracts.tickets import (
    Activity,
    Actor,
    Channel,
    Observation,
    Priority,
    Status,
    TicketFields,
    WaitReason,
)
from shared.contracts.topics import EVENTS, Topic
from tests.servers.child import Unavailable
from tests.servers.environment import shared_data_directory

SPAN_US: Final = 3_600 * SECOND_US
APPEND_AT_ONCE: Final = 5_000
QUEUES: Final = 30
AGENTS_OF_A_QUEUE: Final = 7
STAYS: Final = 0.95
PARTITIONS: Final = 4
SYNTHETIC: Final = replace(EVENTS, name="bench.synthetic.v1")
REAL: Final = replace(EVENTS, name="bench.real.v1")
_MAPPING: Final = Path(__file__).resolve().parents[1] / "tests" / "data" / "mappings" / "servicenow.yaml"
_LOG: Final = Path("event-logs") / "servicenow-third" / "incident_event_log_third.csv.gz"
_STATUSES: Final = (
    (Status.NEW, None),
    (Status.IN_PROGRESS, None),
    (Status.IN_PROGRESS, None),
    (Status.WAITING, WaitReason.CUSTOMER),
    (Status.WAITING, WaitReason.VENDOR),
    (Status.SOLVED, None),
)


def made_up(observations: int, tickets: int) -> Iterator[Observation]:
    """Yield `observations` in order of time, spread evenly over `tickets`: ten of each on the average."""
    chance = random.Random(1)
    begin_us = SystemClock().now_us() - SPAN_US
    for number in range(observations):
        time_us = begin_us + number * SPAN_US // observations
        # Each ticket is new once, early; later observations fall on any that is known by then.
        known = max(1, (number + 1) * tickets // observations)
        ticket = known - 1 if number * tickets % observations < tickets else chance.randrange(known)
        status, reason = _STATUSES[chance.randrange(len(_STATUSES))]
        # A ticket mostly stays in its queue; agents and categories belong to one.
        queue = ticket % QUEUES if chance.random() < STAYS else chance.randrange(QUEUES)
        yield Observation(
            tenant="default", source="desk", ticket=f"desk:{ticket}", id=f"{number:032x}",
            time=from_us(time_us), received_at=from_us(time_us), actor=Actor.AGENT,
            activity=Activity.AGENT_MESSAGE if number % 3 else Activity.UPDATED,
            fields=TicketFields(
                status=status, wait_reason=reason, raw_status=status.value,
                priority=tuple(Priority)[ticket % 4], channel=tuple(Channel)[ticket % 4],
                queue=f"tier1-{queue}", assignee=f"agent.{queue}.{chance.randrange(AGENTS_OF_A_QUEUE)}",
                category=f"category {queue}.{ticket % 5}", requester=f"customer.{ticket % 5_000}",
                subject=f"Printer {ticket} on the third floor does not print since monday morning",
            ),
        )  # fmt: skip


def real_log(copies: int) -> Iterator[Observation]:
    """Yield the real log under `copies` sources, in order of time. Raises Unavailable."""
    log = shared_data_directory() / _LOG
    if not log.exists():
        raise Unavailable("the real log is not there (BAROMETER_SHARED_DATA)")
    reader = LogReader(
        log,
        load_mapping(_MAPPING),
        definition=SourceDefinition(name="servicenow"),
        arrival_of=lambda time: Arrival(time, LATEST),
    )
    found = sorted((one for _, one in reader), key=lambda one: one.time)
    first_us, last_us = to_us(found[0].time), to_us(found[-1].time)
    begin_us = SystemClock().now_us() - SPAN_US
    for one in found:
        time = from_us(begin_us + (to_us(one.time) - first_us) * SPAN_US // (last_us - first_us))
        # When it was opened lies months before; squeezed like the rest it would tell nothing more.
        fields = msgspec.structs.replace(one.fields, created_at=msgspec.UNSET)
        for copy in range(copies):
            source = f"desk{copy}"
            yield msgspec.structs.replace(
                one, source=source, ticket=one.ticket.replace("servicenow", source), time=time,
                received_at=time, fields=fields,
            )  # fmt: skip


async def fill(bus: Bus, topic: Topic, observations: Iterable[Observation]) -> int:
    """Create `topic`, append `observations` to it in order, and return how many there were."""
    await bus.ensure_topics({topic.name: PARTITIONS}, known=[topic])
    total = 0
    records = (to_outgoing(one)._replace(topic=topic.name) for one in observations)
    while chunk := list(islice(records, APPEND_AT_ONCE)):
        await bus.append(chunk)
        total += len(chunk)
    return total
