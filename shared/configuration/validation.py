"""From a document to a model: every error at its line, in words, with the mend.

Used for the configuration and for the mappings of logs, so both speak alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.configuration.document import Document, Path
from shared.configuration.problems import REFUSED, ConfigurationInvalid, Problem, did_you_mean

Model = TypeVar("Model", bound=BaseModel)


class Finding(NamedTuple):
    """What a cross check found, at a path of the file."""

    path: Path
    what: str
    mend: str


Check = Callable[[Any], Iterable[Finding]]

_SHOWN_CHARACTERS_MAX: Final = 60


def validate(
    model: type[Model],
    document: Document,
    checks: Iterable[Callable[[Model], Iterable[Finding]]] = (),
    context: Mapping[str, Any] | None = None,
) -> Model:
    """Return the model of `document`. Raises ConfigurationInvalid with everything that is wrong.

    The cross `checks` run once the shape is right. `context` is what validators are told.
    """
    try:
        value = model.model_validate(document.data, context=context)
    except ValidationError as error:
        details = _causes(error.errors(include_url=False))
        raise ConfigurationInvalid(_problem(model, document, one) for one in details) from None
    findings = [finding for check in checks for finding in check(value)]
    if findings:
        raise ConfigurationInvalid(
            Problem(document.file, document.line(one.path), one.what, one.mend) for one in findings
        )
    return value


def _causes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short when that is only because its items are wrong."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(place[: len(error["loc"])] == error["loc"] != place for place in places)
    ]


def _problem(model: type[BaseModel], document: Document, error: ErrorDetails) -> Problem:
    path = tuple(part for part in error["loc"] if part != "[key]")
    what, mend = _words(model, path, error)
    return Problem(document.file, document.line(path), what, mend)


def _words(model: type[BaseModel], path: Path, error: ErrorDetails) -> tuple[str, str]:
    context: Mapping[str, Any] = error.get("ctx", {})
    name = str(path[-1]) if path else "the file"
    kind = error["type"]
    if kind == REFUSED:
        what = str(context["what"])
        return (what if path == () else f"{_place(path)}: {what}"), str(context["mend"])
    if kind == "extra_forbidden":
        return _unknown(model, path)
    if kind == "missing":
        return f"`{name}` is missing in {_place(path[:-1])}", f"add `{name}:`"
    if kind == "enum":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        what = f"{_place(path)}: `{_shown(error['input'])}` is not known"
        return what, did_you_mean(str(error["input"]), choices)
    return f"{_place(path)}: {_shape(kind, error)}", _SHAPE_MENDS.get(kind, "see docs/configuration.md")


_SHAPE_MENDS: Final = {
    "string_type": "put it in quotes if it is meant as text",
    "tuple_type": "write a list: `- ...` lines or [a, b]",
    "mapping_type": "write `key: value` lines",
    "dict_type": "write `key: value` lines",
    "model_type": "write `key: value` lines",
    "model_attributes_type": "write `key: value` lines",
    "too_short": "add one",
    "too_long": "shorten the list",
    "string_too_long": "shorten it",
    "string_too_short": "write something, or leave it out",
    "string_pattern_mismatch": "mend the text",
    "greater_than": "write more than that",
    "greater_than_equal": "write at least that",
    "less_than_equal": "write at most that",
}


def _shape(kind: str, error: ErrorDetails) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    shown = f"`{_shown(error['input'])}`"
    match kind:
        case "string_type":
            return f"{shown} is not text"
        case "tuple_type":
            return f"{shown} is not a list"
        case "mapping_type" | "dict_type" | "model_type" | "model_attributes_type":
            return f"{shown} is not a section"
        case "string_pattern_mismatch":
            return f"{shown} does not match {_PATTERN_WORDS.get(str(context['pattern']), context['pattern'])}"
    return error["msg"]


_PATTERN_WORDS: Final = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters, digits, dot, underscore and hyphen, begun by a letter or digit",
    r"^[0-9a-f]{64}$": "64 hexadecimal digits, lower case (`barometer key new` prints them)",
    r"^[^\x00-\x1f\x7f]+$": "one line of text",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable",
}


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}..."


def _place(path: Path) -> str:
    """Return `rules[0].above`, or `the file`."""
    place = ""
    for part in path:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return f"`{place}`" if place else "the file"


RESERVED: Final = frozenset({("board",)})
"""Sections of the finished product that this version cannot honour yet."""


def _unknown(model: type[BaseModel], path: Path) -> tuple[str, str]:
    key = str(path[-1])
    if path in RESERVED and "tenants" in model.model_fields:
        return f"the section `{key}` is not available yet", "take it out"
    holder = _model_at(model, path[:-1])
    choices = [field.alias or name for name, field in holder.model_fields.items()] if holder else []
    return f"unknown key `{key}` in {_place(path[:-1])}", did_you_mean(
        key, choices
    ) if choices else "take it out"


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model that describes `path`."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int) or current is None:
            continue
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        if part in fields:
            current = _model_in(fields[part].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
