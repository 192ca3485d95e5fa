"""`POST /v1/sla/preview`: what would be promised, and when would it be due?

Two questions, and neither touches a ticket. With `events`: a clock that started, paused and went on like this, as
`barometer sla clock` answers it. With `ticket`: which policy would a ticket with these fields have if it were created
now, and what would its promises be?
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from services.aging.api.asking import VALUES_MAX, ChannelAsked, KindAsked, PriorityAsked, Value, Values
from services.aging.api.explained import PolicyTried
from services.aging.api.explanation import policy_tried
from services.aging.api.promises import Seconds
from services.aging.api.surface import Surface
from services.aging.core.explain import tried
from services.aging.core.policy import ALWAYS_OPEN, ClockName, Policy
from services.aging.core.stopwatch import Event, Move, given_policy, read_stopwatch, seconds_of, shown
from services.aging.core.terms import Terms, hours_of
from services.aging.core.ticket import Ticket
from services.aging.settings import default_terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import CalendarInvalid, definition_from
from shared.calendars.hours import ALWAYS, Hours, NoOpening
from shared.contracts.instants import EARLIEST, LATEST, SECOND_US, from_us, to_us
from shared.http.problems import Fault, Problem

BODY_BYTES_MAX: Final = 1024 * 1024
"""A calendar with overrides for a century takes less."""
EVENTS_MAX: Final = 10_000
SECONDS_MAX: Final = (to_us(LATEST) - to_us(EARLIEST)) // SECOND_US
"""No two instants of a ticket are further apart."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Moved(_Strict):
    """Something that happens to the clock."""

    at: AwareDatetime
    type: Literal["start", "pause", "resume", "stop"]


class PromiseAsked(_Strict):
    """A promise: `target_seconds` says it, or the `name` of a policy that holds now."""

    metric: Annotated[str, Field(max_length=100)] = Field(
        default=ClockName.RESOLUTION.value,
        description="first_response, next_response, update, resolution or team; without a name any text",
    )
    target_seconds: Annotated[Decimal, Field(gt=0, le=SECONDS_MAX, decimal_places=6)] | None = None
    warn_before_seconds: Annotated[Decimal, Field(ge=0, le=SECONDS_MAX, decimal_places=6)] | None = None
    name: Value | None = Field(default=None, description="A policy; it says target, warning and calendar")
    priority: PriorityAsked = Field(default="", description="For the target of a named policy")

    @model_validator(mode="after")
    def _says_one(self) -> PromiseAsked:
        if (self.name is None) == (self.target_seconds is None):
            raise ValueError("give either target_seconds or the name of a policy")
        if self.name is not None and self.warn_before_seconds is not None:
            raise ValueError("the policy says when to warn; leave out warn_before_seconds")
        return self


class TicketFields(_Strict):
    """The fields that policies look at; what is absent, the ticket does not have."""

    source: Value = ""
    channel: ChannelAsked = ""
    queue: Value = ""
    priority: PriorityAsked = ""
    segment: Value = ""
    category: Value = ""
    kind: KindAsked = ""
    tags: Values = []


class PreviewAsked(_Strict):
    """`policy` with `events`, or `ticket`."""

    tenant: Value | None = Field(default=None, description="The key's own tenant if absent")
    calendar: Value | dict[str, Any] | None = Field(
        default=None,
        description="A calendar's name, 24x7, or a calendar itself; by default the policy's, else 24x7",
    )
    policy: PromiseAsked | None = None
    events: Annotated[list[Moved], Field(max_length=EVENTS_MAX)] | None = None
    ticket: TicketFields | None = None
    as_of: AwareDatetime | None = Field(default=None, description="The instant of the answer; default: now")

    @model_validator(mode="after")
    def _asks_one(self) -> PreviewAsked:
        if self.ticket is not None and (self.policy or self.events or self.calendar):
            raise ValueError("ask about a ticket, or about a policy and events, not both")
        if self.ticket is None and (self.policy is None or self.events is None):
            raise ValueError("give a ticket, or a policy and events")
        return self


class ClockShown(BaseModel):
    """What the clock shows at `as_of`."""

    due: datetime | None = Field(description="Null while it stands, and before its start")
    due_if_resumed: datetime | None = Field(
        default=None, description="Only while it stands: the deadline if it went on"
    )
    warn_at: datetime | None
    elapsed_seconds: Seconds = Field(description="Open time; pauses left out")
    paused_seconds: Seconds = Field(description="Open time inside the pauses")
    remaining_seconds: Seconds = Field(description="Negative once it is broken")
    breached: bool = Field(description="Strictly after the deadline; the deadline second is met")
    breached_at: datetime | None


class Promised(BaseModel):
    """One promise of the policy."""

    clock: str
    target_seconds: Seconds | None = Field(description="Null: none for this priority")
    calendar: str
    due: datetime | None = Field(
        description="If it began at `at`; null if the calendar never opens long enough"
    )
    warn_at: datetime | None


class PolicyShown(BaseModel):
    """What a ticket with these fields would be promised."""

    at: datetime
    policy: str | None = Field(description="`name@version`; null: none matches", examples=["support@4"])
    policies: list[PolicyTried] = Field(
        description="Those in force, in their order, up to the first that matches"
    )
    promises: list[Promised]


