"""Reading a historic log (CSV or NDJSON, gzip or not) as a stream of observations.

Nothing is held but the digests of the rows seen: a log may be larger than memory, come from strangers,
and end in the middle of a line. Rows are numbered before anybody shuffles or parts them, and identical
rows are one observation, whose id is the digest of what was mapped (docs/import.md).
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

import msgspec

from barometer.mapping import LogMapping
from barometer.rows import ABSENT, Getter, Members, Row, RowMapper, RowRefused, Unmapped
from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normaliser
from services.intake.core.rejection import Rejection
from shared.configuration.problems import ConfigurationInvalid, Problem, did_you_mean
from shared.contracts.event_id import digest
from shared.contracts.tickets import Observation

LINE_CHARACTERS_MAX: Final = 1 << 20
REJECTIONS_KEPT_MAX: Final = 20
"""The first ones are shown with their lines; all are counted by reason."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_SEEN_DIGEST_BYTES: Final = 8
"""2 rows of 10 million are taken for one with a chance of 3 in a million."""


class LogRejection(NamedTuple):
    """A row that could not be used; `line` counts from 1."""

    line: int
    reason: str
    detail: str


@dataclass(slots=True)
class LogStatistics:
    """What became of the rows."""

    rows: int = 0
    observations: int = 0
    repeats: int = 0
    """Rows identical to an earlier one."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By reason."""
    rejections: list[LogRejection] = field(default_factory=list)
    """The first REJECTIONS_KEPT_MAX."""
    unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(member, word) that no map knew and no default stood in for."""

    def reject(self, rejection: LogRejection) -> None:
        """Count a row that could not be used."""
        self.rejected[rejection.reason] += 1
        if len(self.rejections) < REJECTIONS_KEPT_MAX:
            self.rejections.append(rejection)


class NumberedObservation(NamedTuple):
    """An observation, and the number of its row (from 0, the header not counted)."""

    row: int
    observation: Observation


_Lined = Iterator[tuple[int, Row | RowRefused]]
"""Rows with their line numbers."""

ArrivalOf = Callable[[datetime], Arrival]
"""When a row's observation is taken to have come, given the row's own time."""


class LogReader:
    """Reads one log once. Iterate; `statistics` and `fraction` follow."""

    def __init__(
        self,
        path: Path,
        mapping: LogMapping,
        *,
        definition: SourceDefinition,
        arrival_of: ArrivalOf,
        run: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """`at`: the instant of every row, for a list of what is; without it each row has its own."""
        self.statistics = LogStatistics()
        self._path = path
        self._mapping = mapping
        self._normaliser = Normaliser(_without_mapped(definition, mapping))
        self._arrival_of = arrival_of
        self._run = run
        self._at = at
        self._unmapped = Unmapped()
        self._unmapped.counts = self.statistics.unmapped
        self._raw: BinaryIO | None = None
        self._size = max(1, path.stat().st_size) if path.exists() else 1

    @property
    def fraction(self) -> float:
        """How much of the file was read, 0 to 1."""
        return self._raw.tell() / self._size if self._raw and not self._raw.closed else 1.0

    def __iter__(self) -> Iterator[NumberedObservation]:
        """Yield the observations in the order of the file. Raises ConfigurationInvalid (columns, gzip)."""
        statistics = self.statistics
        seen: set[int] = set()
        with self._opened() as binary, self._rows(binary) as (mapper, rows):
            for number, (line, row) in enumerate(rows):
                statistics.rows += 1
                if isinstance(row, RowRefused):
                    statistics.reject(LogRejection(line, row.reason, row.detail))
                    continue
                outcome = self._observe(mapper, number, row, seen)
                if isinstance(outcome, Observation):
                    statistics.observations += 1
                    yield NumberedObservation(number, outcome)
                elif outcome is None:
                    statistics.repeats += 1
                else:
                    statistics.reject(LogRejection(line, outcome.reason, outcome.detail))

    def _observe(
        self, mapper: RowMapper, number: int, row: Row, seen: set[int]
    ) -> Observation | RowRefused | None:
        """Return the observation, why there is none, or None for a repeat."""
        members = mapper.members(row)
        if isinstance(members, RowRefused):
            return members
        try:
            # By what is kept of people: else one could try addresses until this digest comes out.
            identity = digest(msgspec.json.encode(self._identified(members), order="deterministic"))
        except UnicodeEncodeError:
            mend = f"the row is not {self._mapping.encoding}; set `encoding:` in the mapping"
            return RowRefused("invalid_utf8", mend)
        short = int.from_bytes(identity[:_SEEN_DIGEST_BYTES], "big")
        if short in seen:
            return None
        seen.add(short)
        defaults = Defaults(
            event_id=identity.hex(),
            sequence=number if self._mapping.sequence is None else None,
            run=self._run,
        )
        normalised = self._normaliser.fields(members, defaults, self._arrival_of(members["time"]))
        if isinstance(normalised, Rejection):
            return RowRefused(normalised.reason.value, normalised.detail)
        for member in normalised.unmapped:
            self._unmapped.count(member, str(members[member]))
        return normalised.observation

    def _identified(self, members: Members) -> Members:
        definition = self._normaliser.definition
        protection = definition.protection
        return protection.members(members, definition.tenant) if protection.is_needed else members

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self._path.open("rb") as raw:
                self._raw = raw
                compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
                raw.seek(0, os.SEEK_SET)
                if not compressed:
                    yield raw
                    return
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast("BinaryIO", unpacked)
        except (OSError, EOFError) as error:
            what = f"the log cannot be read: {getattr(error, 'strerror', None) or error}"
            raise ConfigurationInvalid([Problem(str(self._path), 1, what, "check the file")]) from error

    @contextmanager
    def _rows(self, binary: BinaryIO) -> Iterator[tuple[RowMapper, _Lined]]:
        if not self._mapping.format.is_csv:
            yield RowMapper(self._mapping, _member, self._unmapped, at=self._at), self._json_rows(binary)
            return
        encoding = _with_mark(self._mapping.encoding)
        text = io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="")
        try:
            yield self._csv_rows(text)
        finally:
            text.detach()

    def _csv_rows(self, text: io.TextIOWrapper) -> tuple[RowMapper, _Lined]:
        reader = csv.reader(_lines(text, str(self._path)), delimiter=self._mapping.delimiter)
        header = [name.strip() for name in next(reader, [])]
        finder = _ColumnFinder(str(self._path), header)
        mapper = RowMapper(self._mapping, finder.getter, self._unmapped, at=self._at)
        if finder.problems:
            raise ConfigurationInvalid(finder.problems)
        return mapper, _records(reader, len(header))

    def _json_rows(self, binary: BinaryIO) -> _Lined:
        encoding = _with_mark(self._mapping.encoding)
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        lines = iter(lambda: binary.readline(LINE_CHARACTERS_MAX), b"")
        for number, line in enumerate(lines, start=1):
            _refuse_endless(len(line), str(self._path), number, ended=line.endswith(b"\n"))
            if not line.strip():
                continue
            try:
                plain = line if number > 1 and encoding == _UTF8_MARKED else line.decode(encoding)
                yield number, decode(plain)
            except (UnicodeDecodeError, msgspec.DecodeError) as error:
                yield number, RowRefused("malformed_json", f"the line is no JSON object: {error}")


_UTF8_MARKED: Final = "utf-8-sig"


def _with_mark(encoding: str) -> str:
    """Return `encoding`; for UTF-8 the one that skips a byte order mark, as spreadsheets write it."""
    return _UTF8_MARKED if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def _without_mapped(definition: SourceDefinition, mapping: LogMapping) -> SourceDefinition:
    """Return `definition` without the maps that the mapping replaces: its words are canonical already."""
    columns = {name.value: column for name, column in mapping.fields.items()}
    status, priority = columns.get("status"), columns.get("priority")
    if status and (status.map is not None or status.value is not None):
        definition = replace(definition, statuses={}, status_default=None)
    if priority and (priority.map is not None or priority.value is not None):
        definition = replace(definition, priorities={}, priority_default=None)
    return definition


class _ColumnFinder:
    """Finds columns by name, and collects those that are not there or there twice."""

    def __init__(self, file: str, header: Sequence[str]) -> None:
        self._file = file
        self._header = header
        self.problems: list[Problem] = []

    def getter(self, name: str) -> Getter:
        """Return what takes the cell of column `name` out of a row."""
        times = self._header.count(name)
        if times == 1:
            return itemgetter(self._header.index(name))
        if times:
            what, mend = f"the column `{name}` is there {times} times", "rename all but one"
        else:
            what, mend = f"there is no column `{name}`", did_you_mean(name, self._header)
        self.problems.append(Problem(self._file, 1, what, mend))
        return itemgetter(0)


def _records(reader: Any, columns: int) -> _Lined:
    """Yield (line, row) of a CSV reader; a row of another width is refused."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, RowRefused("malformed_csv", str(error))
            continue
        if len(row) == columns:
            yield reader.line_num, row
        elif row:
            yield reader.line_num, RowRefused("malformed_csv", f"{len(row)} cells under {columns} columns")


def _lines(text: io.TextIOWrapper, file: str) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: text.readline(LINE_CHARACTERS_MAX), ""), start=1):
        _refuse_endless(len(line), file, number, ended=line.endswith("\n"))
        yield line


def _refuse_endless(length: int, file: str, number: int, *, ended: bool) -> None:
    if length >= LINE_CHARACTERS_MAX and not ended:
        what = f"the line is longer than {LINE_CHARACTERS_MAX} characters"
        raise ConfigurationInvalid([Problem(file, number, what, "is this the log, and its format right?")])


def _member(name: str) -> Getter:
    """Return what takes member `name` out of a JSON object; `a.b` looks inside `a`."""
    parts = name.split(".")

    def get(row: dict[str, Any]) -> Any:
        value = row.get(name, ABSENT)
        if value is ABSENT and len(parts) > 1:
            inner: Any = row
            for part in parts:
                inner = inner.get(part, ABSENT) if isinstance(inner, dict) else ABSENT
            return inner
        return value

    return get
