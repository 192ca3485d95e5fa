"""Reading `barometer.yaml`: one value, or every problem with its line and mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from shared.configuration.calendar_checks import reaching_back
from shared.configuration.calendars import DIRECTORY
from shared.configuration.checks import CHECKS
from shared.configuration.document import FILE_BYTES_MAX, Document, read_document
from shared.configuration.models import Configuration
from shared.configuration.problems import ConfigurationInvalid, Problem
from shared.configuration.secrets import SecretReference
from shared.configuration.validation import Finding, validate

SECRET_BYTES_MAX: Final = 64 * 1024


def load(path: Path | None, *, now: datetime | None = None) -> Configuration:
    """Return the configuration in `path`, the defaults for None. Raises ConfigurationInvalid.

    With `now` it is also checked that what is said of the past lies there.
    """
    if path is None:
        return Configuration()
    return validate(Configuration, read_file(path), _checks(now), {DIRECTORY: path.parent})


def read(content: str, file: str = "barometer.yaml", *, now: datetime | None = None) -> Configuration:
    """Return the configuration in `content`; `file` is the name in messages. Raises ConfigurationInvalid."""
    return validate(Configuration, read_document(content.encode(), file), _checks(now))


def _checks(now: datetime | None) -> Iterable[Callable[[Configuration], Iterable[Finding]]]:
    return CHECKS if now is None else (*CHECKS, partial(reaching_back, now=now))


def read_file(path: Path) -> Document:
    """Return the YAML in `path` with its lines. Raises ConfigurationInvalid."""
    try:
        with path.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise ConfigurationInvalid([Problem(str(path), 1, what, "check the path and its rights")]) from error
    return read_document(content, str(path))


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file, for editors."""
    schema = Configuration.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "barometer.yaml"}


def read_secret(reference: SecretReference, environment: Mapping[str, str]) -> str:
    """Return the secret that `reference` names. Raises ConfigurationInvalid; never shows the secret."""
    if reference.env is not None:
        if not (value := environment.get(reference.env, "")):
            what = f"the environment variable {reference.env} is empty or not set"
            raise ConfigurationInvalid([Problem("secrets", 1, what, "set it, or use {file: PATH}")])
        return value
    assert reference.file is not None, "a reference names one place"
    try:
        with Path(reference.file).open("rb") as opened:
            value = opened.read(SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        what = "the file with the secret cannot be read as text"
        problem = Problem(reference.file, 1, what, "check the path and its rights")
        raise ConfigurationInvalid([problem]) from error
    if not value:
        raise ConfigurationInvalid(
            [Problem(reference.file, 1, "the file with the secret is empty", "fill it")]
        )
    return value
