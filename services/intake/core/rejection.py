"""Why input cannot be used: a value, not an exception, for it is an expected outcome.

The reason is the label of a metric, so it is one of a closed list. The detail is for the person who has
to mend the sender: it names the member, says what was expected and gives an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

DETAIL_CHARACTERS_MAX: Final = 500
FAULTS_MAX: Final = 20
"""More faults than this in one ticket tell nobody more; the rest is counted in the detail."""


class Reason(str, Enum):
    """The closed list of reasons, label `reason` of `barometer_rejected_total`."""

    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    INVALID_TEXT = "invalid_text"
    INVALID_TIME = "invalid_time"
    FUTURE_TIME = "future_time"
    INVALID_CLOUDEVENT = "invalid_cloudevent"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_SOURCE = "unknown_source"
    FORBIDDEN_SOURCE = "forbidden_source"
    UNREADABLE = "unreadable"
    """A vendor's webhook that its adapter cannot understand."""
    ADAPTER_FAILED = "adapter_failed"
    """A defect in a vendor's adapter."""


class Fault(NamedTuple):
    """One thing to mend. `pointer` is a JSON pointer (RFC 6901) into the ticket, empty for all of it."""

    reason: Reason
    pointer: str
    detail: str


class Rejection(NamedTuple):
    """Input that cannot be used, with everything found wrong; the first fault names the reason."""

    faults: tuple[Fault, ...]

    @property
    def reason(self) -> Reason:
        """Return the reason of the first fault: the metric's label."""
        return self.faults[0].reason

    @property
    def detail(self) -> str:
        """Return what to mend, in one line."""
        first = self.faults[0]
        place = f"{first.pointer}: " if first.pointer else ""
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        return f"{place}{first.detail}"[:DETAIL_CHARACTERS_MAX] + more


def rejected(reason: Reason, detail: str, pointer: str = "") -> Rejection:
    """Return a rejection with one fault."""
    return Rejection((Fault(reason, pointer, detail[:DETAIL_CHARACTERS_MAX]),))


def rejected_for(faults: Sequence[Fault]) -> Rejection:
    """Return a rejection with `faults`, at least one; at most FAULTS_MAX are kept."""
    assert faults, "a rejection has a fault"
    return Rejection(tuple(faults[:FAULTS_MAX]))


def pointer_to(*members: str | int) -> str:
    """Return the JSON pointer to a member: `/tags/3`; `~` and `/` in names are escaped."""
    return "".join(f"/{str(member).replace('~', '~0').replace('/', '~1')}" for member in members)
