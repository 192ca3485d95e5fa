"""`POST /v1/webhooks/{source}`: what a vendor calls when something happened to a ticket.

The order is what makes it safe: the raw bytes, within the limit; then whether they are the vendor's;
then handshakes; and only then is anything parsed. A vendor that is answered an error for long switches
its webhook off, some for good, so whatever is verified is answered 202 once the bus has it, understood
or not. Never 410 and never a redirect: both end a subscription.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from services.intake.api.appending import Appending
from services.intake.api.bodies import Disconnected, InFlight, Share, read_body
from services.intake.api.publishing import COUNTED
from services.intake.core.arrival import Arrival
from services.intake.core.rejected import keep_delivery
from services.intake.core.rejection import Rejection
from services.intake.core.sources import Sources
from services.intake.core.vendors.port import Delivery, Shaken, Untrusted, Verified
from services.intake.core.webhook import Hook, Received, failed, prove, receive
from services.intake.ports import Counters, Outcome
from services.intake.settings import Limits
from shared.bus.port import RecordTooLarge
from shared.clock import Clock
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import from_us
from shared.http.keys import refuse_foreign_page
from shared.http.problems import Problem
from shared.runtime.attempt import attempt

ACCEPTED: Final = 202
HEAD: Final = "HEAD"
_BASIC: Final = 'Basic realm="barometer"'
_SIGNED: Final = 'Signature realm="barometer"'
_SHOWN_CHARACTERS_MAX: Final = 80

_log = structlog.get_logger(__name__)


class WebhookAnswer(msgspec.Struct, omit_defaults=True):
    """The answer to a verified request: what became of the tickets it shows."""

    accepted: int
    ignored: int
    """1: the request shows no ticket, and `reasons` says why not."""
    rejected: int
    reasons: tuple[str, ...] = ()
    rejected_id: str = ""
    """Under which the request is kept whole, to be retried."""
    unmapped: tuple[str, ...] = ()
    """Members whose word no map of the source knows."""


_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Parts:
    """What taking webhooks works with. `fresh_id` draws an id that was never drawn before."""

    hooks: Iterable[Hook]
    sources: Sources
    clock: Clock
    counters: Counters
    limits: Limits
    fresh_id: Callable[[], str]
    in_flight: InFlight
    appending: Appending


class Webhooks:
    """Takes vendors' requests and answers once the bus has them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._hooks = {hook.source: hook for hook in parts.hooks}
        self._mistrusted: set[str] = set()
        self._shaken_hands: set[str] = set()
        for source in self._hooks:
            parts.counters.count_untrusted(source, 0)

    async def take(self, request: Request) -> Response:
        """Answer one request. Never raises: every refusal is a problem with its own status."""
        try:
            with self._parts.in_flight.enter() as share:
                return await self._take(request, share)
        except Problem as problem:
            self._parts.counters.count(COUNTED.get(problem.status, Outcome.REFUSED))
            return problem.response(request.scope["path"])
        except Disconnected:
            return Response(status_code=400)

    async def _take(self, request: Request, share: Share) -> Response:
        hook = self._hook(request.path_params["source"])
        if hook.unsigned:
            refuse_foreign_page(request)
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        body = b"" if request.method == HEAD else await read_body(request, headers, share, self._parts.limits)
        delivery = Delivery(
            request.method,
            hook.url or str(request.url),
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.items()},
            body,
            from_us(self._parts.clock.now_us()),
        )
        proof = attempt(lambda: prove(hook, delivery), _unproved)
        # Some handshakes come before there is a secret to sign them with; adapters judge that.
        shaken = attempt(lambda: hook.vendor.shake(delivery, hook.secrets), _unshaken)
        if shaken is not None:
            return self._shaken(hook, shaken)
        if request.method == HEAD:
            raise Problem("method-not-allowed", 405, "webhooks come by POST", headers={"Allow": "POST"})
        if isinstance(proof, Untrusted):
            raise self._untrusted(hook, proof)
        self._mistrusted.discard(hook.source)
        return await self._verified(hook, delivery, proof)

    def _hook(self, source: str) -> Hook:
        hook = self._hooks.get(source)
        if hook is None:
            detail = f"no source {source[:_SHOWN_CHARACTERS_MAX]!a} takes webhooks: it needs `kind:` and `webhook:`"
            raise Problem("unknown-source", 404, detail)
        return hook

    def _shaken(self, hook: Hook, shaken: Shaken) -> Response:
        self._parts.counters.count(Outcome.HANDSHAKE)
        if hook.source not in self._shaken_hands:  # anybody can ask: once is enough for the log
            self._shaken_hands.add(hook.source)
            _log.info("webhook handshake answered", source=hook.source, vendor=hook.vendor.name)
        return Response(shaken.body, shaken.status, dict(shaken.headers), media_type=shaken.content_type)

    def _untrusted(self, hook: Hook, untrusted: Untrusted) -> Problem:
        self._parts.counters.count_untrusted(hook.source)
        if hook.source not in self._mistrusted:  # once, until one fits again: forgers must not fill the log
            self._mistrusted.add(hook.source)
            _log.warning("webhook not trusted", source=hook.source, why=untrusted.why)
        challenge = {"WWW-Authenticate": _SIGNED if hook.basic is None else _BASIC}
        return Problem("invalid-signature", 401, untrusted.why, headers=challenge)

    async def _verified(self, hook: Hook, delivery: Delivery, proof: Verified) -> Response:
        normaliser = self._parts.sources.get(hook.tenant, hook.source)
        assert normaliser is not None, "every configured source has one"
        arrival = Arrival.at(delivery.received_at)
        received = attempt(
            lambda: receive(normaliser, hook.vendor, delivery, arrival),
            lambda error: Received(refused=(failed(error),)),
        )
        rejected_id = await self._append(hook, delivery, proof, received)
        await self._parts.appending.forgotten(each.observation for each in received.accepted)
        self._count(hook, received)
        unmapped = {name: None for each in received.accepted for name in each.unmapped}
        reasons = [received.ignored] if received.ignored else [_shown(each) for each in received.refused]
        answer = WebhookAnswer(
            len(received.accepted), 1 if received.ignored else 0, len(received.refused),
            tuple(reasons), rejected_id, tuple(unmapped),
        )  # fmt: skip
        return Response(_json(answer), ACCEPTED, media_type="application/json")

    async def _append(self, hook: Hook, delivery: Delivery, proof: Verified, received: Received) -> str:
        """Put everything on the bus; return the id under which the request is kept, if it is."""
        records = [to_outgoing(each.observation) for each in received.accepted]
        if not received.refused:
            await self._parts.appending.durable(records)
            return ""
        id_ = self._parts.fresh_id()
        kept = keep_delivery(delivery, hook, received.refused[0], id=id_, verified=proof.how)
        if kept is None:  # 202 would promise that it can be retried
            raise _too_large()
        try:
            await self._parts.appending.durable([*records, to_outgoing(kept)])
        except RecordTooLarge:
            raise _too_large() from None
        return id_

    def _count(self, hook: Hook, received: Received) -> None:
        counters = self._parts.counters
        counters.count(Outcome.ACCEPTED, len(received.accepted))
        for each in received.accepted:
            counters.count(Outcome.UNMAPPED, len(each.unmapped))
        for refused in received.refused:
            counters.count(Outcome.REJECTED)
            counters.count_rejected(refused.reason)
        if received.ignored:
            counters.count(Outcome.IGNORED)
            counters.count_ignored(hook.source, received.ignored)


def _unproved(_error: str) -> Verified | Untrusted:
    return Untrusted("the proof cannot be checked: a defect, told in the log")


def _unshaken(_error: str) -> Shaken | None:
    return None


def _too_large() -> Problem:
    return Problem("too-large", 413, "the request cannot be read, and is too large to be kept")


def _shown(refused: Rejection) -> str:
    return f"{refused.reason.value}: {refused.detail}"
