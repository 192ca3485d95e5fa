"""`POST /v1/emails`: a mail as it came (message/rfc822); `/v1/emails/{source}`: from a service that takes mails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.intake.api import answers
from services.intake.api.bodies import Disconnected, InFlight, Share, read_body
from services.intake.api.document import answer, refusal, schema_of
from services.intake.api.publishing import COUNTED
from services.intake.core.mail.inbound import Inbound, Posted, prove
from services.intake.core.mail.reading import MEDIA_TYPE
from services.intake.core.rejection import Reason, Rejection, rejected
from services.intake.core.sources import Publisher, Sources
from services.intake.core.vendors.port import Delivery, Unreadable, Untrusted, Verified
from services.intake.core.webhook import failed
from services.intake.ports import Counters, Mailroom, Outcome, PostedMail
from services.intake.settings import Limits
from shared.clock import Clock
from shared.contracts.instants import from_us
from shared.http.keys import Keyring, Scope
from shared.http.problems import Problem
from shared.runtime.attempt import attempt

_CHALLENGE: Final = 'Basic realm="barometer"'
_TYPES: Final = frozenset({MEDIA_TYPE, "application/octet-stream", "text/plain", ""})
"""What tools send mails as; curl and mail servers' pipes know no better."""


class EmailAnswer(msgspec.Struct, omit_defaults=True):
    """The answer to a mail: `accepted` with its ticket and what it was taken for, or `ignored` with why."""

    status: str
    ticket: str = ""
    event_id: str = ""
    activity: str = ""
    """created, customer_message, agent_message or internal_note."""
    actor: str = ""
    attachments: int = 0
    """Counted and not kept."""
    reason: str = ""
    rejected_id: str = ""
    """Under which a service's request is kept whole that cannot be read."""


_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Parts:
    """What taking mails over HTTP works with."""

    mailroom: Mailroom
    sources: Sources
    keyring: Keyring
    counters: Counters
    limits: Limits
    in_flight: InFlight
    clock: Clock
    inbound: Iterable[Inbound] = ()


