"""Mails that a mail service posts to us: Mailgun, Postmark, SendGrid, and Amazon SES by SNS.

Each is one adapter: whether a request is the service's, and the mail in it. Where the service passes on the mail
as it came, that is it; otherwise its header fields are written down again, which is all that is looked at.
Sources: Mailgun's routes, Postmark's inbound webhook, SendGrid's Inbound Parse, SES' notifications. Only Mailgun
signs, and only a timestamp and a token, not the mail; the others are proved by basic authentication.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from urllib.parse import parse_qsl

from services.intake.core.mail.headers import header_of
from services.intake.core.mail.message import Envelope
from services.intake.core.mail.structure import parts_of
from services.intake.core.vendors.body import Node, instant, parse
from services.intake.core.vendors.port import Delivery, Unreadable, Untrusted, Verified
from services.intake.core.vendors.signing import if_fresh, verify_hmac, verify_token

FIELDS_MAX: Final = 500
"""Of a form; SendGrid has about fifteen, and one for each attachment."""
_FORM: Final = "application/x-www-form-urlencoded"
_BASIC: Final = "basic "


class Posted(NamedTuple):
    """The mail in a request, or why there is none (`ignored`, a short word)."""

    raw: bytes = b""
    envelope: Envelope = Envelope()
    ignored: str = ""


class Mailer(Protocol):
    """One mail service. Never raises anything but Unreadable, whatever the bytes are."""

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Say whether the request is the service's, by any of `secrets`."""
        ...

    def read(self, delivery: Delivery) -> Posted:
        """Return the mail in a verified request. Raises Unreadable."""
        ...


@dataclass(frozen=True, slots=True)
class Inbound:
    """A source to which a mail service posts, and what proves its requests."""

    tenant: str
    source: str
    mailer: Mailer
    secrets: tuple[str, ...] = ()
    basic: str | None = None
    """`user:password`."""

    def __repr__(self) -> str:
        """Return what may be shown: no secret."""
        return f"Inbound({self.tenant}/{self.source})"


def prove(inbound: Inbound, delivery: Delivery) -> Verified | Untrusted:
    """Return whether `delivery` is the service's: by basic authentication, by a signature, by both if both are set."""
    if inbound.basic is not None:
        found = verify_token(_credentials(delivery.header("authorization")), (inbound.basic,), how="basic")
        if isinstance(found, Untrusted) or not inbound.secrets:
            return found
    return inbound.mailer.verify(delivery, inbound.secrets)


class Unsigning:
    """What services that sign nothing share."""

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Return that a request proves nothing by itself."""
        del delivery, secrets
        return Untrusted("this service signs nothing: configure `basic`")


class Mailgun:
    """Fields of a form; at an address that ends in `mime` with the mail as it came. Its 406 ends retries."""

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check `signature`: hexadecimal HMAC-SHA256 of `timestamp` and `token`; it must be fresh."""
        try:
            form = _form(delivery)
        except Unreadable as error:
            return Untrusted(str(error))
        stamp, token, shown = (form.get(name, b"") for name in ("timestamp", "token", "signature"))
        found = verify_hmac(
            shown.decode("latin-1"), stamp + token, secrets, algorithm="sha256", how="mailgun"
        )
        return if_fresh(found, instant(stamp.decode("latin-1")), delivery.received_at)

    def read(self, delivery: Delivery) -> Posted:
        """Return the mail of `body-mime`, or of `message-headers`."""
        form = _form(delivery)
        envelope = _envelope(form.get("sender"), form.get("recipient"))
        if form.get("body-mime"):
            return Posted(form["body-mime"], envelope)
        headers = parse(form.get("message-headers", b""))
        return Posted(_written((Node(name).text(), value) for name, value in _pairs(headers)), envelope)


class Postmark(Unsigning):
    """JSON, with `RawEmail` if the operator asked for it; From, To and Subject are not among its `Headers`."""

    def read(self, delivery: Delivery) -> Posted:
        """Return the mail of `RawEmail`, or of the fields."""
        body = parse(delivery.body)
        if not body.has("From") and not body.has("RawEmail"):
            raise Unreadable("an inbound message has From or RawEmail")
        envelope = Envelope(None, tuple(filter(None, [body["OriginalRecipient"].text()])))
        raw = body["RawEmail"].value
        if isinstance(raw, str) and raw:
            return Posted(raw.encode("utf-8", "surrogatepass"), envelope)
        fields: list[tuple[str | None, object]]
        fields = [(name, body[name].value) for name in ("From", "To", "Cc", "Subject", "ReplyTo", "Date")]
        fields = [("Reply-To" if name == "ReplyTo" else name, value) for name, value in fields]
        fields += [(one["Name"].text(), one["Value"].value) for one in body["Headers"].items()]
        return Posted(_written(fields), envelope)


