"""What alerting must know before it starts: the environment, and its view of the configuration.

Rules, receivers and routes are in the configuration file (shared/configuration) and are mapped here to
what the core understands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from services.alerting.core.clocks import CLOCK_STALE
from services.alerting.core.defaults import DEFAULT_RULES
from services.alerting.core.picture import QUEUES_MAX
from services.alerting.core.routing import Route, Routing
from services.alerting.core.rules import Comparison, Measure, Rule
from shared.configuration.loader import read_secret
from shared.configuration.models import DEFAULT_BUCKETS_SECONDS, Configuration, Receiver
from shared.configuration.models import Rule as ConfiguredRule
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import SECOND_US
from shared.runtime.environment import (
    HOST,
    PORT,
    PREFIX,
    bus_url,
    config_path,
    database_url,
    flag,
    number,
    partitions,
)

GROUP: Final = "barometer-alerting"
CELLS_PARTITIONS_EMBEDDED: Final = 1
CELLS_PARTITIONS_KAFKA: Final = 2


class ReceiverSettings(NamedTuple):
    """A receiver and its secret, if it has one. Not to be logged."""

    name: str
    url: str
    secret: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """How alerting runs, alone or inside `barometer serve`."""

    member: str = "alerting-1"
    """Static member name in the consumer group of the cells; unique among alerting processes."""
    queues_max: int = QUEUES_MAX
    """`BAROMETER_METRICS_QUEUES_MAX`: queues of a tenant told apart in metrics; the rest is `other`."""
    webhook_loopback: bool = True
    """`BAROMETER_WEBHOOK_LOOPBACK`: receivers on this machine may be called."""
    webhook_private: bool = False
    """`BAROMETER_WEBHOOK_PRIVATE`: receivers in private networks may be called. A receiver's name that
    leads there unasked could be used to reach what only this machine can see."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`. Raises SettingsInvalid."""
        default = cls()
        return cls(
            member=environment.get(f"{PREFIX}MEMBER", default.member),
            queues_max=number(environment, "METRICS_QUEUES_MAX", default.queues_max),
            webhook_loopback=flag(environment, "WEBHOOK_LOOPBACK", default=default.webhook_loopback),
            webhook_private=flag(environment, "WEBHOOK_PRIVATE", default=default.webhook_private),
        )


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Everything a process that runs alerting alone is told at start."""

    bus: str
    """`kafka://host:port,...` or `embedded:DIR`."""
    database: str
    config: Path | None
    host: str
    port: int
    cells_partitions: int
    """Of the topics `backlog.cells.v1` and `alerts.v1`, if they do not exist yet."""
    alerting: Settings

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
            cells_partitions=partitions(
                environment,
                "CELLS_PARTITIONS",
                bus,
                embedded=CELLS_PARTITIONS_EMBEDDED,
                kafka=CELLS_PARTITIONS_KAFKA,
            ),
            alerting=Settings.from_environment(environment),
        )


def buckets_of(version: ConfigVersion) -> tuple[int, ...]:
    """Return the age buckets of a published configuration version, seconds."""
    published: Sequence[int] = version.document.get("age", {}).get("buckets", DEFAULT_BUCKETS_SECONDS)
    return tuple(published)


def rules_of(configuration: Configuration) -> tuple[Rule, ...]:
    """Return the rules: those of the file, or the defaults where it has no section `rules`.

    Every tenant is judged by all of them, by itself. Raises BadRule for what the file's own checks
    cannot see.
    """
    if "rules" in configuration.model_fields_set:
        return tuple(rule_of(one) for one in configuration.rules)
    edges = configuration.age.edges_seconds
    # A default that looks at an edge which nobody counts would never fire, and say so in the log.
    return tuple(rule for rule in DEFAULT_RULES if not rule.edge_seconds or rule.edge_seconds in edges)


def rule_of(configured: ConfiguredRule) -> Rule:
    """Return a rule of the file as the core evaluates it.

    A count above 2.5 is one above 2, below 2.5 one below 3: counts are whole.
    """
    measure = Measure(configured.measure.value)
    above = configured.above is not None
    rounded = math.floor if above else math.ceil
    unit = SECOND_US if measure in {Measure.OLDEST_AGE, Measure.AVERAGE_AGE} else 1
    return Rule(
        name=configured.name,
        measure=measure,
        comparison=Comparison.ABOVE if above else Comparison.BELOW,
        threshold=rounded(configured.threshold * unit),
        clear=None if configured.clear is None else rounded(configured.clear * unit),
        edge_seconds=configured.edge_seconds or 0,
        by=tuple(one.value for one in configured.by),
        where=tuple((one.value, tuple(values)) for one, values in configured.where.items()),
        for_us=configured.for_seconds * SECOND_US,
        severity=configured.severity.value,
        summary=configured.summary,
    )


def routing_of(configuration: Configuration) -> Routing:
    """Return who is told of what."""
    return Routing(
        receivers=tuple(receiver.name for receiver in configuration.receivers),
        routes=tuple(Route(route.receiver, tuple(route.match.items())) for route in configuration.routes),
    )


def receivers_of(
    configuration: Configuration, environment: Mapping[str, str]
) -> tuple[ReceiverSettings, ...]:
    """Return the receivers with their secrets. Raises ConfigurationInvalid; never shows a secret."""
    return tuple(_receiver(receiver, environment) for receiver in configuration.receivers)


def _receiver(receiver: Receiver, environment: Mapping[str, str]) -> ReceiverSettings:
    webhook = receiver.webhook
    secret = None if webhook.secret is None else read_secret(webhook.secret, environment)
    return ReceiverSettings(receiver.name, webhook.url, secret)


def rule_labels(rules: tuple[Rule, ...]) -> tuple[tuple[str, str], ...]:
    """Return (rule, severity) of everything that can fire, Barometer's own alert included."""
    own = ((CLOCK_STALE, "critical"),)
    return (*((rule.name, rule.severity) for rule in rules), *own)
