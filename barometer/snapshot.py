"""A list of what is open at a source now (CSV or NDJSON, gzip or not), read as observations of one instant.

Unlike a log it has no times of its own: every row says what the source showed when the list was taken. It is
read by the mapping of an import, or, without one, by the names of its columns, which are a ticket's fields.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from barometer.log import LINE_CHARACTERS_MAX, LogReader, LogStatistics
from barometer.mapping import Column, FieldName, LogFormat, LogMapping
from services.intake.core.arrival import Arrival
from services.intake.core.definition import SourceDefinition
from shared.configuration.problems import ConfigurationInvalid, Problem
from shared.contracts.tickets import Activity, Actor, Observation, Visibility

ID_COLUMN: Final = "id"
_READ_BY_NAME: Final = tuple(name for name in FieldName if name is not FieldName.MERGED_INTO)
"""Whoever is in a list of what is open was merged into nobody."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ENCODING: Final = "utf-8-sig"


class Snapshot:
    """One list, read once. Iterate; `statistics` and `fraction` follow."""

    def __init__(
        self,
        path: Path,
        mapping: LogMapping,
        *,
        definition: SourceDefinition,
        as_of: datetime,
        received_at: datetime,
    ) -> None:
        arrival = Arrival.at(received_at)
        self._reader = LogReader(
            path,
            # A number that orders changes would make the same list in another order another statement.
            mapping.model_copy(update={"sequence": None}),
            definition=definition,
            arrival_of=lambda _: arrival,
            at=as_of,
        )

    @property
    def statistics(self) -> LogStatistics:
        """What became of the rows."""
        return self._reader.statistics

    @property
    def fraction(self) -> float:
        """How much of the file was read, 0 to 1."""
        return self._reader.fraction

    def __iter__(self) -> Iterator[Observation]:
        """Yield what each row shows, as nobody's doing. Raises ConfigurationInvalid (columns, gzip)."""
        for _, seen in self._reader:
            yield msgspec.structs.replace(
                seen,
                activity=Activity.UPDATED,
                actor=Actor.SYSTEM,
                visibility=Visibility.INTERNAL,
                sequence=None,
            )


def mapping_by_names(path: Path) -> LogMapping:
    """Return the mapping of a list whose columns are `id` and fields of a ticket; others are not read.

    Raises ConfigurationInvalid if the file cannot be read.
    """
    line = _first_line(path)
    if line.lstrip().startswith("{"):
        return _mapping(LogFormat.NDJSON, _READ_BY_NAME)
    header = {name.strip() for name in next(csv.reader([line]), [])}
    return _mapping(LogFormat.CSV, tuple(name for name in _READ_BY_NAME if name.value in header))


def _mapping(format_: LogFormat, fields: tuple[FieldName, ...]) -> LogMapping:
    return LogMapping(
        format=format_,
        ticket=Column(column=ID_COLUMN),
        time=Column(column=ID_COLUMN),  # not read: all rows are of one instant
        fields={name: Column(column=name.value) for name in fields},
    )


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            source = gzip.GzipFile(fileobj=raw) if is_packed else raw
            line = source.readline(LINE_CHARACTERS_MAX)
    except (OSError, EOFError) as error:
        what = f"the list cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ConfigurationInvalid([Problem(str(path), 1, what, "check the file")]) from error
    return line.decode(_ENCODING, "replace")
