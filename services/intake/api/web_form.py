"""`/v1/forms/{source}`: the public form. The one door without a key, so it is the most careful one.

A post is read within a small limit, counted for its address, held against its token, and judged; what
looks like a machine's is asked for once more, and nothing that a person wrote is lost on the way: each
refusal but the coarsest shows the text again. It is answered "thank you" once the bus has acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.intake.api import web_form_page as page
from services.intake.api.appending import Appending
from services.intake.api.bodies import Disconnected, InFlight, Share, read_body
from services.intake.api.publishing import COUNTED
from services.intake.api.web_form_page import Note
from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.normalise import Normalised
from services.intake.core.sources import Sources
from services.intake.core.web_form import token as tokens
from services.intake.core.web_form.client import Networks, client_of
from services.intake.core.web_form.definition import WebForm
from services.intake.core.web_form.entry import (
    FIELDS,
    Entry,
    EntryFault,
    entry_of,
    faults_of,
    members_of,
)
from services.intake.core.web_form.guard import Guard, GuardLimits, Suspicion
from services.intake.core.web_form.token import REFERENCE, Stage, Token, TokenFault
from services.intake.ports import Counters, FormOutcome, Outcome
from services.intake.settings import Limits
from shared.clock import Clock
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import from_us
from shared.http.problems import Fault, Problem

URLENCODED: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"
ACCEPTED: Final = 202
SEE_OTHER: Final = 303
_OK: Final = 200
_NO_CONTENT: Final = 204
_UNPROCESSABLE: Final = 422
_PASSING: Final = frozenset({408, 429, 503})
_SECOND_US: Final = 1_000_000
_SECONDS_A_MINUTE: Final = 60
_PARAMETERS_MAX: Final = 20
_FORM_PATH: Final = "/v1/forms/"


class FormGiven(msgspec.Struct):
    """What a page of one's own needs before it can post."""

    token: str
    fields: list[str]
    categories: list[str]
    wait_seconds: int
    """Posted sooner, it has to be confirmed."""
    valid_seconds: int


class FormAnswer(msgspec.Struct):
    """The answer to a post by a page of one's own."""

    reference: str
    status: str = "accepted"


_json: Final = msgspec.json.Encoder().encode
_members: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Parts:
    """What the forms work with. `fresh_id` draws 32 hexadecimal digits that nobody can guess."""

    forms: Iterable[WebForm]
    sources: Sources
    clock: Clock
    counters: Counters
    limits: Limits
    fresh_id: Callable[[], str]
    in_flight: InFlight
    appending: Appending
    trusted: Networks = ()


class _Post(NamedTuple):
    """One post, as it is answered: as JSON to a page of one's own, else as a page."""

    form: WebForm
    is_json: bool
    entry: Entry = Entry()
    origin: str = ""


