"""`POST /v1/events`: authenticate, read, normalise, append, and only then answer.

The hot path of intake. It knows no framework beyond Starlette's request and response: a body goes from
bytes to typed structs to the bus's records, and pydantic never sees it (measured: raw body and msgspec
carry 4 to 7 times as many events in batches).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.intake.api import answers
from services.intake.api.appending import Appending
from services.intake.api.bodies import Disconnected, InFlight, Share, read_body
from services.intake.api.forms import Ids, Unreadable, parse
from services.intake.core.arrival import Arrival
from services.intake.core.envelope import id_fault
from services.intake.core.normalise import Normalised
from services.intake.core.reception import NOT_KEPT, Item, Reception, Refused
from services.intake.core.reception import Outcome as Received
from services.intake.core.rejected import STAGE_INTAKE, Kept, keep
from services.intake.core.rejection import Rejection
from services.intake.core.sources import Publisher, Sources
from services.intake.ports import Counters, Outcome
from services.intake.settings import Limits
from shared.bus.port import RecordTooLarge
from shared.clock import Clock
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import from_us
from shared.contracts.records import Outgoing
from shared.http.keys import Keyring, Principal, Scope
from shared.http.problems import Problem

IDEMPOTENCY_KEY: Final = b"idempotency-key"
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255
_QUOTED_MIN: Final = 2

COUNTED: Final[Mapping[int, Outcome]] = {
    401: Outcome.UNAUTHENTICATED,
    403: Outcome.FORBIDDEN,
    429: Outcome.THROTTLED,
    503: Outcome.UNAVAILABLE,
}
"""What a refused request counts as, by the status of its answer; any other is `refused`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What publishing works with. `fresh_id` draws an id that was never drawn before."""

    sources: Sources
    keyring: Keyring
    clock: Clock
    counters: Counters
    limits: Limits
    fresh_id: Callable[[], str]
    in_flight: InFlight
    appending: Appending


class Publishing:
    """Takes events from senders and answers once the bus has them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def post(self, request: Request) -> Response:
        """Answer one request. Never raises: every refusal is a problem with its own status."""
        try:
            with self._parts.in_flight.enter() as share:
                return await self._publish(request, share)
        except Problem as problem:
            self._parts.counters.count(COUNTED.get(problem.status, Outcome.REFUSED))
            return problem.response(request.scope["path"])
        except Disconnected:
            return Response(status_code=400)

    async def _publish(self, request: Request, share: Share) -> Response:
        parts = self._parts
        publisher = _publisher(parts.keyring.authenticate(request, Scope.PUBLISH))
        # One pass over the headers, and no URL object: each of Starlette's look-ups costs microseconds.
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        named = request.query_params.get("source") if request.scope["query_string"] else None
        named = named or None
        reception = Reception(parts.sources, publisher, named=named, bytes_max=parts.limits.item_bytes_max)
        if named is not None and isinstance(reception.chosen, Rejection):
            raise answers.problem_of(reception.chosen, None)
        given = _idempotency_key(headers.get(IDEMPOTENCY_KEY))
        ids = Ids(given or parts.fresh_id(), is_fresh=given is None)
        body = await read_body(request, headers, share, parts.limits)
        received_at = from_us(parts.clock.now_us())
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        parsed = parse(request.scope["headers"], content_type, body, ids, parts.limits)
        kept = Kept(STAGE_INTAKE, publisher.verified, received_at, received_at)
        if isinstance(parsed, Unreadable):
            return await self._unreadable(parsed, body, reception, kept, request.scope["path"])
        outcomes = reception.receive(parsed.items, Arrival.at(received_at))
        rejected_ids = await self._append(outcomes, publisher.tenant, kept)
        if parsed.single:
            return answers.single(outcomes[0], rejected_ids.get(0), request.scope["path"])
        return answers.batch(outcomes, rejected_ids, request.scope["path"])

    async def _unreadable(
        self, unreadable: Unreadable, body: bytes, reception: Reception, kept: Kept, instance: str
    ) -> Response:
        """Keep a body in which no item can be told, and say why."""
        chosen = reception.chosen
        if isinstance(chosen, Rejection):
            raise answers.problem_of(chosen, None)
        item = Item(body, "", content_type=unreadable.content_type)
        refused = Refused(unreadable.rejection, item, chosen)
        rejected_ids = await self._append([refused], chosen.definition.tenant, kept)
        return answers.single(refused, rejected_ids.get(0), instance)

    async def _append(self, outcomes: Sequence[Received], tenant: str, kept: Kept) -> dict[int, str]:
        """Put everything on the bus; return the ids of what was kept as rejected, by index."""
        accepted = [to_outgoing(each.observation) for each in outcomes if isinstance(each, Normalised)]
        rejected_ids: dict[int, str] = {}
        rejected: list[Outgoing] = []
        if len(accepted) < len(outcomes):
            rejected, rejected_ids = self._kept(outcomes, tenant, kept)
        durable = self._parts.appending.durable
        try:
            await durable([*accepted, *rejected] if rejected else accepted)
        except RecordTooLarge:
            # Only what is kept whole can be so large. It is still counted, and its sender is told.
            rejected_ids = {}
            await durable(accepted)
        await self._parts.appending.forgotten(
            each.observation for each in outcomes if isinstance(each, Normalised)
        )
        self._count(outcomes, len(accepted))
        return rejected_ids

    def _kept(
        self, outcomes: Sequence[Received], tenant: str, kept: Kept
    ) -> tuple[list[Outgoing], dict[int, str]]:
        base = self._parts.fresh_id()
        records: list[Outgoing] = []
        ids: dict[int, str] = {}
        for index, each in enumerate(outcomes):
            if isinstance(each, Normalised) or each.normaliser is None or each.rejection.reason in NOT_KEPT:
                continue
            source = each.normaliser.definition.name
            record = keep(each, kept, id=f"{base}.{index}", tenant=tenant, source=source)
            if record is not None:
                records.append(to_outgoing(record))
                ids[index] = record.id
        return records, ids

    def _count(self, outcomes: Sequence[Received], accepted: int) -> None:
        counters = self._parts.counters
        counters.count(Outcome.ACCEPTED, accepted)
        if accepted < len(outcomes):
            counters.count(Outcome.REJECTED, len(outcomes) - accepted)
        for each in outcomes:
            if isinstance(each, Refused):
                counters.count_rejected(each.rejection.reason)
            elif each.unmapped:
                counters.count(Outcome.UNMAPPED, len(each.unmapped))


def _publisher(principal: Principal) -> Publisher:
    return Publisher(principal.tenant, principal.source, f"key:{principal.name}")


def _idempotency_key(shown: bytes | None) -> str | None:
    """Return the Idempotency-Key: by its draft a quoted string, by custom often a bare one."""
    if shown is None:
        return None
    key = shown.decode("latin-1").strip()
    if len(key) >= _QUOTED_MIN and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if len(key) > IDEMPOTENCY_KEY_CHARACTERS_MAX or id_fault(key) is not None:
        detail = f"Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} characters, none of them control"
        raise Problem("invalid-request", 400, detail)
    return key
