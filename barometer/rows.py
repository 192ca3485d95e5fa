"""From a row of a log to the members of a plain ticket, by a mapping compiled once.

A log of a million rows passes here, so everything that depends only on the mapping is decided before the
first row: which cell, which words mean what, how a time is read. What is wrong with a row is a value
(`RowRefused`), for logs of strangers always have some such rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from barometer.mapping import CHOICES, Column, FieldName, LogMapping
from shared.contracts.tickets import TAGS_MAX

UNMAPPED_WORDS_MAX: Final = 1_000
"""Different unknown words counted one by one; further ones are counted together as `...`."""
TIMES_REMEMBERED_MAX: Final = 65_536
"""Logs repeat times (the creation on every row), and strptime is the dearest thing done here."""

RAW_MEMBERS: Final = {"status": "raw_status", "priority": "raw_priority"}
ABSENT: Final = object()
"""What a getter returns for a cell that is not there."""

Row = Any
Getter = Callable[[Row], Any]
Members = dict[str, Any]
_Setter = Callable[[Members, Any], None]


class RowRefused(NamedTuple):
    """A row that is no observation. `reason` is one of intake's reasons."""

    reason: str
    detail: str


class _Unusable(Exception):
    """A value that makes its row unusable; never leaves this module."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Unmapped:
    """Words that no map knew and no default stood in for, counted; bounded."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def count(self, member: str, word: str) -> None:
        """Count one `word` of `member`."""
        key = (member, word)
        if key not in self.counts and len(self.counts) >= UNMAPPED_WORDS_MAX:
            key = (member, "...")
        self.counts[key] += 1


class RowMapper:
    """One mapping on one log. `getter` finds a column's cell in a row.

    With `at` every row is of that instant, and the column of times is not read.
    """

    def __init__(
        self,
        mapping: LogMapping,
        getter: Callable[[str], Getter],
        unmapped: Unmapped,
        *,
        at: datetime | None = None,
    ) -> None:
        self._missing = frozenset((*mapping.missing, ""))
        self._unmapped = unmapped
        self._zone = ZoneInfo(mapping.timezone)
        self._constants: Members = {}
        self._setters: list[tuple[str, Getter, _Setter]] = []
        assert mapping.ticket.column is not None, "checked with the mapping"
        assert mapping.time.column is not None, "checked with the mapping"
        self._ticket = getter(mapping.ticket.column)
        self._ticket_words = mapping.ticket.map
        self._at = at
        self._time = getter(mapping.time.column) if at is None else None
        self._read_time = _time_reader(mapping.time.format, self._zone)
        self._sequence = getter(mapping.sequence) if mapping.sequence else None
        members = {name.value: column for name, column in mapping.fields.items()}
        members |= {
            name: column for name in ("activity", "actor", "visibility") if (column := getattr(mapping, name))
        }
        for name, column in members.items():
            self._add(name, column, getter)

    def _add(self, name: str, column: Column, getter: Callable[[str], Getter]) -> None:
        if column.value is not None:
            self._constants[name] = column.value
        else:
            assert column.column is not None, "checked with the mapping"
            self._setters.append((name, getter(column.column), self._setter(name, column)))

    def _setter(self, name: str, column: Column) -> _Setter:
        if name == FieldName.CREATED_AT.value:
            read = _time_reader(column.format, self._zone)
            return lambda members, value: members.__setitem__(name, read(_word(name, value)))
        if name == FieldName.TAGS.value:
            return _set_tags
        if column.map is not None or column.default is not None:
            return self._mapped(name, column.map or {}, column.default)
        if name in CHOICES and name not in RAW_MEMBERS:
            return self._mapped(name, {word: word for word in CHOICES[name]}, None)
        return lambda members, value: members.__setitem__(name, _word(name, value))

    def _mapped(self, name: str, words: Mapping[str, str], default: str | None) -> _Setter:
        raw = RAW_MEMBERS.get(name)
        if name == "activity":
            # A map names the activities worth telling apart; all others are updates.
            default = default or "updated"

        def set_mapped(members: Members, value: Any) -> None:
            word = _word(name, value)
            meaning = words.get(word, default)
            if meaning is None:
                self._unmapped.count(name, word)
            else:
                members[name] = meaning
            if raw is not None:
                members[raw] = word

        return set_mapped

    def members(self, row: Row) -> Members | RowRefused:
        """Return the members of the plain ticket in `row`: `id`, `time` (aware), fields as shown."""
        try:
            members: Members = {"id": self._id(row), "time": self._at or self._instant(row)}
            if self._sequence is not None:
                self._set_sequence(members, self._sequence(row))
            members.update(self._constants)
            for name, get, set_member in self._setters:
                value = get(row)
                if value.__class__ is not str:
                    self._set_json(members, name, value, set_member)
                elif (word := value.strip()) not in self._missing:
                    set_member(members, word)
        except _Unusable as error:
            return RowRefused(error.reason, str(error))
        return members

    def _set_json(self, members: Members, name: str, value: Any, set_member: _Setter) -> None:
        if value is None:
            # A JSON null says that there is nothing; in CSV nobody can say that.
            if None not in self._missing and name not in _NEVER_CLEARED:
                members[name] = None
        elif value is not ABSENT:
            set_member(members, value)

    def _id(self, row: Row) -> str:
        value = self._ticket(row)
        word = "" if value is None or value is ABSENT else _word("ticket", value)
        if word in self._missing:
            raise _Unusable("missing_field", "the row has no ticket id")
        return self._ticket_words.get(word, word) if self._ticket_words else word

    def _instant(self, row: Row) -> datetime:
        assert self._time is not None, "asked for only without an instant of all rows"
        value = self._time(row)
        word = "" if value is None or value is ABSENT else _word("time", value)
        if word in self._missing:
            raise _Unusable("missing_field", "the row has no time")
        return self._read_time(word)

    def _set_sequence(self, members: Members, value: Any) -> None:
        word = "" if value is None or value is ABSENT else _word("sequence", value)
        if word in self._missing:
            return
        try:
            members["sequence"] = int(word)
        except ValueError:
            raise _Unusable("invalid_field", f"sequence: `{_shown(word)}` is no whole number") from None


