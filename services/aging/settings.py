"""Aging's settings: what the process needs to run. What changes facts comes by `config.v1` instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import Attention, HoursVersion, Terms
from services.aging.core.worklist import Weights, WorkOrder
from shared.calendars.compiled import compiled
from shared.calendars.definition import CalendarDefinition, definition_from
from shared.calendars.hours import Hours
from shared.configuration.facts import facts_document
from shared.configuration.models import Configuration
from shared.configuration.retention import Retention
from shared.configuration.sla import Worklist
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import SECOND_US, to_us
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
DEFAULT_LABEL: Final = "default"
"""Of policies and calendars that hold before any configuration was published."""


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


def kept_us_of(retention: Retention) -> int | None:
    """Return how long a ticket is kept whole after it left, microseconds; None for ever."""
    return None if retention.tickets is None else retention.tickets * SECOND_US


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


def terms_of(document: Mapping[str, Any], label: str) -> Terms:
    """Return what a published configuration document says, all of it in force from its own instants on.

    `label` names the configuration version. Raises CalendarInvalid for a document that `barometer config
    apply` did not write.
    """
    timetables = {
        name: tuple(
            HoursVersion(one.effective_us, one.hours, f"{label}.{nth}" if nth else label, one.retroactive)
            for nth, one in enumerate(versions)
        )
        for name, versions in calendars_of(document).items()
    }
    return Terms(
        AgePolicy((age_of(document),)), policies_of(document, label), timetables, (attention_of(document),)
    )


def generations(defaults: Terms, adopted: Iterable[tuple[ConfigVersion, int]]) -> list[Terms]:
    """Return the terms a partition used one after the other: `defaults`, then each version it adopted.

    `adopted`: (version, from when on it holds there).
    """
    found = [defaults]
    for version, at_us in adopted:
        later = terms_of(version.document, str(version.version))
        found.append(found[-1].followed(later, at_us, generation=len(found)))
    return found


def default_terms() -> Terms:
    """Return what holds before any configuration was published."""
    return terms_of(facts_document(Configuration()), DEFAULT_LABEL)


def age_of(document: Mapping[str, Any]) -> AgeVersion:
    """Return the age edges of a published document."""
    age: Mapping[str, Any] = document.get("age", {})
    default = AgeVersion()
    return AgeVersion(
        edges_seconds=tuple(age.get("edges", default.edges_seconds)),
        bucket_edges_seconds=tuple(age.get("buckets", default.bucket_edges_seconds)),
        from_episode=age.get("from", "created") == "episode",
    )


def policies_of(document: Mapping[str, Any], label: str) -> tuple[PolicyVersion, ...]:
    """Return the policies of a published document, oldest first; the first is in force always.

    `label` names the configuration version. A policy is labelled `name@label`, from the document's second
    version of the policies on `name@label.1`, `name@label.2`, so that no two that differ share a label.
    A document of before there were clocks has no policies.
    """
    versions: list[Mapping[str, Any]] = document.get("sla", {}).get("versions", [])
    return tuple(
        PolicyVersion(
            policies=tuple(
                _policy(policy, f"{label}.{number}" if number else label) for policy in version["policies"]
            ),
            effective_us=_effective_us(version["effective_from"]),
            running=version["apply"] == "running",
        )
        for number, version in enumerate(versions)
    )


def _policy(policy: Mapping[str, Any], label: str) -> Policy:
    max_pause_s: int | None = policy["max_pause"]
    return Policy(
        name=policy["name"],
        promises={clock: _promise(promise) for clock, promise in policy["clocks"].items()},
        match={name: frozenset(values) for name, values in policy["match"].items()},
        calendar=policy["calendar"],
        reopen_window_us=policy["reopen_window"] * SECOND_US,
        min_notice_us=policy["min_notice"] * SECOND_US,
        max_pause_us=None if max_pause_s is None else max_pause_s * SECOND_US,
        label=f"{policy['name']}@{label}",
    )


def _promise(promise: Mapping[str, Any]) -> Promise:
    return Promise(
        targets_us={name: target_s * SECOND_US for name, target_s in promise["targets"].items()},
        stages=tuple(
            Stage(share=stage["share"]) if "share" in stage else Stage(left_us=stage["left"] * SECOND_US)
            for stage in promise["warn"]
        ),
        pauses=frozenset(promise["pauses"]),
        business=promise["business"],
    )


class CalendarVersion(NamedTuple):
    """Hours from an instant on; the first of a calendar holds always."""

    effective_us: int
    definition: CalendarDefinition
    retroactive: str | None
    """The reason for which it reaches what has passed, None if it does not."""

    @property
    def hours(self) -> Hours:
        """The hours, ready to be asked; equal definitions share them."""
        return compiled(self.definition)


def calendars_of(document: Mapping[str, Any]) -> dict[str, tuple[CalendarVersion, ...]]:
    """Return the calendars of a published document by name, each with its versions, oldest first.

    Raises CalendarInvalid for a document that `barometer config apply` did not write.
    """
    return {name: tuple(map(_calendar, versions)) for name, versions in document.get("calendars", {}).items()}


def _calendar(version: Mapping[str, Any]) -> CalendarVersion:
    hours = {member: value for member, value in version.items() if member not in _OF_A_VERSION}
    return CalendarVersion(
        _effective_us(version["effective_from"]),
        definition_from(hours, may_never_open=True),
        version["retroactive"],
    )


_OF_A_VERSION: Final = frozenset({"effective_from", "retroactive"})


def attention_of(document: Mapping[str, Any]) -> Attention:
    """Return from when on tickets want somebody's eye, as a published document says."""
    written: Mapping[str, int] = document.get("sla", {}).get("attention", {})
    if not written:
        return Attention()
    return Attention(
        stuck_after_us=written["stuck_after"] * SECOND_US,
        stale_after_us=written["stale_after"] * SECOND_US,
        bounces=written["bounces"],
        close_after_us=written["close_after"] * SECOND_US,
        escalate=bool(written["escalate"]),
    )


def arrangement_of(worklist: Worklist) -> Callable[[int, AgeVersion], WorkOrder]:
    """Return what puts tickets in the order of work that the configuration asks for."""
    weights = None if worklist.weights is None else Weights(**worklist.weights.model_dump())

    def arrange(now_us: int, age: AgeVersion) -> WorkOrder:
        return WorkOrder(now_us, age, weights, moscow=worklist.moscow)

    return arrange


def _effective_us(written: str | None) -> int:
    return 0 if written is None else to_us(datetime.fromisoformat(written))
