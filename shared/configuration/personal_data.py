"""What is kept of the people behind the tickets: the section `personal_data`, for all sources and for one.

A source says only what it does otherwise than the file's own section. The key of the hashes is one for the
installation, so that a person of a tenant stays the same over all its sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from shared.configuration.problems import refused
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section
from shared.contracts.personal_data import Handling

KEY_CHARACTERS_MIN: Final = 32
"""Of the key. Names and addresses can be guessed; the key must not."""

_HASHED: Final = Handling.HASHED
_Subject = Literal[Handling.PLAIN, Handling.DROPPED]
_Assignee = Literal[Handling.PLAIN, Handling.HASHED]

_WHY: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("assignee", "dropped"): (
        "without its assignee every ticket would count as unowned", "write `hashed`: the figures stay true",
    ),
    ("subject", "hashed"): ("a hash of a sentence is of no use to anybody", "write `dropped`, or `plain`"),
}  # fmt: skip


class SourcePersonalData(Section):
    """What a source does otherwise than the section `personal_data` says."""

    requester: Handling | None = None
    assignee: Annotated[_Assignee | None, Field()] = None
    subject: Annotated[_Subject | None, Field()] = None

    @model_validator(mode="before")
    @classmethod
    def _useful(cls, value: Any) -> Any:
        return _checked(value)


class PersonalData(Section):
    """What is kept of people: `plain`, `hashed` (equal values stay equal) or `dropped`."""

    requester: Handling = Handling.PLAIN
    assignee: _Assignee = Handling.PLAIN
    subject: _Subject = Handling.PLAIN
    key: SecretReference | None = None
    """Of the hashes: at least KEY_CHARACTERS_MIN characters. Another key makes everybody a stranger."""

    @model_validator(mode="before")
    @classmethod
    def _useful(cls, value: Any) -> Any:
        return _checked(value)

    def of(self, source: SourcePersonalData) -> PersonalData:
        """Return what holds for a source that says `source`."""
        said = {
            name: value for name in ("requester", "assignee", "subject") if (value := getattr(source, name))
        }
        return self.model_copy(update=said)

    @property
    def hashes(self) -> bool:
        """Whether a key is needed."""
        return _HASHED in {self.requester, self.assignee}


def _checked(value: Any) -> Any:
    """Tell why a handling that exists is not one of this member's."""
    if isinstance(value, Mapping):
        for member, how in value.items():
            if isinstance(how, str) and (member, how) in _WHY:
                raise refused(*_WHY[member, how])
    return value
