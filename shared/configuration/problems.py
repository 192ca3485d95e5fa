"""What is wrong with a file, where, and how to mend it: `file:line: what is wrong; mend`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pydantic_core import PydanticCustomError

REFUSED: Final = "refused"
"""Type of the errors our own validators raise; their context holds `what` and `mend`."""

SHOWN_CHOICES_MAX: Final = 12
"""More choices than this are not listed in a message."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. `line` counts from 1."""

    file: str
    line: int
    what: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.file}:{self.line}: {self.what}{mend}"


class ConfigurationInvalid(Exception):
    """A file that cannot be used; `problems` are all that were found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def refused(what: str, mend: str) -> PydanticCustomError:
    """Return the error a validator raises."""
    return PydanticCustomError(REFUSED, "{what}; {mend}", {"what": what, "mend": mend})


def did_you_mean(written: str, choices: Iterable[str]) -> str:
    """Return the mend for a word that is none of `choices`."""
    known = list(choices)
    near = [one for one in known if one.lower() == written.lower()]
    near = near or get_close_matches(written.lower(), known, n=1) or get_close_matches(written, known, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    if len(known) <= SHOWN_CHOICES_MAX:
        return f"use one of {', '.join(known)}"
    return f"use one of {', '.join(known[:SHOWN_CHOICES_MAX])}, ..."
