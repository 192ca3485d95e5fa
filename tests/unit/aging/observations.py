"""Observations to test with: by hand in one line, or drawn, so dense that the hard cases are common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import UNSET

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import Attention, HoursVersion, Terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.calendars.hours import ALWAYS
from shared.contracts.instants import SECOND_US, from_us
from shared.contracts.tickets import (
    Activity,
    Actor,
    Channel,
    Kind,
    Observation,
    Priority,
    Status,
    TicketFields,
    WaitReason,
)

HOUR_US: Final = 3_600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
START_US: Final = 1_700_000_000 * SECOND_US
END_US: Final = START_US + 60 * DAY_US
"""Later than anything drawn, and than the last age edge of it."""
TENANT: Final = "acme"
KEYS: Final = ("desk:1", "desk:2", "desk:3", "desk:4")


def seen(
    ticket: str = "desk:1",
    hours: float = 0.0,
    *,
    tenant: str = TENANT,
    source: str = "desk",
    id: str = "",
    activity: Activity = Activity.UPDATED,
    actor: Actor | None = None,
    sequence: int | None = None,
    run: str | None = None,
    plus_us: int = 0,
    received_us: int | None = None,
    dated_by_receipt: bool = False,
    created_hours: float | None = None,
    **fields: Any,
) -> Observation:
    """Return what was seen of `ticket` `hours` after START_US (and `plus_us` microseconds)."""
    time_us = at(hours) + plus_us
    if created_hours is not None:
        fields["created_at"] = from_us(at(created_hours))
    return Observation(
        tenant=tenant,
        source=source,
        ticket=ticket,
        id=id or f"{ticket}@{time_us}",
        time=from_us(time_us),
        received_at=from_us(time_us if received_us is None else received_us),
        activity=activity,
        actor=actor,
        sequence=sequence,
        dated_by_receipt=dated_by_receipt,
        run=run,
        fields=TicketFields(**fields),
    )


def at(hours: float) -> int:
    """Return the instant `hours` after START_US."""
    return START_US + round(hours * HOUR_US)


# Hours around the edges of 24, 48 and 72 hours, and of what was created a day or two earlier.
_HOURS: Final = st.sampled_from([0, 0, 1, 2, 3, 4, 23, 24, 24, 25, 47, 48, 49, 72, 73, 96, 168, 200])
_NUDGES: Final = st.sampled_from([0, 0, 0, 0, -1, 1])
_SHOWN: Final = st.sampled_from([*[s for s in Status if s not in {Status.MERGED, Status.VOID}], None, UNSET])
_ACTIVITIES: Final = st.sampled_from(
    [*[Activity.UPDATED] * 6, Activity.CREATED, Activity.CUSTOMER_MESSAGE, Activity.AGENT_MESSAGE]
)
_ENDINGS: Final = st.sampled_from(
    [*[Activity.UPDATED] * 3, Activity.SPAM, Activity.DELETED, Activity.RESTORED, Activity.MERGED]
)


def _maybe(values: SearchStrategy[Any], *, often: int = 2) -> SearchStrategy[Any]:
    """Give mostly nothing, sometimes null, sometimes a value."""
    return st.one_of(*[st.just(UNSET)] * often, st.none(), values)


_FIELDS: Final = st.builds(
    TicketFields,
    status=_SHOWN,
    wait_reason=_maybe(st.sampled_from(WaitReason)),
    priority=_maybe(st.sampled_from([Priority.P1, Priority.P2])),
    kind=_maybe(st.sampled_from([Kind.TASK, Kind.PROJECT]), often=6),
    channel=_maybe(st.sampled_from([Channel.EMAIL, Channel.CHAT]), often=6),
    queue=_maybe(st.sampled_from(["first", "second"])),
    assignee=_maybe(st.sampled_from(["ann", "bob"])),
    category=_maybe(st.just("billing"), often=5),
    requester=_maybe(st.sampled_from(["kim", "sam"])),
    subject=_maybe(st.sampled_from(["Printer", "Screen"])),
    created_at=st.one_of(
        *[st.just(UNSET)] * 6,
        st.none(),
        st.sampled_from([-240, -24, -1, 0, 1, 30]).map(lambda h: from_us(at(h))),
    ),
)


def _merged_into(keys: tuple[str, ...]) -> SearchStrategy[Any]:
    return st.one_of(*[st.just(UNSET)] * 3, st.none(), st.sampled_from([*keys, "desk:unheard"]))


def observations(
    keys: tuple[str, ...] = KEYS,
    *,
    merges: bool = True,
    runs: bool = True,
    tenants: tuple[str, ...] = (TENANT,),
) -> SearchStrategy[Observation]:
    """Draw what was seen of one of `keys`."""
    fields = _FIELDS
    if merges:
        fields = st.builds(
            lambda shown, link: TicketFields(**_fields_of(shown), merged_into=link),
            _FIELDS,
            _merged_into(keys),
        )
    return st.builds(
        _drawn,
        st.sampled_from(tenants),
        st.sampled_from(keys),
        _HOURS,
        _NUDGES,
        st.one_of(_ACTIVITIES, _ENDINGS) if merges else _ACTIVITIES,
        st.sampled_from([None, None, 1, 2, 3]),
        st.sampled_from([None, None, "run"]) if runs else st.none(),
        fields,
        st.integers(0, 3),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([False, False, False, True]),
    )


def _fields_of(fields: TicketFields) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in fields.__struct_fields__ if name != "merged_into"}


def _drawn(
    tenant: str, key: str, hours: int, nudge: int, activity: Activity, sequence: int | None, run: str | None,
    fields: TicketFields, number: int, dated_by_receipt: bool, pulled: bool,
) -> Observation:  # fmt: skip
    time_us = at(hours) + nudge
    dated_by_receipt &= not pulled  # a list says of everything when it was
    return Observation(
        tenant=tenant,
        source="desk",
        ticket=key,
        id=str(number),
        time=from_us(time_us),
        received_at=from_us(time_us),
        activity=activity,
        sequence=sequence,
        dated_by_receipt=dated_by_receipt,
        run=run,
        pulled=pulled,
        fields=fields,
    )


_DEADLINES: Final = Policy(
    "all",
    {
        "first_response": Promise({"p1": 3_600 * SECOND_US, "default": 5 * 3_600 * SECOND_US}, (Stage(0.5),)),
        "next_response": Promise({"default": 2 * 3_600 * SECOND_US}, (Stage(left_us=3_600 * SECOND_US),)),
        "update": Promise({"default": 7 * 3_600 * SECOND_US}, (), frozenset({"customer"})),
        "resolution": Promise(
            {"p1": 10 * 3_600 * SECOND_US, "p2": 48 * 3_600 * SECOND_US, "default": 90 * 3_600 * SECOND_US},
            (Stage(0.5), Stage(0.8)),
            frozenset({"customer", "vendor"}),
        ),
        "team": Promise({"default": 20 * 3_600 * SECOND_US}, (Stage(0.8),), frozenset({"customer"})),
    },
    reopen_window_us=24 * 3_600 * SECOND_US,
    max_pause_us=30 * 3_600 * SECOND_US,
    label="all@1",
)
_OFFICE: Final = replace(
    _DEADLINES,
    name="office",
    match={"priority": frozenset({"p1", "p2"})},
    calendar="office",
    max_pause_us=None,
    label="office@1",
)
_LESS: Final = replace(
    _DEADLINES,
    name="less",
    promises={name: _DEADLINES.promises[name] for name in ("first_response", "resolution")},
    label="less@1",
)
_OFFICE_HOURS: Final = compiled(
    definition_from(
        {
            "timezone": "Europe/Berlin",
            "weekly": {
                day: [["09:00", "12:30"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
            },
            "holidays": ["2026-03-04"],
        }
    )
)
_EPISODES: Final = AgePolicy(
    (AgeVersion(edges_seconds=(86_400, 172_800), bucket_edges_seconds=(86_400,), from_episode=True),)
)
_VERSIONS: Final = AgePolicy(
    (
        AgeVersion(),
        AgeVersion(effective_us=at(48), edges_seconds=(3_600, 90_000), bucket_edges_seconds=(3_600,)),
        AgeVersion(effective_us=at(96), edges_seconds=(86_400,), bucket_edges_seconds=(), from_episode=True),
    )
)
_TIMETABLES: Final = {"office": (HoursVersion(0, _OFFICE_HOURS), HoursVersion(at(60), ALWAYS))}

_WATCHFUL: Final = Attention(
    stuck_after_us=HOUR_US, stale_after_us=2 * HOUR_US, bounces=1, close_after_us=24 * HOUR_US
)
_ATTENTION: Final = (
    replace(_WATCHFUL, stuck_after_us=24 * HOUR_US, stale_after_us=48 * HOUR_US, bounces=3),
    replace(_WATCHFUL, effective_us=at(24)),
    Attention(escalate=False, effective_us=at(72)),
    replace(_WATCHFUL, effective_us=at(96)),
)
"""Grown stricter at 24 hours, laxer at 72, and strict again."""

TERMS: Final = st.sampled_from(
    [
        Terms(),
        Terms(_EPISODES),
        Terms(_EPISODES, attention=(_WATCHFUL,)),
        Terms(_VERSIONS, attention=_ATTENTION),
        Terms(_VERSIONS),
        Terms(policies=(PolicyVersion((_DEADLINES,)),)),
        Terms(_VERSIONS, (PolicyVersion((_OFFICE, _LESS)),), _TIMETABLES),
        Terms(
            None,
            (
                PolicyVersion((_LESS,)),
                PolicyVersion((_OFFICE,), at(20)),
                PolicyVersion((_DEADLINES,), at(50), running=True),
            ),
            _TIMETABLES,
            _ATTENTION,
        ),
    ]
)
"""Age edges and promises of all sorts; versions of both that come into force in between."""


class Sending(NamedTuple):
    """How one observation travels: `ahead_us` of the bus's clock at most, then `lag_us` late."""

    observation: Observation
    ahead_us: int
    lag_us: int
    splits: bool
    """Whether a batch ends with it."""
    restarts: bool
    """Whether the process dies after that batch."""


def sendings(seen_: SearchStrategy[Observation] | None = None) -> SearchStrategy[Sending]:
    """Draw an observation and how it travels."""
    return st.builds(
        Sending,
        seen_ if seen_ is not None else observations(),
        st.sampled_from([0, 0, 0, 60 * SECOND_US, 300 * SECOND_US]),
        st.sampled_from([0, 0, 1, HOUR_US, 30 * HOUR_US]),
        st.booleans(),
        st.sampled_from([False, False, False, True]),
    )
