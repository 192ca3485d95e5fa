"""`barometer ticket explain KEY`: why is it so old, why is it due then, and who says so?

It reads aging's database and the published configurations, and tells what `GET /v1/tickets/{key}/explain` tells;
nothing has to run. Instants are in UTC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from barometer.bus import opened_bus
from barometer.config import aging_database
from barometer.db import migrations_of
from barometer.exits import Refused, reported
from barometer.explained import page
from barometer.places import bus_address, environment
from barometer.publication import recorded_versions
from services.aging.adapters.sql import SqlAgingStore
from services.aging.api.explained import TicketExplained
from services.aging.api.explanation import explained
from services.aging.api.terms import PartitionTerms
from services.aging.settings import default_terms
from shared.clock import SystemClock
from shared.configuration.models import DEFAULT_TENANT
from shared.contracts.configuration import ConfigVersion
from shared.sql.engine import opened
from shared.sql.migrate import check

_Flag = Annotated[bool, Parameter(negative="")]


def explain(
    key: str,
    /,
    *,
    tenant: str = DEFAULT_TENANT,
    data: Path | None = None,
    bus: str | None = None,
    database: str | None = None,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Tell why a ticket is as old as it is, and why each of its promises is due when it is.

    Args:
        key: The ticket: its source, a colon, its id there.
        tenant: Whose ticket it is.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
        database: And aging's database, if the bus is Kafka; by default BAROMETER_DATABASE.
        everything: All intervals, and those of ended promises too.
        as_json: Print what the API answers.
    """

    def told() -> int:
        found = asyncio.run(_found(tenant, key, bus_address(data, bus), database))
        print(found.model_dump_json(indent=2) if as_json else page(found, everything=everything))
        return 0

    return reported(told)


async def _found(tenant: str, key: str, address: str, database: str | None) -> TicketExplained:
    url = aging_database(address, database)
    if url is None:
        raise Refused("aging has no database there yet; name it with --data or --database")
    async with opened_bus(address, environment()) as bus:
        versions = _Recorded(await recorded_versions(bus))
    async with opened(url) as engine:
        await check(engine, migrations_of("aging"))
        store = SqlAgingStore(engine)  # only read: nothing is prepared or upgraded
        terms = PartitionTerms(store, versions, default_terms())
        found = await explained(store, terms, tenant, key, SystemClock().now_us())
    if found is None:
        raise Refused(f"there is no ticket {key} of tenant {tenant}")
    return found


class _Recorded:
    """The published versions, read once."""

    def __init__(self, versions: Sequence[ConfigVersion]) -> None:
        self._versions = {version.version: version for version in versions}

    async def version(self, number: int) -> ConfigVersion:
        if number not in self._versions:
            raise Refused(
                f"configuration version {number} is not on this bus: it is another than the database's"
            )
        return self._versions[number]
