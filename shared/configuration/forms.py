"""What a source says of its public form: what is asked, who may embed it, what proves that it was ours.

A form is the one door that asks for no key, so it is closed unless the file opens it, and the file must
name a secret: every page carries a token signed with it (services/intake/core/web_form).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from shared.configuration.problems import refused
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section
from shared.configuration.values import Title, Word

CATEGORIES_MAX: Final = 50
"""A person reads them all before choosing."""
ORIGINS_MAX: Final = 20
TEXT_CHARACTERS_MAX: Final = 500
PATH_CHARACTERS_MAX: Final = 500
FORM_SECRETS_MAX: Final = 2
"""The new one and the old one while the secret is rotated."""


class FormLanguage(str, Enum):
    """In which language the page speaks; title, intro and thanks are yours."""

    EN = "en"
    DE = "de"


class FormEmail(str, Enum):
    """Whether the page asks for an address."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    HIDDEN = "hidden"


_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?", re.ASCII)
"""It stands in a header that says what browsers may do, so nothing else may slip in."""


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text.lower()):
        raise refused(f"`{text}` is no origin", "write https://www.example.com, without a path")
    return text.lower()


def _one_line(text: str) -> str:
    if not text.isprintable() or " ".join(text.split()) != text:
        mend = "write it without line breaks, invisible characters and doubled spaces"
        raise refused("this cannot be chosen on a page as it stands", mend)
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isascii():
        raise refused(f"`{text}` is no path of this site", "write a path such as /thanks")
    if any(not each.isprintable() or each == " " for each in text):
        raise refused("the path holds a space or control character", "write a path such as /thanks")
    return text


Origin = Annotated[str, AfterValidator(_origin)]
"""`https://www.example.com`."""
SitePath = Annotated[str, Field(max_length=PATH_CHARACTERS_MAX), AfterValidator(_path)]
"""`/thanks`, of the same origin as the form."""
Choice = Annotated[Word, AfterValidator(_one_line)]
Prose = Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)]


class SourceForm(Section):
    """A public page at /v1/forms/NAME, on which anybody may open a ticket of this source."""

    secret: SecretReference | None = None
    secrets: Annotated[tuple[SecretReference, ...], Field(max_length=FORM_SECRETS_MAX)] = ()
    """The first signs, any is taken: two while one replaces the other."""
    language: FormLanguage = FormLanguage.EN
    title: Title | None = None
    intro: Prose = ""
    thanks: Prose = ""
    redirect: SitePath | None = None
    """Where a person goes who has sent it; None: to a page that says thanks."""
    email: FormEmail = FormEmail.REQUIRED
    categories: Annotated[tuple[Choice, ...], Field(max_length=CATEGORIES_MAX)] = ()
    """What a person chooses from; none: nothing is asked."""
    queue: Choice | None = None
    origins: Annotated[tuple[Origin, ...], Field(max_length=ORIGINS_MAX)] = ()
    """Sites that may show the page in a frame, or post from a page of their own."""

    @property
    def all_secrets(self) -> tuple[SecretReference, ...]:
        """The secrets, however many there are."""
        return self.secrets if self.secret is None else (self.secret,)

    @model_validator(mode="after")
    def _coherent(self) -> SourceForm:
        if (self.secret is None) == (not self.secrets):
            what = (
                "a form has no secret to sign its pages with"
                if not self.secrets
                else "the secret is given twice"
            )
            raise refused(what, "write `secret: {env: NAME}`, or two as `secrets` while you rotate it")
        if len(set(self.categories)) < len(self.categories):
            raise refused("a category is there twice", "write each once")
        if self.thanks and self.redirect is not None:
            raise refused("`thanks` is never shown beside `redirect`", "take one of them out")
        return self
