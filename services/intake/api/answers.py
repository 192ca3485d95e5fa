"""What a sender is told: 202 only for what the bus has acknowledged, a problem for what it must mend.

One ticket is answered by itself. A batch is answered item by item: 202 if all were accepted, 207 if some
were, 422 if none was; every item says its own status, its event id or its problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType
from starlette.responses import Response

from services.intake.core.normalise import Normalised
from services.intake.core.reception import Outcome
from services.intake.core.rejection import Reason, Rejection
from shared.http.problems import Fault, Problem

JSON: Final = "application/json"
ACCEPTED: Final = 202
MULTI_STATUS: Final = 207

_PROBLEMS: Final[Mapping[Reason, tuple[str, int]]] = {
    Reason.MALFORMED_JSON: ("undecodable", 400),
    Reason.INVALID_UTF8: ("undecodable", 400),
    Reason.TOO_DEEP: ("undecodable", 400),
    Reason.TOO_LARGE: ("too-large", 413),
    Reason.UNKNOWN_SOURCE: ("unknown-source", 404),
    Reason.FORBIDDEN_SOURCE: ("forbidden", 403),
    Reason.UNKNOWN_TYPE: ("unknown-type", 422),
    Reason.INVALID_CLOUDEVENT: ("invalid-event", 422),
    Reason.FUTURE_TIME: ("future-time", 422),
}
_INVALID_TICKET: Final = ("invalid-ticket", 422)


class Accepted(msgspec.Struct, omit_defaults=True):
    """The answer to one accepted ticket. `unmapped`: members whose word no map of the source knows."""

    event_id: str
    ticket: str
    status: str
    unmapped: tuple[str, ...] = ()


class ItemResult(msgspec.Struct, omit_defaults=True):
    """What became of one item of a batch: accepted (202) with its ids, or refused with its problem."""

    index: int
    status: int
    event_id: str = ""
    ticket: str = ""
    unmapped: tuple[str, ...] = ()
    problem: Raw | UnsetType = UNSET
    """What it would have been answered by itself."""


class BatchAnswer(msgspec.Struct):
    """The answer to a batch of which at least one item was accepted (or that was empty)."""

    accepted: int
    rejected: int
    results: list[ItemResult]


_json: Final = msgspec.json.Encoder().encode


def problem_of(rejection: Rejection, rejected_id: str | None) -> Problem:
    """Return the problem that says what to mend. `rejected_id` None: the input was not kept."""
    name, status = _PROBLEMS.get(rejection.reason, _INVALID_TICKET)
    faults = [Fault(fault.detail, pointer=fault.pointer) for fault in rejection.faults if fault.pointer]
    more = {"reason": rejection.reason.value}
    if rejected_id is not None:
        more["rejected_id"] = rejected_id
    return Problem(name, status, rejection.detail, faults, more=more)


def single(outcome: Outcome, rejected_id: str | None, instance: str) -> Response:
    """Return the answer to one ticket."""
    if not isinstance(outcome, Normalised):
        return problem_of(outcome.rejection, rejected_id).response(instance)
    observation = outcome.observation
    answer = Accepted(observation.id, observation.ticket, "accepted", outcome.unmapped)
    return Response(_json(answer), ACCEPTED, media_type=JSON)


def batch(outcomes: Sequence[Outcome], rejected_ids: Mapping[int, str], instance: str) -> Response:
    """Return the answer to a batch. `rejected_ids` are the ids of kept items, by index."""
    results = [_result(index, each, rejected_ids.get(index)) for index, each in enumerate(outcomes)]
    accepted = sum(each.status == ACCEPTED for each in results)
    refused = len(results) - accepted
    if refused and not accepted:
        more: dict[str, Any] = {"accepted": 0, "rejected": refused, "results": results}
        detail = f"none of the {refused} items can be used; each result says why"
        return Problem("invalid-ticket", 422, detail, more=more).response(instance)
    answer = BatchAnswer(accepted, refused, results)
    return Response(_json(answer), MULTI_STATUS if refused else ACCEPTED, media_type=JSON)


def _result(index: int, outcome: Outcome, rejected_id: str | None) -> ItemResult:
    if isinstance(outcome, Normalised):
        observation = outcome.observation
        return ItemResult(index, ACCEPTED, observation.id, observation.ticket, outcome.unmapped)
    problem = problem_of(outcome.rejection, rejected_id)
    return ItemResult(index, problem.status, problem=Raw(bytes(problem.response().body)))
