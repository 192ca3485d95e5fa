"""What publishing a document would do: what changes, from when it counts, and what it reaches.

The rules are those by which aging adopts a version: it counts from when it is applied or from its
`effective_from`, whichever is later. Before that everything stays as it was, except for hours that say
why they reach back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from barometer.differences import Change, Document, differences
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import rfc3339, to_us

_OF_PROMISES: Final = frozenset({"calendars", "sla"})


class Retroactive(NamedTuple):
    """Hours that reach what has passed."""

    calendar: str
    effective_from: str
    reason: str


class Foresight(NamedTuple):
    """What publishing would do to what is in force."""

    version: int | None
    """The newest that is published; None if there is none."""
    changes: list[Change]
    counts_from: datetime | None
    """None: from when it is applied."""
    retroactive: list[Retroactive]
    notes: list[str]
    """From when the changes count and what they reach, for people."""

    @property
    def moves_deadlines(self) -> bool:
        """Whether anything changes that promises depend on."""
        return any(change.section in _OF_PROMISES for change in self.changes)

    def document(self) -> dict[str, Any]:
        """Return it as `config diff --json` prints it."""
        return {
            "version": self.version,
            "changes": [change._asdict() for change in self.changes],
            "counts_from": None if self.counts_from is None else rfc3339(to_us(self.counts_from)),
            "retroactive": [one._asdict() for one in self.retroactive],
            "notes": self.notes,
        }


def foresee(
    newest: ConfigVersion | None, document: Document, *, now: datetime, effective_from: datetime | None
) -> Foresight:
    """Return what publishing `document` at `now` would do, if it counts from `effective_from`."""
    old: Document = {} if newest is None else newest.document
    changes = differences(old, document)
    counts_from = effective_from if effective_from is not None and effective_from > now else None
    since = rfc3339(to_us(counts_from or now))
    begun = [
        (name, version)
        for name, version in _new_hours(old, document)
        if version["effective_from"] is not None and version["effective_from"] < since
    ]
    back = [
        Retroactive(name, version["effective_from"], version["retroactive"])
        for name, version in begun
        if version["retroactive"] is not None
    ]
    notes = list(_notes(changes, document, counts_from, effective_from))
    notes += [
        f"calendar {one.calendar} reaches back to {one.effective_from}: {one.reason}. What was stated since "
        "is stated anew where it differs."
        for one in back
    ]
    notes += [
        f"calendar {name}: the version from {version['effective_from']} has begun already. It counts from "
        "when it is applied; with `retroactive: REASON` it reaches back."
        for name, version in begun
        if version["retroactive"] is None
    ]
    return Foresight(newest.version if newest else None, changes, counts_from, back, notes)


def _new_hours(old: Document, new: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the versions of calendars that are not there word for word already."""
    before: Mapping[str, Any] = old.get("calendars", {})
    for name, versions in new.get("calendars", {}).items():
        yield from ((name, version) for version in versions if version not in before.get(name, ()))


def _notes(
    changes: list[Change], document: Document, counts_from: datetime | None, effective_from: datetime | None
) -> Iterator[str]:
    if not changes:
        return
    if counts_from is not None:
        yield f"It counts from {rfc3339(to_us(counts_from))}. What was stated before stays."
    elif effective_from is not None:
        yield (
            f"{rfc3339(to_us(effective_from))} has passed, so it counts from when it is applied. What was "
            "stated before stays."
        )
    else:
        yield "It counts from when it is applied. What was stated before stays."
    if any(change.section == "calendars" for change in changes):
        yield "calendars: the clocks of open tickets are timed anew, by the new hours from then on."
    of_policies = {change.since for change in changes if change.section == "sla" and change.subject}
    for version in document["sla"]["versions"]:
        if version["effective_from"] in of_policies:
            yield _reach(version)


def _reach(version: Mapping[str, Any]) -> str:
    since = f" from {version['effective_from']}" if version["effective_from"] else ""
    if version["apply"] == "running":
        return f"policies{since}: they reach promises that run already, with the time used and paused kept."
    return f"policies{since}: for promises that begin from then on; those that run keep theirs."
