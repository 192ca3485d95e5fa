"""Terms: everything besides the observations that decides what is true of a ticket, as it changes in time.

Age edges, SLA policies and calendars come in versions, each in force from an instant on. A published
configuration is spliced in at an instant: before it the old terms go on to hold, from it on the new ones.
So what was stated before an edit stays true, whoever derives it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.policy import ALWAYS_OPEN, Policy, PolicyVersion, Promise
from shared.calendars.hours import ALWAYS, Hours
from shared.calendars.versions import HoursVersions
from shared.contracts.instants import SECOND_US

if TYPE_CHECKING:
    from services.aging.core.ticket import Ticket

_DAY_US: Final = 86_400 * SECOND_US
_FOREVER_US: Final = 1 << 62
TENANT: Final = "tenant"
TAGS: Final = "tags"
MATCHES_REMEMBERED: Final = 10_000
"""Combinations of fields whose policy is remembered: tickets are far more alike than not."""


@dataclass(frozen=True, slots=True)
class Attention:
    """From when on a ticket is called stuck, stale, bouncing, or ready to be closed."""

    stuck_after_us: int = 3 * _DAY_US
    """In one wait."""
    stale_after_us: int = 7 * _DAY_US
    """Without any observation."""
    bounces: int = 3
    """Reassignments and reopenings."""
    close_after_us: int = 14 * _DAY_US
    """Silence of the customer whose turn it is."""
    escalate: bool = True
    """Whether a ticket in the oldest bucket is escalated."""
    effective_us: int = 0
    """In force from then on; the first version always."""


class Watch(NamedTuple):
    """What asks for attention in [since_us, until_us): versions of the settings and of the age edges as one."""

    since_us: int
    until_us: int
    attention: Attention
    edge_us: int | None
    """The age at which the oldest bucket begins; None: nothing is escalated."""
    from_episode: bool


class HoursVersion(NamedTuple):
    """The hours of a calendar from `effective_us` on."""

    effective_us: int
    hours: Hours
    label: str = ""
    """Which version of the configuration brought them; for people."""
    retroactive: str | None = None
    """Why the past is to be judged by them as well; None: what was stated stays."""


Timetables = Mapping[str, tuple[HoursVersion, ...]]
"""Calendars by name, each with its versions, oldest first."""


class Terms:
    """Age edges, policies and calendars with their histories. Immutable; shared by all tickets of a tenant."""

    __slots__ = (
        "_by_label", "_for_all", "_matched", "_promises", "_tenants", "age", "attention", "fields", "generation", "judged", "policies", "timetables",
        "watches",
    )  # fmt: skip

    def __init__(
        self,
        age: AgePolicy | None = None,
        policies: Sequence[PolicyVersion] = (),
        timetables: Timetables | None = None,
        attention: Sequence[Attention] = (),
        generation: int = 0,
        judged: int = 0,
    ) -> None:
        """`policies` and `attention`: oldest first. `generation` counts the terms that a partition used one after the other.

        `judged`: the newest generation that judged the past anew; what was stated by an earlier one may differ.
        """
        self.age: Final = age or AgePolicy()
        self.policies: Final = tuple(policies)
        self.timetables: Final = dict(timetables or {})
        self.attention: Final = tuple(attention) or (Attention(),)
        self.watches: Final = _watches(self.age, self.attention)
        self.generation: Final = generation
        self.judged: Final = judged
        every = [policy for version in self.policies for policy in version.policies]
        self.fields: Final = tuple(sorted({name for policy in every for name in policy.match} - {TENANT}))
        """Ticket fields that some policy looks at."""
        self._by_label: Final = {policy.label: policy for policy in every}
        always = {ALWAYS_OPEN: ALWAYS}
        open_hours = {name: hours_of(versions) for name, versions in self.timetables.items()} | always
        self._promises: Final[dict[tuple[str, str], tuple[Promise, Hours]]] = {
            (policy.label, clock): (promise, open_hours[policy.calendar] if promise.business else ALWAYS)
            for policy in every
            for clock, promise in policy.promises.items()
        }
        self._tenants: Final[dict[str, Terms]] = {}
        self._for_all: Final = all(TENANT not in policy.match for policy in every)
        self._matched: Final[dict[tuple[object, ...], Policy | None]] = {}

    def of(self, tenant: str) -> Terms:
        """Return the terms of one tenant: policies for others are left out."""
        if self._for_all:
            return self
        found = self._tenants.get(tenant)
        if found is None:
            versions = [replace(one, policies=_of_tenant(one.policies, tenant)) for one in self.policies]
            found = Terms(self.age, versions, self.timetables, self.attention, self.generation, self.judged)
            self._tenants[tenant] = found
        return found

    def version_at(self, at_us: int) -> PolicyVersion:
        """Return the policies in force at `at_us`."""
        version = self.policies[0] if self.policies else PolicyVersion()
        for later in self.policies[1:]:
            if later.effective_us > at_us:
                break
            version = later
        return version

    def match(self, ticket: Ticket, at_us: int) -> Policy | None:
        """Return the policy of `ticket` by its fields and the version in force at `at_us`."""
        if not self.policies:
            return None
        version = self.version_at(at_us)
        key = (version.effective_us, *[getattr(ticket, name) for name in self.fields])
        if key not in self._matched:
            if len(self._matched) >= MATCHES_REMEMBERED:
                self._matched.clear()
            found = next((policy for policy in version.policies if _matches(policy, ticket)), None)
            self._matched[key] = found
        return self._matched[key]

    def fields_by(self, at_us: int) -> frozenset[str]:
        """Return the ticket fields that some policy looked at by `at_us`.

        What a later edit looks at besides must not matter to what was the case before it.
        """
        by_then = [one for one in self.policies if one is self.policies[0] or one.effective_us <= at_us]
        return frozenset(name for version in by_then for policy in version.policies for name in policy.match)

    def policy(self, label: str) -> Policy | None:
        """Return the policy that an instance remembers; None for the empty label."""
        return self._by_label[label] if label else None

    def promise(self, label: str, clock: str) -> tuple[Promise, Hours]:
        """Return what a running instance was promised, and the hours that count."""
        return self._promises[label, clock]

    def next_running_us(self, after_us: int) -> int | None:
        """Return when policies next change for instances that run already, strictly after `after_us`."""
        return next(
            (one.effective_us for one in self.policies[1:] if one.running and one.effective_us > after_us),
            None,
        )

    def followed(self, later: Terms, at_us: int, *, generation: int) -> Terms:
        """Return the terms that hold until `at_us` as these, and from it on as `later`.

        A calendar of `later` with a version that is `retroactive` replaces the former from that version on.
        """
        names = {**self.timetables, **later.timetables}
        return Terms(
            AgePolicy(_spliced(self.age.versions, later.age.versions, at_us)),
            _spliced(self.policies, later.policies, at_us),
            {
                name: _spliced_hours(self.timetables.get(name, ()), later.timetables.get(name, ()), at_us)
                for name in names
            },
            _spliced(self.attention, later.attention, at_us),
            generation,
            self.judged if reaches_back_us(self, later, at_us) is None else generation,
        )

    def says_the_same(self, other: Terms) -> bool:
        """Return whether nothing would be stated otherwise by `other`."""
        return (self.age, self.policies, self.timetables, self.attention) == (
            other.age, other.policies, other.timetables, other.attention,
        )  # fmt: skip


def reaches_back_us(former: Terms, later: Terms, at_us: int) -> int | None:
    """Return from when on `later` judges the past anew if it follows `former` at `at_us`; None: it does not."""
    return min(
        (
            version.effective_us
            for name, versions in later.timetables.items()
            for version in versions
            if version.retroactive is not None
            and version.effective_us < at_us
            and not _is_known(former.timetables.get(name, ()), version)
        ),
        default=None,
    )


def _watches(age: AgePolicy, attention: Sequence[Attention]) -> tuple[Watch, ...]:
    turns = {one.effective_us for one in age.versions[1:]} | {one.effective_us for one in attention[1:]}
    begins = [-_FOREVER_US, *sorted(turns)]
    watches = []
    for since_us, until_us in zip(begins, [*begins[1:], _FOREVER_US], strict=True):
        edges, settings = age.at(since_us), _in_force(attention, since_us)
        buckets = edges.bucket_edges_seconds
        edge_us = buckets[-1] * SECOND_US if buckets and settings.escalate else None
        watches.append(Watch(since_us, until_us, settings, edge_us, edges.from_episode))
    return tuple(watches)


def _in_force(versions: Sequence[V], at_us: int) -> V:
    return [one for one in versions if one is versions[0] or one.effective_us <= at_us][-1]


def hours_of(versions: Sequence[HoursVersion]) -> Hours:
    """Return what all versions together say."""
    if len(versions) == 1:
        return versions[0].hours
    return HoursVersions([(version.effective_us, version.hours) for version in versions])


V = TypeVar("V", AgeVersion, PolicyVersion, HoursVersion, Attention)


def _spliced(former: Sequence[V], later: Sequence[V], at_us: int) -> tuple[V, ...]:
    if not former or at_us <= 0:
        return tuple(later)
    kept: list[V] = [one for one in former if one.effective_us < at_us or one is former[0]]
    if not later:
        return tuple(kept)
    in_force: V = _in_force(later, at_us)
    if _content(in_force) != _content(kept[-1]):
        kept.append(_from(in_force, at_us))
    kept += [one for one in later[1:] if one.effective_us > at_us]
    return tuple(kept)


def _spliced_hours(
    former: Sequence[HoursVersion], later: Sequence[HoursVersion], at_us: int
) -> tuple[HoursVersion, ...]:
    back = [
        version.effective_us
        for version in later
        if version.retroactive is not None and not _is_known(former, version)
    ]
    return _spliced(former, later, min([at_us, *back]))


def _is_known(versions: Sequence[HoursVersion], version: HoursVersion) -> bool:
    return any(
        known.effective_us == version.effective_us and known.hours == version.hours for known in versions
    )


def _content(version: AgeVersion | PolicyVersion | HoursVersion | Attention) -> object:
    if isinstance(version, AgeVersion | Attention):
        return replace(version, effective_us=0)
    if isinstance(version, HoursVersion):
        return version.hours
    return tuple(replace(policy, label="") for policy in version.policies)


def _from(version: V, at_us: int) -> V:
    if isinstance(version, HoursVersion):
        return version._replace(effective_us=at_us)
    return replace(version, effective_us=at_us)


def _of_tenant(policies: Sequence[Policy], tenant: str) -> tuple[Policy, ...]:
    return tuple(one for one in policies if TENANT not in one.match or tenant in one.match[TENANT])


def _matches(policy: Policy, ticket: Ticket) -> bool:
    for name, accepted in policy.match.items():
        if name == TENANT:
            continue
        if name == TAGS:
            if accepted.isdisjoint(ticket.tags):
                return False
        elif getattr(ticket, name) not in accepted:
            return False
    return True
