"""The section `sla`: the policies and their versions, what asks for attention, and the order of work."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.configuration.default_policies import DEFAULT_POLICIES
from shared.configuration.policies import (
    POLICIES_MAX,
    POLICY_VERSIONS_MAX,
    Apply,
    PoliciesInForce,
    Policy,
    PolicyVersion,
)
from shared.configuration.section import Section
from shared.configuration.values import Seconds
from shared.contracts.durations import DAY_SECONDS

STUCK_AFTER_SECONDS: Final = 3 * DAY_SECONDS
STALE_AFTER_SECONDS: Final = 7 * DAY_SECONDS
CLOSE_AFTER_SECONDS: Final = 14 * DAY_SECONDS
BOUNCES: Final = 3
BOUNCES_MAX: Final = 1_000

_Positive = Annotated[Seconds, Field(gt=0)]


class Attention(Section):
    """From when on a ticket wants somebody's eye. It is stated, so it is published."""

    stuck_after_seconds: Annotated[_Positive, Field(alias="stuck_after")] = STUCK_AFTER_SECONDS
    """In one wait."""
    stale_after_seconds: Annotated[_Positive, Field(alias="stale_after")] = STALE_AFTER_SECONDS
    """Without any observation."""
    bounces: Annotated[int, Field(ge=1, le=BOUNCES_MAX)] = BOUNCES
    """Reassignments and reopenings together."""
    close_after_seconds: Annotated[_Positive, Field(alias="close_after")] = CLOSE_AFTER_SECONDS
    """Silence of the customer whose turn it is: a candidate for closing."""
    escalate: bool = True
    """Whether a ticket that reaches the oldest bucket is stated to be escalated, once per episode."""


class Weights(Section):
    """How much each reason counts for the place of a ticket; 0 leaves it out."""

    emergency: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    past_sla: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    time_left: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    vip: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    age: Annotated[float, Field(ge=0, le=1_000)] = 0.0


class Worklist(Section):
    """In which order people are shown their work. It states nothing, so it is read at start."""

    weights: Weights | None = None
    """A score instead of the standard order: emergencies, time left, VIP, age."""
    moscow: bool = True
    """Tickets of kind project are ordered by their tags must, should, could, wont."""


class Sla(Section):
    """Promises to customers. Without it those of `default_policies.py`, round the clock."""

    policies: Annotated[tuple[Policy, ...], Field(max_length=POLICIES_MAX)] = DEFAULT_POLICIES
    apply: Apply = Apply.NEW
    """Whom an edit of `policies` reaches when it is applied; later versions say so themselves."""
    versions: Annotated[tuple[PolicyVersion, ...], Field(max_length=POLICY_VERSIONS_MAX)] = ()
    attention: Attention = Attention()
    worklist: Worklist = Worklist()

    @property
    def history(self) -> tuple[PoliciesInForce, ...]:
        """All versions in the order of the file; the first holds from the beginning of time."""
        first = PoliciesInForce(None, self.apply, self.policies)
        return (
            first,
            *(
                PoliciesInForce(*one)
                for one in ((v.effective_from, v.apply, v.policies) for v in self.versions)
            ),
        )
