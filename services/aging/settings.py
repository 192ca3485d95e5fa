"""Aging's settings: what the process needs to run. What changes facts comes by `config.v1` instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.aging.core.age import AgeVersion
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import to_us
from shared.contracts.topics import TOPICS, PartitionedBy
from shared.runtime.environment import (
    HOST,
    PORT,
    PREFIX,
    bus_url,
    config_path,
    database_url,
    number,
    partitions,
)

GROUP: Final = "barometer-aging"
EVENTS_PARTITIONS_EMBEDDED: Final = 1
EVENTS_PARTITIONS_KAFKA: Final = 4
CELLS_PARTITIONS_EMBEDDED: Final = 1
CELLS_PARTITIONS_KAFKA: Final = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How aging runs, alone or inside `barometer serve`."""

    member: str = "aging-1"
    """Static member name in the consumer group of the events; unique among aging processes."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`."""
        return cls(environment.get(f"{PREFIX}MEMBER", cls().member))


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Everything a process that runs aging alone is told at start."""

    bus: str
    database: str
    config: Path | None
    host: str
    port: int
    partitions: Mapping[str, int]
    """Of the topics that aging reads and writes, if they do not exist yet."""
    aging: Settings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ProcessSettings:
        """Return the settings in `environment`. Raises SettingsInvalid."""
        bus = bus_url(environment)
        return cls(
            bus=bus,
            database=database_url(environment),
            config=config_path(environment),
            host=environment.get(f"{PREFIX}HOST", HOST),
            port=number(environment, "PORT", PORT),
            partitions=topic_partitions(environment, bus),
            aging=Settings.from_environment(environment),
        )


def topic_partitions(environment: Mapping[str, str], bus: str) -> dict[str, int]:
    """Return how many partitions each topic gets if it does not exist yet. Raises SettingsInvalid."""
    counts = {
        PartitionedBy.EVENTS: partitions(
            environment, "EVENTS_PARTITIONS", bus,
            embedded=EVENTS_PARTITIONS_EMBEDDED, kafka=EVENTS_PARTITIONS_KAFKA,
        ),
        PartitionedBy.CELLS: partitions(
            environment, "CELLS_PARTITIONS", bus,
            embedded=CELLS_PARTITIONS_EMBEDDED, kafka=CELLS_PARTITIONS_KAFKA,
        ),
        PartitionedBy.ONE: 1,
    }  # fmt: skip
    return {topic.name: counts[topic.partitioned_by] for topic in TOPICS}


def age_version(version: ConfigVersion) -> AgeVersion:
    """Return the age section of a published configuration version.

    It counts from when it was recorded, or later: ages that were stated are never restated.
    """
    age: Mapping[str, Any] = version.document.get("age", {})
    default = AgeVersion()
    return AgeVersion(
        effective_us=to_us(max(version.effective_from, version.recorded_at)),
        edges_seconds=tuple(age.get("edges", default.edges_seconds)),
        bucket_edges_seconds=tuple(age.get("buckets", default.bucket_edges_seconds)),
        from_episode=age.get("from", "created") == "episode",
    )
