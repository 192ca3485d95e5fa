"""The configuration, as one frozen value. The names in the file are the aliases; ours carry units.

Whoever needs one in a test says `Configuration.model_validate({...})` with the shape of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Final

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shared.configuration.calendars import Calendar
from shared.configuration.emails import SourceEmail
from shared.configuration.forms import SourceForm
from shared.configuration.personal_data import PersonalData, SourcePersonalData
from shared.configuration.problems import refused
from shared.configuration.pull import SourcePull
from shared.configuration.retention import Retention
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section
from shared.configuration.sla import Sla
from shared.configuration.values import (
    Name,
    Seconds,
    Sha256,
    StatusValue,
    ThresholdSchema,
    Title,
    Word,
    parse_threshold,
)
from shared.configuration.webhooks import SourceKind, SourceWebhook, WebAddress
from shared.contracts.tickets import Channel, Priority

DEFAULT_TENANT: Final = "default"
DEFAULT_SOURCE: Final = "default"

TENANTS_MAX: Final = 1_000
SOURCES_MAX: Final = 10_000
KEYS_MAX: Final = 100
CALENDARS_MAX: Final = 200
EDGES_MAX: Final = 16
"""Each edge is a counter in every cell and a timer in every ticket."""
RULES_MAX: Final = 500
RECEIVERS_MAX: Final = 100
ROUTES_MAX: Final = 500
MAP_WORDS_MAX: Final = 2_000
VALUES_MAX: Final = 200
SUMMARY_CHARACTERS_MAX: Final = 500

_HOUR: Final = 3_600
DEFAULT_EDGES_SECONDS: Final = (24 * _HOUR, 48 * _HOUR, 72 * _HOUR, 7 * 24 * _HOUR, 30 * 24 * _HOUR)
DEFAULT_BUCKETS_SECONDS: Final = (24 * _HOUR, 72 * _HOUR)


class Scope(str, Enum):
    """What a key may do."""

    PUBLISH = "publish"
    READ = "read"
    ADMIN = "admin"


class ApiKey(Section):
    """A key of a tenant. The file holds only the SHA-256 of the token (`barometer key new` makes both)."""

    name: Name
    sha256: Sha256
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]


class SourceKey(Section):
    """A key of one source: it publishes for this source and nothing else."""

    name: Name
    sha256: Sha256
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = (Scope.PUBLISH,)

    @field_validator("scopes")
    @classmethod
    def _publishes_only(cls, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
        if set(scopes) != {Scope.PUBLISH}:
            raise refused("a source's key can only publish", "move it to the tenant's keys for read or admin")
        return scopes


class Tenant(Section):
    """One customer of this Barometer: its tickets are never mixed with another's."""

    name: Name
    keys: Annotated[tuple[ApiKey, ...], Field(max_length=KEYS_MAX)] = ()


class StatusMap(Section):
    """From the source's words to canonical statuses. Without a default an unknown word says nothing."""

    map: Annotated[Mapping[Word, StatusValue], Field(max_length=MAP_WORDS_MAX)] = Field(default_factory=dict)
    default: StatusValue | None = None


class PriorityMap(Section):
    """From the source's words to p1 .. p4. Without a default an unknown word says nothing."""

    map: Annotated[Mapping[Word, Priority], Field(max_length=MAP_WORDS_MAX)] = Field(default_factory=dict)
    default: Priority | None = None


class Source(Section):
    """A configured upstream."""

    name: Name
    tenant: Name = DEFAULT_TENANT
    kind: SourceKind = SourceKind.GENERIC
    webhook: SourceWebhook | None = None
    """Of a vendor's kind: what proves its requests. Checked in checks.py."""
    pull: SourcePull | None = None
    """Of some vendors' kinds: what changed is read from there as well. Checked in checks.py."""
    email: SourceEmail = SourceEmail()
    form: SourceForm | None = None
    """A public page on which anybody may open a ticket. Off unless it is there. Checked in checks.py."""
    keys: Annotated[tuple[SourceKey, ...], Field(max_length=KEYS_MAX)] = ()
    status: StatusMap = StatusMap()
    priority: PriorityMap = PriorityMap()
    channel: Channel | None = None
    """Of tickets that show no channel."""
    inbox: bool = False
    """Events of this source may also be written straight to the topic tickets.inbox.v1 (Kafka's own
    access rules then decide who may)."""
    personal_data: SourcePersonalData = SourcePersonalData()
    """What it keeps of people otherwise than the section `personal_data` says."""


class AgeFrom(str, Enum):
    """What age is counted from: creation, or the last reopening."""

    CREATED = "created"
    EPISODE = "episode"


_Edges = Annotated[tuple[Seconds, ...], Field(min_length=1, max_length=EDGES_MAX)]


class Age(Section):
    """Where ages are cut. Buckets lie between some of the edges."""

    edges_seconds: Annotated[_Edges, Field(alias="edges")] = DEFAULT_EDGES_SECONDS
    buckets_seconds: Annotated[_Edges, Field(alias="buckets")] = DEFAULT_BUCKETS_SECONDS
    counted_from: Annotated[AgeFrom, Field(alias="from")] = AgeFrom.CREATED

    @field_validator("edges_seconds", "buckets_seconds")
    @classmethod
    def _ascend(cls, edges: tuple[int, ...]) -> tuple[int, ...]:
        if edges[0] <= 0 or any(later <= earlier for earlier, later in pairwise(edges)):
            raise refused("the spans do not ascend", "write them from short to long, each once, above 0")
        return edges


