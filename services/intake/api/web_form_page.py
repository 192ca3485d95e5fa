"""The pages of the public form as HTML: no script, no file beside it, nothing from anywhere else.

Whatever a person entered comes back on the page, so everything is escaped, and the policy in the headers
would run nothing even if it were not. The one style sheet stands in the page and is allowed by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from services.intake.api.web_form_texts import TEXTS, Texts
from services.intake.core.web_form.definition import (
    EmailAsked,
    WebForm,
)
from services.intake.core.web_form.entry import CATEGORY, EMAIL, HONEYPOT, SUBJECT, TOKEN, Entry, EntryFault

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--line:#8c959f;--act:#0b57a4;--on:#fff;
--bad:#b3261e;--badly:#fdf0ef;--note:#eef4fb}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9ea7b1;--paper:#14181d;--line:#6e7681;--act:#8ab8f0;
--on:#0d1117;--bad:#ff9a92;--badly:#33191a;--note:#172334}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif;
overflow-wrap:anywhere}
main{max-width:36rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0 1rem}
h2{font-size:1.1rem;margin:0 0 .25rem}
p{margin:.5rem 0}
label{display:block;font-weight:600;margin:1.25rem 0 .2rem}
.hint,.kept,.optional{color:var(--soft);font-size:.95rem;font-weight:400;margin:.1rem 0 .35rem}
.kept{margin-top:1.25rem}
input,select,textarea{display:block;width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--paper);
border:1px solid var(--line);border-radius:.35rem}
textarea{min-height:5.5rem;resize:vertical}
[aria-invalid=true]{border:2px solid var(--bad)}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
button{margin-top:1.5rem;padding:.7rem 1.6rem;font:inherit;font-weight:600;color:var(--on);background:var(--act);
border:0;border-radius:.35rem;cursor:pointer}
.box{border-left:.3rem solid var(--act);background:var(--note);padding:.75rem 1rem;margin:1rem 0}
.box.bad{border-color:var(--bad);background:var(--badly)}
.box ul{margin:.25rem 0;padding-left:1.2rem}
a{color:var(--act)}
.bad a,.fault{color:var(--bad)}
.fault{font-weight:600;margin:.1rem 0 .35rem}
.aside{position:absolute;left:-9999px}
code{font-size:1.05rem}
@media (max-width:30rem){button{width:100%}}
""".replace("\n", "")

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


class Note(NamedTuple):
    """What stands above the fields. `bad`: something went wrong, rather than something to look at."""

    title: str
    text: str
    bad: bool = False


def headers_of(form: WebForm) -> dict[str, str]:
    """Return what the browser may do with a page: show it, in frames of the configured sites, and send it here."""
    frames = " ".join(sorted(form.origins)) or "'none'"
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; "
        f"frame-ancestors {frames}; base-uri 'none'",
        "X-Content-Type-Options": "nosniff",
        # With no-referrer a browser would post with `Origin: null`, and it could not be told whose page it was.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def texts_of(form: WebForm) -> Texts:
    """Return the words of the form's language."""
    return TEXTS[form.language]


def asking(
    form: WebForm, entry: Entry, token: str, *, faults: Sequence[EntryFault] = (), note: Note | None = None
) -> str:
    """Return the form, filled with `entry`."""
    texts = texts_of(form)
    title = form.title or texts.title
    intro = f"<p>{escape(form.intro)}</p>" if form.intro else ""
    fields = [_subject(texts, entry, faults)]
    if form.categories:
        fields.append(_category(form, texts, entry, faults))
    if form.email is not EmailAsked.HIDDEN:
        fields.append(_email(form, texts, entry, faults))
    body = (
        f"<h1>{escape(title)}</h1>{intro}{_summary(texts, faults)}{_note(note)}"
        f'<form method="post" action="{_action(form)}" novalidate>{"".join(fields)}'
        f'<div class="aside" aria-hidden="true"><label for="{HONEYPOT}">{escape(texts.honeypot)}</label>'
        f'<input id="{HONEYPOT}" name="{HONEYPOT}" tabindex="-1" autocomplete="off"></div>'
        f"{_hidden(TOKEN, token)}"
        f'<p class="kept">{escape(texts.kept)}</p><button>{escape(texts.send)}</button></form>'
    )
    return _page(texts, f"{texts.error}: {title}" if faults or (note and note.bad) else title, body)


def confirming(form: WebForm, entry: Entry, token: str) -> str:
    """Return the second page, which asks whether `entry` is meant."""
    texts = texts_of(form)
    shown = [(texts.subject, entry.subject)]
    if form.categories:
        shown.append((texts.category, entry.category))
    if form.email is not EmailAsked.HIDDEN and entry.email:
        shown.append((texts.email, entry.email))
    list_ = "".join(f"<p><strong>{escape(name)}</strong><br>{escape(value)}</p>" for name, value in shown)
    hidden = "".join(
        _hidden(name, value)
        for name, value in (
            (SUBJECT, entry.subject),
            (CATEGORY, entry.category),
            (EMAIL, entry.email),
            (TOKEN, token),
        )
    )
    body = (
        f'<h1>{escape(texts.confirm_title)}</h1><div class="box" role="status"><p>{escape(texts.confirm)}</p></div>'
        f'{list_}<form method="post" action="{_action(form)}">{hidden}'
        f"<button>{escape(texts.confirm_send)}</button></form>"
    )
    return _page(texts, texts.confirm_title, body)


