"""The mapping of a log (YAML): which column of a row is what of an observation (docs/import.md).

Only the shape and its errors are here; `barometer.log` reads rows by it. One row is one observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from shared.configuration.loader import read_file
from shared.configuration.models import DEFAULT_SOURCE
from shared.configuration.problems import did_you_mean, refused
from shared.configuration.section import Section
from shared.configuration.validation import Finding, validate
from shared.configuration.values import STATUS_TEXTS, Name, Word
from shared.contracts.tickets import Activity, Actor, Channel, Kind, Priority, Visibility, WaitReason

COLUMNS_MAX: Final = 64
MAP_WORDS_MAX: Final = 10_000


class FieldName(str, Enum):
    """The fields of a ticket that a log can show."""

    STATUS = "status"
    WAIT_REASON = "wait_reason"
    PRIORITY = "priority"
    KIND = "kind"
    CHANNEL = "channel"
    QUEUE = "queue"
    ASSIGNEE = "assignee"
    SEGMENT = "segment"
    CATEGORY = "category"
    REQUESTER = "requester"
    SUBJECT = "subject"
    TAGS = "tags"
    URL = "url"
    CREATED_AT = "created_at"
    MERGED_INTO = "merged_into"


TIME_FIELDS: Final = frozenset({FieldName.CREATED_AT})

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "status": STATUS_TEXTS,
    "wait_reason": tuple(one.value for one in WaitReason),
    "priority": tuple(one.value for one in Priority),
    "kind": tuple(one.value for one in Kind),
    "channel": tuple(one.value for one in Channel),
    "activity": tuple(one.value for one in Activity),
    "actor": tuple(one.value for one in Actor),
    "visibility": tuple(one.value for one in Visibility),
}
"""What the members of a closed vocabulary can be."""


def _column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Column(Section):
    """One member of the observation: a column, or a constant `value`.

    With a `map`, a word it does not know takes `default`; without a default it is not shown, and
    counted. `format` is strptime's, for times; without one ISO 8601.
    """

    column: Annotated[str | None, Field(min_length=1)] = None
    value: Annotated[str | None, Field(min_length=1)] = None
    map: Annotated[Mapping[Word, Word], Field(max_length=MAP_WORDS_MAX)] | None = None
    default: Annotated[str | None, Field(min_length=1)] = None
    format: Annotated[str | None, Field(min_length=1)] = None

    @model_validator(mode="after")
    def _one_origin(self) -> Column:
        if (self.column is None) == (self.value is None):
            raise refused("it needs one origin", "write either `column: NAME` or `value: CONSTANT`")
        if self.value is not None and (self.map is not None or self.default is not None):
            raise refused("a constant needs neither map nor default", "take them out")
        return self


ColumnValue = Annotated[Column, BeforeValidator(_column)]


class LogFormat(str, Enum):
    """How rows are written. Compression is seen from the first bytes, so `.gz` may be left out."""

    CSV = "csv"
    CSV_GZ = "csv.gz"
    NDJSON = "ndjson"
    NDJSON_GZ = "ndjson.gz"

    @property
    def is_csv(self) -> bool:
        """Rows have columns by position, named in the first row."""
        return self in {LogFormat.CSV, LogFormat.CSV_GZ}


class LogMapping(Section):
    """A whole mapping."""

    format: LogFormat = LogFormat.CSV
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    timezone: str = "UTC"
    """Zone of times without an offset. Of a time that is there twice (autumn) the first one is meant."""
    source: Name = DEFAULT_SOURCE
    ticket: ColumnValue
    time: ColumnValue
    sequence: Annotated[str | None, Field(min_length=1)] = None
    fields: Annotated[Mapping[FieldName, ColumnValue], Field(max_length=COLUMNS_MAX)] = Field(
        default_factory=dict
    )
    missing: tuple[str | None, ...] = ("",)
    activity: ColumnValue | None = None
    actor: ColumnValue | None = None
    visibility: ColumnValue | None = None

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise refused(
                f"`{name}` is no time zone", "write an IANA name such as Europe/Rome or UTC"
            ) from None
        return name

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError:
            mend = "write a name Python knows, such as utf-8, cp1252 or latin-1"
            raise refused(f"`{name}` is no encoding", mend) from None
        return name

    @field_validator("missing", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def closed(self) -> Iterator[tuple[str, tuple[str, ...], Column]]:
        """Yield (name, path, column) of the members with a closed vocabulary."""
        for name, column in self.fields.items():
            if name.value in CHOICES:
                yield name.value, ("fields", name.value), column
        for word in ("activity", "actor", "visibility"):
            if (column_or_none := getattr(self, word)) is not None:
                yield word, (word,), column_or_none


def _canonical_words(mapping: LogMapping) -> Iterator[Finding]:
    for name, path, column in mapping.closed():
        choices = CHOICES[name]
        for word, meaning in (column.map or {}).items():
            if meaning not in choices:
                what = f"`{meaning}` is no {name}"
                yield Finding((*path, "map", word), what, did_you_mean(meaning, choices))
        for key in ("value", "default"):
            constant = getattr(column, key)
            if constant is not None and constant not in choices:
                yield Finding((*path, key), f"`{constant}` is no {name}", did_you_mean(constant, choices))


def _times(mapping: LogMapping) -> Iterator[Finding]:
    times: list[tuple[tuple[str, ...], Column]] = [(("time",), mapping.time)]
    times += [(("fields", name.value), one) for name, one in mapping.fields.items() if name in TIME_FIELDS]
    for path, column in times:
        if column.column is None:
            yield Finding(path, "a time is a column", "write `column: NAME`")
        if column.map is not None or column.default is not None:
            yield Finding(path, "a time has neither map nor default", "take them out")
    others = [
        (("fields", name.value), one) for name, one in mapping.fields.items() if name not in TIME_FIELDS
    ]
    for path, column in (*others, (("ticket",), mapping.ticket)):
        if column.format is not None:
            yield Finding((*path, "format"), "only times have a format", "take it out")
    if mapping.ticket.column is None:
        yield Finding(("ticket",), "a ticket's id is a column", "write the name of the column")


_CHECKS: Final = (_canonical_words, _times)


def load_mapping(path: Path) -> LogMapping:
    """Return the mapping in `path`. Raises ConfigurationInvalid with file, line and mend."""
    return validate(LogMapping, read_file(path), _CHECKS)