class Measure(str, Enum):
    """What a rule looks at."""

    OPEN = "open"
    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    UNOWNED = "unowned"
    OLDER_THAN = "older_than"
    OLDEST_AGE = "oldest_age"
    AVERAGE_AGE = "average_age"
    PAST_SLA = "past_sla"
    AT_RISK = "at_risk"


STATUS_MEASURES: Final = frozenset({Measure.NOT_STARTED, Measure.IN_PROGRESS, Measure.WAITING})
AGE_MEASURES: Final = frozenset({Measure.OLDEST_AGE, Measure.AVERAGE_AGE})


class Dimension(str, Enum):
    """What figures can be split and filtered by."""

    SOURCE = "source"
    KIND = "kind"
    QUEUE = "queue"
    PRIORITY = "priority"
    CHANNEL = "channel"
    STATUS = "status"
    WAIT_REASON = "wait_reason"
    SEGMENT = "segment"
    CATEGORY = "category"
    ASSIGNEE = "assignee"


SIDE_DIMENSIONS: Final = frozenset({Dimension.CATEGORY, Dimension.ASSIGNEE})
"""They have cells of their own, which know only the queue beside them, and no status."""


class Severity(str, Enum):
    """How loud an alert is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Rule(Section):
    """When to alert: a measure, by some dimensions, above or below a threshold for a while.

    It fires once the condition held for `for_seconds`, and ends when the measure is back at `clear`
    (by default: when the condition no longer holds). Ages are seconds.
    """

    name: Title
    measure: Measure
    edge_seconds: Annotated[Seconds | None, Field(alias="edge")] = None
    by: tuple[Dimension, ...] = ()
    where: Annotated[Mapping[Dimension, tuple[Word, ...]], Field(max_length=len(Dimension))] = Field(
        default_factory=dict
    )
    above: Annotated[float | None, ThresholdSchema] = None
    below: Annotated[float | None, ThresholdSchema] = None
    clear: Annotated[float | None, ThresholdSchema] = None
    for_seconds: Annotated[Seconds, Field(alias="for")] = 0
    severity: Severity = Severity.WARNING
    summary: Annotated[str, Field(max_length=SUMMARY_CHARACTERS_MAX)] = ""

    @field_validator("above", "below", "clear", mode="before")
    @classmethod
    def _number(cls, value: Any, info: ValidationInfo) -> float | None:
        return (
            None if value is None else parse_threshold(value, is_age=info.data.get("measure") in AGE_MEASURES)
        )

    @field_validator("where", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return {key: _as_list(item) for key, item in value.items()} if isinstance(value, dict) else value

    @field_validator("by", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return _as_list(value)

    @property
    def threshold(self) -> float:
        """The number given by `above` or `below`."""
        number = self.above if self.above is not None else self.below
        assert number is not None, "checked by _one_side"
        return number

    @model_validator(mode="after")
    def _one_side(self) -> Rule:
        if (self.above is None) == (self.below is None):
            raise refused(f"rule `{self.name}` needs one threshold", "give it either `above` or `below`")
        return self


class Webhook(Section):
    """Alerts are posted here, signed by the Standard Webhooks scheme if there is a secret."""

    url: WebAddress
    secret: SecretReference | None = None


class Receiver(Section):
    """Somebody who is told of alerts."""

    name: Name
    webhook: Webhook


class Route(Section):
    """Alerts whose severity, rule and labels all match go to the receiver; an empty match takes all."""

    receiver: Name
    match: Annotated[Mapping[str, Word], Field(max_length=len(Dimension) + 2)] = Field(default_factory=dict)


class Configuration(Section):
    """The whole file. Without one, the defaults here: one tenant `default`, no keys, no rules."""

    tenants: Annotated[tuple[Tenant, ...], Field(min_length=1, max_length=TENANTS_MAX)] = (
        Tenant(name=DEFAULT_TENANT),
    )
    sources: Annotated[tuple[Source, ...], Field(max_length=SOURCES_MAX)] = ()
    calendars: Annotated[Mapping[Name, Calendar], Field(max_length=CALENDARS_MAX)] = Field(
        default_factory=dict
    )
    sla: Sla = Field(default_factory=Sla)
    age: Age = Age()
    personal_data: PersonalData = PersonalData()
    retention: Retention = Retention()
    rules: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)] = ()
    receivers: Annotated[tuple[Receiver, ...], Field(max_length=RECEIVERS_MAX)] = ()
    routes: Annotated[tuple[Route, ...], Field(max_length=ROUTES_MAX)] = ()

    def source(self, tenant: str, name: str) -> Source | None:
        """Return the configured source, None if there is none of this name."""
        return next((one for one in self.sources if (one.tenant, one.name) == (tenant, name)), None)

    @property
    def has_rules(self) -> bool:
        """Whether the file has the section `rules`; without it alerting has rules of its own."""
        return "rules" in self.model_fields_set

    @property
    def has_keys(self) -> bool:
        """Whether any key is configured; without one only loopback may be served."""
        return any(tenant.keys for tenant in self.tenants) or any(source.keys for source in self.sources)