class BoundedRoute(APIRoute):
    """A route that holds no more of a body than BODY_BYTES_MAX, whether or not its length was announced."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which gets the body whole."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            whole = _Whole(request.scope, request.receive)
            await whole.body()
            return await handle(whole)

        return bounded


class _Whole(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            raw = bytearray()
            async for chunk in self.stream():
                raw += chunk
                if len(raw) > BODY_BYTES_MAX:
                    raise Problem("too-large", 413, f"the body is longer than {BODY_BYTES_MAX} bytes")
            self._body = bytes(raw)
        return self._body


async def preview(surface: Surface, tenant: str, asked: PreviewAsked) -> ClockShown | PolicyShown:
    """Answer `asked`. Raises Problem."""
    now_us = surface.clock.now_us() if asked.as_of is None else _instant_us("/as_of", asked.as_of)
    followed = (await surface.terms()).values()
    terms = max(followed, key=lambda one: one.generation, default=default_terms()).of(tenant)
    async with surface.turn:
        if asked.ticket is not None:
            return await run_in_threadpool(_of_ticket, asked.ticket, terms, now_us)
        return await run_in_threadpool(_of_events, asked, terms, now_us)


def _of_events(asked: PreviewAsked, terms: Terms, as_of_us: int) -> ClockShown:
    assert asked.policy is not None
    assert asked.events is not None
    events = [
        Event(_instant_us(f"/events/{index}/at", one.at), Move(one.type))
        for index, one in enumerate(asked.events)
    ]
    metric = asked.policy.metric
    if asked.policy.target_seconds is not None:
        before = asked.policy.warn_before_seconds
        target_us = int(asked.policy.target_seconds * SECOND_US)
        policy = given_policy(metric, target_us, None if before is None else int(before * SECOND_US))
    else:
        starts = [event.at_us for event in events if event.move is Move.START]
        policy = _named(terms, asked.policy.name, min(starts, default=as_of_us))
        found_us = policy.target_us(metric, asked.policy.priority)
        if found_us is None:
            raise _invalid(
                "/policy/metric",
                f"it has no target of {metric} for this priority; it promises {', '.join(policy.promises)}",
            )
        target_us = found_us
    hours = _hours(terms, asked.calendar or policy.calendar)
    try:
        reading = read_stopwatch(policy, metric, target_us, hours, events, as_of_us)
    except NoOpening as none:
        raise _invalid("/calendar", str(none)) from none
    return ClockShown.model_validate(shown(reading))


def _named(terms: Terms, name: str | None, at_us: int) -> Policy:
    policies = terms.version_at(at_us).policies
    for policy in policies:
        if policy.name == name:
            return policy
    known = ", ".join([policy.name for policy in policies][:VALUES_MAX])
    raise _invalid("/policy/name", f"there is no such policy then; there are {known or 'none'}")


def _hours(terms: Terms, calendar: str | Mapping[str, Any]) -> Hours:
    if isinstance(calendar, Mapping):
        try:
            return compiled(definition_from(calendar, may_never_open=True))
        except CalendarInvalid as invalid:
            faults = [Fault(str(flaw), pointer="/calendar") for flaw in invalid.flaws]
            raise Problem("invalid-request", 422, faults=faults) from invalid
    if calendar == ALWAYS_OPEN:
        return ALWAYS
    if calendar not in terms.timetables:
        known = ", ".join([ALWAYS_OPEN, *terms.timetables][:VALUES_MAX])
        raise _invalid("/calendar", f"there is no such calendar; there are {known}")
    return hours_of(terms.timetables[calendar])


def _of_ticket(fields: TicketFields, terms: Terms, at_us: int) -> PolicyShown:
    given = fields.model_dump(exclude={"source", "tags"})
    ticket = Ticket(fields.source, at_us, tags=tuple(fields.tags), clocks=[], **given)
    policy = terms.match(ticket, at_us)
    return PolicyShown(
        at=from_us(at_us),
        policy=None if policy is None else policy.label,
        policies=[policy_tried(one) for one in tried(terms, ticket, at_us)],
        promises=[] if policy is None else [_promised(policy, name, terms, fields.priority, at_us) for name in policy.promises],
    )  # fmt: skip


def _promised(policy: Policy, name: str, terms: Terms, priority: str, at_us: int) -> Promised:
    target_us = policy.target_us(name, priority)
    due_us = warn_us = None
    if target_us is not None:
        start = [Event(at_us, Move.START)]
        try:
            reading = read_stopwatch(policy, name, target_us, _hours(terms, policy.calendar), start, at_us)
            due_us, warn_us = reading.due_us, reading.warn_us
        except NoOpening:
            due_us = None
    return Promised(
        clock=name,
        target_seconds=None if target_us is None else seconds_of(target_us),
        calendar=policy.calendar if policy.promises[name].business else ALWAYS_OPEN,
        due=None if due_us is None else from_us(due_us),
        warn_at=None if warn_us is None else from_us(warn_us),
    )


def _instant_us(pointer: str, at: datetime) -> int:
    if not EARLIEST <= at < LATEST:
        raise _invalid(pointer, "no instant that a ticket can have")
    return to_us(at)


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem("invalid-request", 422, faults=[Fault(detail, pointer=pointer)])
