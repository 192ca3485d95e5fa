"""Where a secret is kept: never in the file itself, which is printed, mailed and checked in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from shared.configuration.problems import refused
from shared.configuration.section import Section


class SecretReference(Section):
    """Where a secret is kept: an environment variable or a file. Never the secret itself."""

    env: Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = None
    file: Annotated[str | None, Field(min_length=1)] = None

    @model_validator(mode="before")
    @classmethod
    def _not_itself(cls, value: Any) -> Any:
        if isinstance(value, str):  # and the message must not repeat it
            raise refused("a secret does not stand in the file", "write {env: NAME} or {file: PATH}")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> SecretReference:
        if (self.env is None) == (self.file is None):
            raise refused("a secret has one place", "write either {env: NAME} or {file: PATH}")
        return self
