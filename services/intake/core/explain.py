"""What is wrong with a ticket, all of it at once, in words that say how to mend it.

The typed reader stops at its first error and says it in its own terms. That is right for speed and
wrong for people, so refused input is read again here, member by member. Slow, and only for bad input:
what it costs is bounded by the limit on an item's size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from services.intake.core.channels.parts import PART_EXPECTED, PART_MEMBER_TYPES, PARTS
from services.intake.core.rejection import Fault, Reason, pointer_to
from services.intake.core.ticket import EXPECTED, MEANT, MEMBER_TYPES, TIME_MEMBERS, PlainTicket

_SHOWN_CHARACTERS_MAX: Final = 60
_MEMBERS_EXPLAINED_MAX: Final = 100
_INTEGER_DIGITS_MAX: Final = 400
_LIKENESS: Final = 0.6
"""difflib's ratio above which another name is worth suggesting: `subjekt` -> `subject`, not `x` -> `url`."""

_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What CloudEvents forbids in strings, which every consumer of ours relies on."""
_SURROGATES_FROM: Final = 0xD800
_INDEX: Final = re.compile(r"at `\$\[(\d+)\]")


def read_bytes(raw: bytes, said: str) -> tuple[PlainTicket, list[Fault]]:
    """Return what of `raw` could be read, and at least one fault. `said`: the typed reader's complaint."""
    try:
        text = raw.decode("utf-8")
        members = json.loads(text, parse_int=_integer, parse_constant=_no_constant)
        ticket, faults = read_members(members)
    except UnicodeDecodeError as error:
        return _unread(Reason.INVALID_UTF8, f"byte {error.start} is not UTF-8; send JSON in UTF-8")
    except RecursionError:
        return _unread(Reason.TOO_DEEP, "the JSON is nested too deeply; a ticket has at most a list in it")
    except ValueError:
        return _unread(Reason.MALFORMED_JSON, said)
    return (ticket, faults) if faults else _unread(Reason.MALFORMED_JSON, said)


def _unread(reason: Reason, detail: str) -> tuple[PlainTicket, list[Fault]]:
    return PlainTicket(), [Fault(reason, "", detail)]


def read_members(members: object) -> tuple[PlainTicket, list[Fault]]:
    """Return what of `members` could be read, and a fault for each one that could not."""
    if not isinstance(members, Mapping):
        detail = f'a ticket is a JSON object such as {{"id": "42"}}, not {_shown(members)}'
        return PlainTicket(), [Fault(Reason.NOT_AN_OBJECT, "", detail)]
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in list(members.items())[:_MEMBERS_EXPLAINED_MAX]:
        if name not in MEMBER_TYPES:
            faults.append(_unknown(name))
            continue
        try:
            read[name] = msgspec.convert(value, MEMBER_TYPES[name])
        except msgspec.ValidationError as error:
            faults.extend(_part_faults(name, value) or [_wrong(name, value, str(error))])
    for name, value in read.items():
        faults.extend(unprintable(name, value))
    return PlainTicket(**read), faults


def _unknown(name: str) -> Fault:
    return Fault(Reason.UNKNOWN_FIELD, pointer_to(_printable(str(name))), _did_you_mean(name))


def _part_faults(name: str, value: object) -> list[Fault]:
    """Return what is wrong inside a channel's part, member by member; nothing if that is not it."""
    if name not in PARTS or not isinstance(value, Mapping):
        return []
    kinds, expected = PART_MEMBER_TYPES[name], PART_EXPECTED[name]
    faults = [
        Fault(Reason.MISSING_FIELD, pointer_to(name, needed), f"is missing: {expected[needed]}")
        for needed in PARTS[name].__struct_fields__[: -len(PARTS[name].__struct_defaults__) or None]
        if needed not in value
    ]
    for member, shown in list(value.items())[:_MEMBERS_EXPLAINED_MAX]:
        if member not in kinds:
            detail = f"{name} has no member {_shown(member)}; {_near(member, kinds)}"
            faults.append(Fault(Reason.UNKNOWN_FIELD, pointer_to(name, _printable(str(member))), detail))
            continue
        try:
            msgspec.convert(shown, kinds[member])
        except msgspec.ValidationError as error:
            wrong = _wrong(member, shown, str(error), expected[member])
            faults.append(wrong._replace(pointer=pointer_to(name, member)))
    return faults


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(str(name).casefold()[:_SHOWN_CHARACTERS_MAX], known, n=1, cutoff=_LIKENESS)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def is_plain_text(text: str) -> bool:
    """Tell whether `text` is free of control characters and lone surrogates (CloudEvents forbids them)."""
    # isprintable is the fast way to "yes"; its "no" also covers unusual spaces, which are fine.
    return text.isprintable() or _FORBIDDEN.search(text) is None


def unprintable(name: str, value: object) -> list[Fault]:
    """Return a fault for each text in `value` that is not plain text; `value` may be a tuple of texts."""
    texts = enumerate(value) if isinstance(value, tuple) else ((None, value),)
    return [
        Fault(Reason.INVALID_TEXT, pointer_to(name, *(() if at is None else (at,))), _where(text))
        for at, text in texts
        if isinstance(text, str) and not is_plain_text(text)
    ]


def _where(text: str) -> str:
    found = _FORBIDDEN.search(text)
    assert found is not None, "only asked about text that has one"
    point = ord(found.group())
    what = "lone surrogate" if point >= _SURROGATES_FROM else "control character"
    return f"character {found.start()} is the {what} U+{point:04X}; remove it"


def _wrong(name: str, value: object, said: str, expected: str = "") -> Fault:
    expected = expected or EXPECTED[name]
    is_time = name in TIME_MEMBERS or expected == EXPECTED["time"]
    reason = Reason.INVALID_TIME if is_time else Reason.INVALID_FIELD
    if is_time and "timezone" in said:
        detail = f"{_shown(value)} has no offset, so nobody knows which instant it is; add Z or +01:00"
        return Fault(reason, pointer_to(name), detail)
    index = _INDEX.search(said)
    pointer = pointer_to(name, int(index.group(1))) if index else pointer_to(name)
    return Fault(reason, pointer, f"must be {expected}; got {_shown(value)}{_nearest(expected, value)}")


def _nearest(expected: str, value: object) -> str:
    choices = expected.removeprefix("one of ").split(", ")
    if not isinstance(value, str) or not expected.startswith("one of "):
        return ""
    near = get_close_matches(value.strip().casefold()[:_SHOWN_CHARACTERS_MAX], choices, n=1, cutoff=_LIKENESS)
    return f"; did you mean {near[0]}?" if near else ""


def _did_you_mean(name: str) -> str:
    folded = name.strip().casefold().replace("-", "_").replace(" ", "_")[:_SHOWN_CHARACTERS_MAX]
    near = get_close_matches(folded, MEMBER_TYPES, n=1, cutoff=_LIKENESS)
    meant = MEANT.get(folded) or (near[0] if near else None)
    if meant:
        return f"there is no member {_shown(name)}; did you mean {meant}?"
    return f"there is no member {_shown(name)}; known are {', '.join(MEMBER_TYPES)}"


def _shown(value: object) -> str:
    """Return `value` as JSON in ASCII, cut: it is hostile text on its way into an answer and a log."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"


def _printable(name: str) -> str:
    cut = name[:_SHOWN_CHARACTERS_MAX]
    return cut if is_plain_text(cut) else ascii(cut)[1:-1]


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else float("inf")


def _no_constant(name: str) -> float:
    raise ValueError(name)