_NEVER_CLEARED: Final = frozenset({"activity", "actor", "visibility", "created_at"})


def _word(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise _Unusable("invalid_field", f"{name}: a {type(value).__name__} is no single value")


def _set_tags(members: Members, value: Any) -> None:
    parts: Sequence[Any] = value if isinstance(value, list) else _word("tags", value).split(",")
    tags = [tag for part in parts[:TAGS_MAX] if (tag := _word("tags", part))]
    members["tags"] = tags


def _time_reader(written: str | None, zone: ZoneInfo) -> Callable[[str], datetime]:
    """Return a function from text to an aware datetime; it remembers what it has read."""
    remembered: dict[str, datetime] = {}
    naive = _naive_reader(written)

    def read(text: str) -> datetime:
        known = remembered.get(text)
        if known is None:
            if len(remembered) >= TIMES_REMEMBERED_MAX:
                remembered.clear()
            known = remembered[text] = _parse(text, naive, written, zone)
        return known

    return read


_DIRECTIVES: Final = ("%Y", "%m", "%d", "%H", "%M", "%S")
_DATE_DIRECTIVES: Final = 3


def _naive_reader(written: str | None) -> Callable[[str], datetime]:
    """Return what reads a time written so. Raises ValueError when called.

    A format of numbers alone is read by a pattern, six times as fast as strptime; a text that does not
    fit (`1/2/2026`) is still strptime's.
    """
    if written is None:
        return datetime.fromisoformat
    pieces = re.split(r"(%.)", written)
    shown = [piece for piece in pieces if piece.startswith("%")]
    places = [shown.index(one) for one in _DIRECTIVES if one in shown]
    if not _is_leading(shown):
        return lambda text: datetime.strptime(text, written)  # noqa: DTZ007
    digits = (r"(\d{4})" if one == "%Y" else r"(\d\d)" if one in shown else re.escape(one) for one in pieces)
    fits = re.compile("".join(digits), re.ASCII).fullmatch

    def read(text: str) -> datetime:
        found = fits(text)
        if found is None:
            return datetime.strptime(text, written)  # noqa: DTZ007
        numbers = found.groups()
        return datetime(*[int(numbers[place]) for place in places])  # type: ignore[arg-type] # noqa: DTZ001

    return read


def _is_leading(shown: Sequence[str]) -> bool:
    """Return whether the directives are the first ones of _DIRECTIVES, a whole date at least, each once."""
    count = len(shown)
    return count >= _DATE_DIRECTIVES and set(shown) == set(_DIRECTIVES[:count])


def _parse(text: str, naive: Callable[[str], datetime], written: str | None, zone: ZoneInfo) -> datetime:
    try:
        instant = naive(text)
    except ValueError:
        shape = f"is not written like {written}" if written else "is no ISO 8601 time; give `format:`"
        raise _Unusable("invalid_time", f"`{_shown(text)}` {shape}") from None
    if instant.tzinfo is None:
        # fold=0: of a time that occurs twice in autumn, the first.
        instant = instant.replace(tzinfo=zone)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise _Unusable("invalid_time", f"`{_shown(text)}` is no time of a ticket") from None


_SHOWN_CHARACTERS_MAX: Final = 60


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}..."