def thanking(form: WebForm, reference: str) -> str:
    """Return the page for who has sent something. `reference` empty: there is none to show."""
    texts = texts_of(form)
    shown = f"<p>{escape(texts.reference)}: <code>{escape(reference)}</code></p>" if reference else ""
    body = (
        f'<h1>{escape(texts.thanks_title)}</h1><div class="box" role="status">'
        f"<p>{escape(form.thanks or texts.thanks)}</p>{shown}</div>"
        f'<p><a href="../{_action(form)}">{escape(texts.another)}</a></p>'
    )
    return _page(texts, texts.thanks_title, body)


def refusing(form: WebForm, text: str) -> str:
    """Return the page for what is not taken."""
    texts = texts_of(form)
    body = (
        f'<h1>{escape(texts.refused_title)}</h1><div class="box bad" role="alert"><p>{escape(text)}</p></div>'
        f'<p><a href="{_action(form)}">{escape(texts.back)}</a></p>'
    )
    return _page(texts, f"{texts.error}: {texts.refused_title}", body)


def _action(form: WebForm) -> str:
    """Return the form's address relative to itself, so that a path before it (of a proxy) stays."""
    return escape(form.source)


def _page(texts: Texts, title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="{texts.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )


def _note(note: Note | None) -> str:
    if note is None:
        return ""
    kind, role = ("box bad", "alert") if note.bad else ("box", "status")
    return f'<div class="{kind}" role="{role}"><h2>{escape(note.title)}</h2><p>{escape(note.text)}</p></div>'


def _summary(texts: Texts, faults: Iterable[EntryFault]) -> str:
    links = "".join(f'<li><a href="#{each.field}">{escape(texts.faults[each])}</a></li>' for each in faults)
    if not links:
        return ""
    return f'<div class="box bad" role="alert"><h2>{escape(texts.problem)}</h2><ul>{links}</ul></div>'


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _fault(texts: Texts, name: str, faults: Iterable[EntryFault]) -> tuple[str, str]:
    """Return what to say below a label, and the attributes of the field that it is about."""
    found = next((each for each in faults if each.field == name), None)
    hint = f"{name}-hint"
    if found is None:
        return "", f'aria-describedby="{hint}"'
    said = f'<p class="fault" id="{name}-fault">{escape(texts.faults[found])}</p>'
    return said, f'aria-describedby="{name}-fault {hint}" aria-invalid="true"'


def _subject(texts: Texts, entry: Entry, faults: Sequence[EntryFault]) -> str:
    said, attributes = _fault(texts, SUBJECT, faults)
    # No maxlength: a browser would cut a pasted text without a word.
    return (
        f'<label for="{SUBJECT}">{escape(texts.subject)}</label>'
        f'<p class="hint" id="{SUBJECT}-hint">{escape(texts.subject_hint)}</p>{said}'
        f'<textarea id="{SUBJECT}" name="{SUBJECT}" rows="3" required {attributes}>\n{escape(entry.subject)}</textarea>'
    )


def _category(form: WebForm, texts: Texts, entry: Entry, faults: Sequence[EntryFault]) -> str:
    said, attributes = _fault(texts, CATEGORY, faults)
    choices = "".join(
        f'<option value="{escape(each)}"{" selected" if each == entry.category else ""}>{escape(each)}</option>'
        for each in form.categories
    )
    return (
        f'<label for="{CATEGORY}">{escape(texts.category)}</label><span id="{CATEGORY}-hint"></span>{said}'
        f'<select id="{CATEGORY}" name="{CATEGORY}" required {attributes}>'
        f'<option value="">{escape(texts.choose)}</option>{choices}</select>'
    )


def _email(form: WebForm, texts: Texts, entry: Entry, faults: Sequence[EntryFault]) -> str:
    said, attributes = _fault(texts, EMAIL, faults)
    is_optional = form.email is EmailAsked.OPTIONAL
    optional = f' <span class="optional">({escape(texts.optional)})</span>' if is_optional else ""
    return (
        f'<label for="{EMAIL}">{escape(texts.email)}{optional}</label>'
        f'<p class="hint" id="{EMAIL}-hint">{escape(texts.email_hint)}</p>{said}'
        f'<input id="{EMAIL}" name="{EMAIL}" type="email" autocomplete="email" '
        f"{'' if is_optional else 'required '}{attributes} "
        f'value="{escape(entry.email)}">'
    )
