"""The words of the public form, by language. What a source says itself (title, intro, thanks) comes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.intake.core.web_form.definition import SUBJECT_CHARACTERS_MAX
from services.intake.core.web_form.entry import EntryFault


@dataclass(frozen=True, slots=True)
class Texts:
    """Everything a page says."""

    language: str
    title: str
    subject: str
    subject_hint: str
    category: str
    choose: str
    email: str
    email_hint: str
    optional: str
    honeypot: str
    send: str
    kept: str
    error: str
    problem: str
    faults: Mapping[EntryFault, str]
    expired: str
    confirm_title: str
    confirm: str
    confirm_send: str
    wait: str
    unavailable_title: str
    unavailable: str
    thanks_title: str
    thanks: str
    reference: str
    another: str
    refused_title: str
    foreign: str
    not_taken: str
    busy: str
    back: str


_EN: Final = Texts(
    language="en",
    title="Contact us",
    subject="What is it about?",
    subject_hint=f"One or two sentences, at most {SUBJECT_CHARACTERS_MAX} characters. Please no passwords.",
    category="Topic",
    choose="Please choose",
    email="Your e-mail address",
    email_hint="So that somebody can answer you.",
    optional="optional",
    honeypot="Leave this field empty",
    send="Send",
    kept="What you enter here, and when it came, is kept so that somebody can take care of it. Nothing else is.",
    error="Error",
    problem="Please look at this again",
    faults={
        EntryFault.SUBJECT_MISSING: "Say what it is about",
        EntryFault.SUBJECT_TOO_LONG: f"Say it in at most {SUBJECT_CHARACTERS_MAX} characters",
        EntryFault.EMAIL_MISSING: "Give your e-mail address",
        EntryFault.EMAIL_WRONG: "Give an e-mail address such as name@example.com",
        EntryFault.CATEGORY_MISSING: "Choose a topic",
    },
    expired="This page had been open for too long. Your text is still here: please send it again.",
    confirm_title="Please check and send again",
    confirm="We get a lot of automatic messages, and this one looked a little like them. It has not been sent yet.",
    confirm_send="Yes, send it",
    wait="Too many messages came from your connection. Your text is still here: please send it again in {minutes} min.",
    unavailable_title="It could not be sent just now",
    unavailable="That is our fault. Your text is still here: please wait a moment and send it again.",
    thanks_title="Thank you",
    thanks="Your message has arrived.",
    reference="Your reference",
    another="Send another message",
    refused_title="This cannot be sent",
    foreign="The message came from a page of another site. Please open this form and send it here.",
    not_taken="The message was too large, or not sent by this form. Nothing was kept of it.",
    busy="There is too much going on at once. Please go back, where your text still is, and send it again.",
    back="Back to the form",
)

_DE: Final = Texts(
    language="de",
    title="Kontakt",
    subject="Worum geht es?",
    subject_hint=f"Ein bis zwei Sätze, höchstens {SUBJECT_CHARACTERS_MAX} Zeichen. Bitte keine Passwörter.",
    category="Thema",
    choose="Bitte auswählen",
    email="Ihre E-Mail-Adresse",
    email_hint="Damit wir Ihnen antworten können.",
    optional="freiwillig",
    honeypot="Dieses Feld bitte leer lassen",
    send="Absenden",
    kept="Was Sie hier eingeben und wann es kam, wird gespeichert, damit sich jemand darum kümmern kann. Sonst nichts.",
    error="Fehler",
    problem="Bitte sehen Sie sich das noch einmal an",
    faults={
        EntryFault.SUBJECT_MISSING: "Schreiben Sie, worum es geht",
        EntryFault.SUBJECT_TOO_LONG: f"Schreiben Sie höchstens {SUBJECT_CHARACTERS_MAX} Zeichen",
        EntryFault.EMAIL_MISSING: "Geben Sie Ihre E-Mail-Adresse an",
        EntryFault.EMAIL_WRONG: "Geben Sie eine E-Mail-Adresse wie name@example.com an",
        EntryFault.CATEGORY_MISSING: "Wählen Sie ein Thema aus",
    },
    expired="Diese Seite war zu lange offen. Ihr Text ist noch da: bitte senden Sie ihn noch einmal ab.",
    confirm_title="Bitte prüfen und noch einmal absenden",
    confirm="Wir bekommen viele automatische Nachrichten, und diese sah ein wenig so aus. Sie ist noch nicht abgesendet.",
    confirm_send="Ja, absenden",
    wait="Von Ihrem Anschluss kamen zu viele Nachrichten. Ihr Text ist noch da: bitte senden Sie ihn in {minutes} min "
    "noch einmal ab.",
    unavailable_title="Das ließ sich gerade nicht absenden",
    unavailable="Das liegt an uns. Ihr Text ist noch da: bitte warten Sie kurz und senden Sie ihn noch einmal ab.",
    thanks_title="Vielen Dank",
    thanks="Ihre Nachricht ist angekommen.",
    reference="Ihr Zeichen",
    another="Noch eine Nachricht schreiben",
    refused_title="Das lässt sich nicht absenden",
    foreign="Die Nachricht kam von der Seite einer anderen Website. Bitte öffnen Sie dieses Formular und senden Sie hier.",
    not_taken="Die Nachricht war zu groß oder kam nicht von diesem Formular. Nichts davon wurde gespeichert.",
    busy="Gerade ist zu viel los. Bitte gehen Sie zurück, wo Ihr Text noch ist, und senden Sie ihn noch einmal ab.",
    back="Zurück zum Formular",
)

TEXTS: Final[Mapping[str, Texts]] = {"en": _EN, "de": _DE}