class SendGrid(Unsigning):
    """A form with the header as text in `headers`, or the whole mail in `email` (raw mode)."""

    def read(self, delivery: Delivery) -> Posted:
        """Return the mail of `email`, or of `headers`."""
        form = _form(delivery)
        shown = _json(form.get("envelope", b"{}"))
        recipients = tuple(shown["to"].texts())
        sender = shown["from"].value
        envelope = Envelope(sender if isinstance(sender, str) else None, recipients)
        if form.get("email"):
            return Posted(form["email"], envelope)
        if not form.get("headers"):
            raise Unreadable("the form has neither `headers` nor `email`")
        return Posted(form["headers"].rstrip(b"\r\n") + b"\r\n\r\n", envelope)


class Ses(Unsigning):
    """An SNS message about a mail received; with `content` if the SNS action passes the mail on."""

    def read(self, delivery: Delivery) -> Posted:
        """Return the mail of `content`, or of `mail.headers`. A subscription has to be confirmed by a person."""
        outer = parse(delivery.body)
        if outer["Type"].text() in {"SubscriptionConfirmation", "UnsubscribeConfirmation"}:
            raise Unreadable(
                f"open this address to confirm: {outer['SubscribeURL'].address() or 'none is shown'}"
            )
        message = outer["Message"].value
        body = _json(message.encode("utf-8", "replace")) if isinstance(message, str) else outer
        if body["notificationType"].text() not in {"Received", None} or not body.has("mail"):
            return Posted(ignored="no_mail")
        mail = body["mail"]
        source = mail["source"].value
        envelope = Envelope(
            source if isinstance(source, str) else None, tuple(body["receipt"]["recipients"].texts())
        )
        content = body["content"].value
        if isinstance(content, str) and content:
            return Posted(_unpacked(content, body["receipt"]["action"]["encoding"].text()), envelope)
        return Posted(
            _written((one["name"].text(), one["value"].value) for one in mail["headers"].items()), envelope
        )


MAILERS: Final[Mapping[str, Mailer]] = {
    "mailgun": Mailgun(),
    "postmark": Postmark(),
    "sendgrid": SendGrid(),
    "ses": Ses(),
}
"""Every mail service there is, by its word in the configuration."""


def _credentials(shown: str) -> str:
    if shown[: len(_BASIC)].lower() != _BASIC:
        return ""
    try:
        return base64.b64decode(shown[len(_BASIC) :].strip(), validate=True).decode()
    except ValueError:
        return ""


def _form(delivery: Delivery) -> dict[str, bytes]:
    """Return the fields of a form, the first of each name. Raises Unreadable."""
    kind = delivery.header("content-type")
    if kind.lower().startswith(_FORM):
        try:  # as latin-1 each byte is a character: a mail has bytes of any kind
            pairs = parse_qsl(
                delivery.body.decode("latin-1"),
                max_num_fields=FIELDS_MAX,
                keep_blank_values=True,
                encoding="latin-1",
            )
        except ValueError as error:
            raise Unreadable(f"this is no form: {error}") from error
        return {name: value.encode("latin-1", "replace") for name, value in reversed(pairs)}
    raw = (
        b"Content-Type: " + kind.replace("\n", " ").encode("latin-1", "replace") + b"\r\n\r\n" + delivery.body
    )
    header = header_of(raw)
    if header.content_type != "multipart/form-data":
        raise Unreadable("this is no form")
    found: dict[str, bytes] = {}
    for start, stop in parts_of(raw, header):
        inner = header_of(raw, start, stop)
        name = inner.parameter("content-disposition", "name")
        found.setdefault(name, raw[inner.end : stop].removesuffix(b"\n").removesuffix(b"\r"))
    return found


def _envelope(sender: bytes | None, recipient: bytes | None) -> Envelope:
    recipients = () if not recipient else (recipient.decode("utf-8", "replace"),)
    return Envelope(sender.decode("utf-8", "replace") if sender else None, recipients)


def _json(raw: bytes) -> Node:
    try:
        return Node(json.loads(raw))
    except (ValueError, RecursionError):
        return Node(None)


def _pairs(body: Node) -> Iterable[list[object]]:
    for one in body.items():
        if isinstance(one.value, list) and len(one.value) == 2:  # noqa: PLR2004 - a name and a value
            yield one.value


def _unpacked(content: str, encoding: str | None) -> bytes:
    if encoding is not None and encoding.upper() == "BASE64":
        try:
            return base64.b64decode(content)
        except binascii.Error as error:
            raise Unreadable("the content is no base64") from error
    return content.encode("utf-8", "surrogatepass")


def _written(fields: Iterable[tuple[str | None, object]]) -> bytes:
    """Return a header with those fields. A line end within a value must not begin a field of its own."""
    lines = [
        f"{name}: {' '.join(value.splitlines())}"
        for name, value in fields
        if name and isinstance(value, str) and value
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")