class WebForms:
    """Shows the forms, takes what is posted, and answers once the bus has it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._forms = {form.source: form for form in parts.forms}
        limits = parts.limits
        self._limits = replace(limits, body_bytes_max=limits.form_body_bytes_max)
        self._guard = Guard(
            GuardLimits(
                limits.form_fill_seconds_min, limits.form_window_seconds, limits.form_address_posts_max,
                limits.form_addresses_max, limits.form_posts_max,
            ),
            forms=len(self._forms),
        )  # fmt: skip
        for source in self._forms:
            for outcome in FormOutcome:
                parts.counters.count_form(source, outcome, 0)

    async def show(self, request: Request) -> Response:
        """Return the form, or for a page of one's own what it needs."""
        form = self._forms.get(request.path_params["source"])
        if form is None:
            return _unknown().response(request.scope["path"])
        token = self._token(form, self._parts.fresh_id(), Stage.ASKED)
        if not _wants_json(request):
            return _page(form, page.asking(form, Entry(), token))
        limits = self._parts.limits
        fields = [each for each in FIELDS if each != "category" or form.categories]
        given = FormGiven(
            token, fields, list(form.categories), limits.form_fill_seconds_min, limits.form_fill_seconds_max
        )
        post = _Post(form, is_json=True, origin=_origin(request))
        return _for_own_page(post, Response(_json(given), _OK, media_type=JSON))

    async def thank(self, request: Request) -> Response:
        """Return the page for who has sent something."""
        form = self._forms.get(request.path_params["source"])
        if form is None:
            return _unknown().response(request.scope["path"])
        shown = request.query_params.get("reference", "")
        return _page(form, page.thanking(form, shown if REFERENCE.fullmatch(shown) else ""))

    async def allow(self, request: Request) -> Response:
        """Answer a browser that asks whether a page of another site may post (CORS)."""
        form = self._forms.get(request.path_params["source"])
        if form is None:
            return _unknown().response(request.scope["path"])
        answer = Response(status_code=_NO_CONTENT)
        answer.headers["Access-Control-Allow-Methods"] = "GET, POST"
        answer.headers["Access-Control-Allow-Headers"] = "content-type"
        return _for_own_page(_Post(form, is_json=True, origin=_origin(request)), answer)

    async def take(self, request: Request) -> Response:
        """Answer one post. Never raises: every refusal has its page, or its problem."""
        form = self._forms.get(request.path_params["source"])
        if form is None:
            self._parts.counters.count(Outcome.REFUSED)
            return _unknown().response(request.scope["path"])
        post = _Post(form, _media_type(request) == JSON, origin=_origin(request))
        try:
            with self._parts.in_flight.enter() as share:
                return await self._take(request, post, share)
        except Problem as problem:
            self._parts.counters.count(COUNTED.get(problem.status, Outcome.REFUSED))
            self._count(form, FormOutcome.REFUSED)
            texts = page.texts_of(form)
            return _refused(post, problem, texts.busy if problem.status in _PASSING else texts.not_taken)
        except Disconnected:
            return Response(status_code=400)

    async def _take(self, request: Request, post: _Post, share: Share) -> Response:
        parts, form = self._parts, post.form
        if _is_foreign(request, form):
            self._count(form, FormOutcome.FOREIGN)
            detail = "a page of another site may not post here; name it in `form.origins`"
            return _refused(post, Problem("forbidden", 403, detail), page.texts_of(form).foreign)
        body = await read_body(request, dict(request.scope["headers"]), share, self._limits)
        post = post._replace(entry=entry_of(_fields(body, _media_type(request))))
        now_us = parts.clock.now_us()
        now_s = now_us // _SECOND_US
        address = client_of(
            request.client.host if request.client else None,
            request.headers.getlist("x-forwarded-for"),
            parts.trusted,
        )
        wait_s = self._guard.wait_s(address, now_s)
        if wait_s is not None:
            return self._throttled(post, wait_s)
        token = tokens.read(form, post.entry.token, now_s=now_s, valid_s=parts.limits.form_fill_seconds_max)
        if isinstance(token, TokenFault):
            return self._mistrusted(post, token)
        faults = faults_of(form, post.entry)
        if faults:
            return self._faulty(post, faults)
        if token.stage is Stage.ASKED:
            sign = self._guard.suspicion(form.source, post.entry, token, now_s)
            if sign is not None:
                return self._suspicious(post, token, sign)
        return await self._publish(post, token, Arrival.at(from_us(now_us)))

    async def _publish(self, post: _Post, token: Token, arrival: Arrival) -> Response:
        parts, form = self._parts, post.form
        normaliser = parts.sources.get(form.tenant, form.source)
        assert normaliser is not None, "every configured source has one"
        members = members_of(form, post.entry, token)
        outcome = normaliser.fields(members, Defaults(token.event), arrival)
        assert isinstance(outcome, Normalised), "entry.py lets nothing else through"
        try:
            await parts.appending.durable([to_outgoing(outcome.observation)])
        except Problem as problem:
            parts.counters.count(Outcome.UNAVAILABLE)
            self._count(form, FormOutcome.UNAVAILABLE)
            texts = page.texts_of(form)
            note = Note(texts.unavailable_title, texts.unavailable, bad=True)
            return self._again(post, problem, note, post.entry.token)
        parts.counters.count(Outcome.ACCEPTED)
        self._count(form, FormOutcome.ACCEPTED)
        if post.is_json:
            return _for_own_page(post, Response(_json(FormAnswer(token.ticket)), ACCEPTED, media_type=JSON))
        thanks = form.redirect or f"{form.source}/thanks?reference={token.ticket}"
        return Response(status_code=SEE_OTHER, headers={"Location": thanks, "Cache-Control": "no-store"})

    # What is not published yet, or not at all.

    def _throttled(self, post: _Post, wait_s: int) -> Response:
        self._parts.counters.count(Outcome.THROTTLED)
        self._count(post.form, FormOutcome.THROTTLED)
        texts = page.texts_of(post.form)
        minutes = -(-wait_s // _SECONDS_A_MINUTE)
        problem = Problem(
            "too-many", 429, "too many posts came from this address", headers={"Retry-After": str(wait_s)}
        )
        note = Note(texts.problem, texts.wait.format(minutes=minutes), bad=True)
        return self._again(post, problem, note, post.entry.token)

    def _mistrusted(self, post: _Post, fault: TokenFault) -> Response:
        """Ask again with a token of today: a page may have been open over night, or our secret be a new one."""
        self._parts.counters.count(Outcome.REFUSED)
        self._count(post.form, FormOutcome(fault.value))
        texts = page.texts_of(post.form)
        token = self._token(post.form, self._parts.fresh_id(), Stage.ASKED)
        detail = "the token is not this form's, or too old; post again with the one in `token`"
        problem = Problem(
            "invalid-request", _UNPROCESSABLE, detail, more={"reason": fault.value, "token": token}
        )
        return self._again(post, problem, Note(texts.problem, texts.expired, bad=True), token)

    def _faulty(self, post: _Post, faults: tuple[EntryFault, ...]) -> Response:
        self._parts.counters.count(Outcome.REFUSED)
        self._count(post.form, FormOutcome.INVALID)
        if post.is_json:
            texts = page.texts_of(post.form).faults
            told = [Fault(texts[each], pointer=f"/{each.field}") for each in faults]
            return _refused(post, Problem("invalid-request", _UNPROCESSABLE, faults=told), "")
        shown = page.asking(post.form, post.entry, post.entry.token, faults=faults)
        return _page(post.form, shown, _UNPROCESSABLE)

    def _suspicious(self, post: _Post, token: Token, sign: Suspicion) -> Response:
        """Ask once more. The ticket stays the same, so that sending both opens one."""
        self._count(post.form, FormOutcome(sign.value))
        confirmed = self._token(post.form, token.nonce, Stage.CONFIRMED)
        if not post.is_json:
            return _page(post.form, page.confirming(post.form, post.entry, confirmed))
        detail = (
            "this looks like an automatic message; ask the person, and post again with the one in `token`"
        )
        more = {"reason": sign.value, "token": confirmed}
        return _refused(post, Problem("invalid-request", _UNPROCESSABLE, detail, more=more), "")

    def _again(self, post: _Post, problem: Problem, note: Note, token: str) -> Response:
        """Return the form as it was filled, with what went wrong above it."""
        if post.is_json:
            return _refused(post, problem, "")
        shown = page.asking(post.form, post.entry, token, note=note)
        return _page(post.form, shown, problem.status, problem.headers)

    def _token(self, form: WebForm, nonce: str, stage: Stage) -> str:
        return tokens.written(form, Token(stage, self._parts.clock.now_us() // _SECOND_US, nonce))

    def _count(self, form: WebForm, outcome: FormOutcome) -> None:
        self._parts.counters.count_form(form.source, outcome)


def _unknown() -> Problem:
    return Problem("unknown-source", 404, "no source of this name has a form: it needs `form:`")


def _page(form: WebForm, html: str, status: int = _OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(html.encode(), status, {**(headers or {}), **page.headers_of(form)}, media_type=HTML)


def _refused(post: _Post, problem: Problem, text: str) -> Response:
    """Return a refusal without a form: `text` for people, or the problem for a page of one's own."""
    if post.is_json:
        return _for_own_page(post, problem.response(f"{_FORM_PATH}{post.form.source}"))
    return _page(post.form, page.refusing(post.form, text), problem.status, problem.headers)


def _for_own_page(post: _Post, answer: Response) -> Response:
    """Let a page of a configured site read the answer (CORS)."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Vary"] = "Origin"
    if post.origin in post.form.origins:
        answer.headers["Access-Control-Allow-Origin"] = post.origin
    return answer


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return JSON in accepted and "text/html" not in accepted


def _origin(request: Request) -> str:
    return request.headers.get("origin", "").lower()


def _is_foreign(request: Request, form: WebForm) -> bool:
    """Tell whether a browser says that another site's page posts this. What is no browser says nothing."""
    origin = _origin(request)
    if origin in form.origins:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    if not origin:
        return False
    return origin.partition("://")[2] != request.headers.get("host", "").lower()


def _fields(body: bytes, media_type: str) -> dict[str, Any]:
    """Return the fields of a post. Raises Problem 415 or 422 for what is no form."""
    if media_type == URLENCODED:
        try:
            pairs = parse_qsl(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_PARAMETERS_MAX
            )
        except ValueError:
            raise Problem("invalid-request", _UNPROCESSABLE, "more fields than the form has") from None
        return dict(pairs)
    if media_type == JSON:
        try:
            return _members(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Problem("undecodable", 400, "send a JSON object in UTF-8") from None
    accepted = {"Accept-Post": f"{URLENCODED}, {JSON}"}
    raise Problem("unsupported-media-type", 415, f"send {URLENCODED} or {JSON}", headers=accepted)