class Emails:
    """Takes mails and answers once the bus has them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inbound = {each.source: each for each in parts.inbound}
        for source in self._inbound:
            parts.counters.count_untrusted(source, 0)
        self._limits = replace(parts.limits, body_bytes_max=parts.limits.email_bytes_max)

    async def post(self, request: Request) -> Response:
        """Answer one request. Never raises: every refusal is a problem with its own status."""
        try:
            with self._parts.in_flight.enter() as share:
                return await self._take(request, share)
        except Problem as problem:
            self._parts.counters.count(COUNTED.get(problem.status, Outcome.REFUSED))
            return problem.response(request.scope["path"])
        except Disconnected:
            return Response(status_code=400)

    async def posted(self, request: Request) -> Response:
        """Answer one request of a mail service. Never raises."""
        try:
            with self._parts.in_flight.enter() as share:
                return await self._posted(request, share)
        except Problem as problem:
            self._parts.counters.count(COUNTED.get(problem.status, Outcome.REFUSED))
            return problem.response(request.scope["path"])
        except Disconnected:
            return Response(status_code=400)

    async def _posted(self, request: Request, share: Share) -> Response:
        inbound = self._inbound.get(request.path_params["source"])
        if inbound is None:
            detail = "no source of this name takes mails from a service: it needs `email: {webhook: ...}`"
            raise Problem("unknown-source", 404, detail)
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        body = await read_body(request, headers, share, self._limits)
        shown = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.items()}
        now = from_us(self._parts.clock.now_us())
        delivery = Delivery(request.method, str(request.url), shown, body, now)
        proof = attempt(
            lambda: prove(inbound, delivery), lambda _error: Untrusted("the proof cannot be checked")
        )
        if isinstance(proof, Untrusted):
            self._parts.counters.count_untrusted(inbound.source)
            raise Problem("invalid-signature", 401, proof.why, headers={"WWW-Authenticate": _CHALLENGE})
        return _told_service(await self._proved(inbound, delivery, proof))

    async def _proved(self, inbound: Inbound, delivery: Delivery, proof: Verified) -> PostedMail:
        normaliser = self._parts.sources.get(inbound.tenant, inbound.source)
        assert normaliser is not None, "every configured source has one"
        mailroom = self._parts.mailroom
        mail = attempt(lambda: _read(inbound, delivery), failed)
        if isinstance(mail, Rejection):
            return await mailroom.refuse(normaliser, delivery, mail, verified=proof.how)
        if mail.ignored:
            self._parts.counters.count(Outcome.IGNORED)
            self._parts.counters.count_ignored(inbound.source, mail.ignored)
            return PostedMail(ignored=mail.ignored)
        return await mailroom.take(normaliser, mail.raw, verified=proof.how, envelope=mail.envelope)

    async def _take(self, request: Request, share: Share) -> Response:
        principal = self._parts.keyring.authenticate(request, Scope.PUBLISH)
        publisher = Publisher(principal.tenant, principal.source, f"key:{principal.name}")
        normaliser = self._parts.sources.choose(publisher, request.query_params.get("source") or None)
        if isinstance(normaliser, Rejection):
            raise answers.problem_of(normaliser, None)
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        shown = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        if shown not in _TYPES:
            raise Problem("unsupported-media-type", 415, f"send a mail as it came, as {MEDIA_TYPE}")
        raw = await read_body(request, headers, share, self._limits)
        posted = await self._parts.mailroom.take(normaliser, raw, verified=publisher.verified)
        return _answer(posted, request.scope["path"])


def _read(inbound: Inbound, delivery: Delivery) -> Posted | Rejection:
    try:
        return inbound.mailer.read(delivery)
    except Unreadable as error:
        return rejected(Reason.UNREADABLE, str(error))


def _told_service(posted: PostedMail) -> Response:
    """Return 202 for everything that is kept: a service that is refused tries again, or gives up for good."""
    if posted.rejection is None:
        return Response(_json(_told(posted)), answers.ACCEPTED, media_type=answers.JSON)
    if posted.rejected_id is None:
        return Problem("too-large", 413, "the mail cannot be read, and is too large to be kept").response()
    told = EmailAnswer("rejected", reason=posted.rejection.detail, rejected_id=posted.rejected_id)
    return Response(_json(told), answers.ACCEPTED, media_type=answers.JSON)


def _answer(posted: PostedMail, path: str) -> Response:
    if posted.rejection is not None:
        return answers.problem_of(posted.rejection, posted.rejected_id).response(path)
    return Response(_json(_told(posted)), answers.ACCEPTED, media_type=answers.JSON)


def _told(posted: PostedMail) -> EmailAnswer:
    observation = posted.accepted
    if observation is None:
        return EmailAnswer("ignored", reason=posted.ignored)
    actor = "" if observation.actor is None else observation.actor.value
    return EmailAnswer(
        "accepted", observation.ticket, observation.id, observation.activity.value, actor, posted.attachments
    )


POST_SERVICE_EMAILS: Final[dict[str, Any]] = {
    "summary": "Take a mail from a mail service",
    "description": (
        "The body is the service's own (docs/email.md). 202 means that the bus has what the mail shows, that it is "
        "nobody's message (`ignored`), or that it could not be read and is kept whole (`rejected`)."
    ),
    "status_code": 202,
    "responses": {
        202: answer("Verified and taken", schema_of(EmailAnswer)),
        401: refusal("Nothing proves that the request is the service's"),
        404: refusal("No such source takes mails from a service"),
        408: refusal("The body did not arrive in time"),
        413: refusal("The mail is too large"),
        415: refusal("The body is compressed"),
        429: refusal("Too much in flight", waits=True),
        503: refusal("The bus or the store of threads is away", waits=True),
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"*/*": {"schema": {}}}},
        "parameters": [
            {
                "name": "source",
                "in": "path",
                "required": True,
                "description": "A source with `email: {webhook: ...}`.",
                "schema": {"type": "string", "minLength": 1},
            }
        ],
    },
}

POST_EMAILS: Final[dict[str, Any]] = {
    "summary": "Take a mail",
    "description": (
        "The mail as it came, byte for byte. 202 means that the bus has what it shows, or that it is nobody's "
        "message (`ignored`: a bounce, a vacation note, a list). docs/email.md says how tickets are found."
    ),
    "status_code": 202,
    "responses": {
        202: answer("Taken", schema_of(EmailAnswer)),
        401: refusal("No valid key"),
        403: refusal("The key may not publish for this source"),
        404: refusal("The source is not configured"),
        408: refusal("The body did not arrive in time"),
        413: refusal("The mail is too large"),
        415: refusal("Not a mail, or compressed"),
        422: refusal("These bytes are no mail; they are kept"),
        429: refusal("Too much in flight", waits=True),
        503: refusal("The bus or the store of threads is away", waits=True),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        "parameters": [
            {
                "name": "source",
                "in": "query",
                "description": "The source, for keys that are not bound to one.",
                "schema": {"type": "string"},
            }
        ],
    },
}
