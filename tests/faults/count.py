"""What was acknowledged, stored, published and told, counted against each other.

Lost: somebody was promised it, and it is not there. Double: it is there twice for a reader who drops repeats by id,
as every reader must (docs/batch.md); mere repeats are told apart, since they do no harm. Statements nobody can
account for count as double, too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from tests.contract.receiver import Received
from tests.faults.load import Story

EVENTS: Final = "tickets.events.v1"
FACTS: Final = "backlog.facts.v1"
CELLS: Final = "backlog.cells.v1"
REJECTED: Final = "tickets.rejected.v1"
TOPICS: Final = {EVENTS: 4, FACTS: 4, CELLS: 2, REJECTED: 1}
_OBSERVED: Final = b"barometer.ticket.observed.v1"
_CELL: Final = b"barometer.backlog.cell.v1"
_MS: Final = 1
"""Append times are whole milliseconds."""
_EXPECTED_TYPES: Final = ("ticket.opened", "age.crossed", "ticket.solved")


class Raw(NamedTuple):
    """What a stranger sees of a record."""

    key: bytes
    type: bytes
    data: dict[str, Any]
    time_ms: int
    partition: int


class Statement(NamedTuple):
    """What a fact says, without its id."""

    ticket: str
    type: str
    clock: str
    instance: int
    at: datetime


@dataclass
class Count:
    """How many there are of each kind, and what is wrong with them, in words."""

    events: int = 0
    tickets: int = 0
    facts: int = 0
    messages: int = 0
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    repeats: dict[str, int] = field(default_factory=dict)
    """By kind: said again under the same id."""

    @property
    def good(self) -> bool:
        """Whether nothing is lost and nothing double."""
        return not self.lost and not self.double

    def __str__(self) -> str:
        again = ", ".join(f"{number} {kind}" for kind, number in self.repeats.items() if number)
        return (
            f"{self.events} events, {self.tickets} tickets, {self.facts} facts, {self.messages} messages: "
            f"{len(self.lost)} lost, {len(self.double)} double" + (f" (repeated: {again})" if again else "")
        )


@dataclass(frozen=True)
class Seen:
    """What lies about, raw."""

    topics: Mapping[str, Sequence[Raw]]
    tickets: Sequence[tuple[Any, ...]]
    """ticket, status, queue, open, created_us"""
    marks: Mapping[str, int]
    """By ticket."""
    received: Sequence[Received] | None
    """None: nobody is to be told."""


def count(stories: Iterable[Story], seen: Seen) -> Count:
    """Return what `seen` comes to, against what the senders know."""
    result = Count()
    known = {story.key: story for story in stories if story.events}
    _count_events(known, seen, result)
    _count_rows(known, seen, result)
    _count_facts(known, seen.topics.get(FACTS, ()), result)
    _count_stock(known, seen.topics.get(CELLS, ()), result)
    if seen.received is not None:
        _count_messages(known, seen.received, result)
    result.double += [f"rejected: {one.data}" for one in seen.topics.get(REJECTED, ())]
    return result


def _count_events(known: Mapping[str, Story], seen: Seen, result: Count) -> None:
    appended = [
        (one.data["ticket"], one.data["id"]) for one in seen.topics.get(EVENTS, ()) if one.type == _OBSERVED
    ]
    promised = {(story.key, event) for story in known.values() for event in story.events}
    result.events = len(promised)
    result.lost += [f"not on the bus: {event}" for event in sorted(promised - set(appended))]
    result.double += [f"on the bus, never sent: {event}" for event in sorted(set(appended) - promised)]
    result.repeats["events"] = len(appended) - len(set(appended))


def _count_rows(known: Mapping[str, Story], seen: Seen, result: Count) -> None:
    result.tickets = len(seen.tickets)
    stored = {row[0]: row[1:] for row in seen.tickets}
    for key, story in known.items():
        wanted = (story.status, story.queue, story.solved is None, _us(story.created))
        if (row := stored.pop(key, None)) is None:
            result.lost.append(f"no row: {key}")
        elif wanted != (*row[:2], bool(row[2]), row[3]):
            result.lost.append(f"row of {key}: {row}, expected {wanted}")
        marks = seen.marks.get(key, 0)
        if marks != len(story.events):
            wrong = result.lost if marks < len(story.events) else result.double
            wrong.append(f"marks of {key}: {marks}, acknowledged {sorted(story.events)}")
    result.double += [f"a row of nobody: {key}" for key in stored]


def _count_facts(known: Mapping[str, Story], records: Sequence[Raw], result: Count) -> None:
    ids: dict[Statement, set[str]] = defaultdict(set)
    turns: dict[str, int] = defaultdict(lambda: -1)
    said: set[tuple[str, int]] = set()
    for record in records:
        data = record.data
        if "turn" not in data:
            continue
        statement = Statement(
            data["ticket"], data["type"], data.get("clock", ""), data.get("instance", 0),
            datetime.fromisoformat(data["at"]),
        )  # fmt: skip
        ids[statement].add(data["id"])
        if statement.type == "age.crossed" and record.time_ms + _MS < _us(statement.at) // 1_000:
            result.double.append(f"stated before it was true, at {record.time_ms}: {statement}")
        turns[data["id"]] = max(turns[data["id"]], data["turn"])
        result.repeats["facts"] = result.repeats.get("facts", 0) + ((data["id"], data["turn"]) in said)
        said.add((data["id"], data["turn"]))
    result.facts = len(turns)
    result.double += [f"under {len(each)} ids: {one}" for one, each in ids.items() if len(each) > 1]
    standing = {
        (one.ticket, one.type, one.at)
        for one, each in ids.items()
        if one.type in _EXPECTED_TYPES and any(turns[each_id] % 2 == 0 for each_id in each)
    }
    wanted = set(_facts(known.values()))
    result.lost += [f"no fact: {one}" for one in sorted(wanted - standing)]
    result.double += [f"a fact of nothing: {one}" for one in sorted(standing - wanted)]


def _facts(stories: Iterable[Story]) -> Iterable[tuple[str, str, datetime]]:
    for story in stories:
        yield story.key, "ticket.opened", story.created
        if story.solved is None or story.crosses < story.solved:
            yield story.key, "age.crossed", story.crosses
        if story.solved is not None:
            yield story.key, "ticket.solved", story.solved


def _count_stock(known: Mapping[str, Story], records: Sequence[Raw], result: Count) -> None:
    """Add the newest cells up: what everybody downstream believes to be open."""
    newest: dict[bytes, dict[str, Any]] = {}
    for record in records:
        if record.type == _CELL and record.data.get("kind", "main") == "main":
            here = newest.get(record.key)
            if here is None or _version(record.data) > _version(here):
                newest[record.key] = record.data
    _count_epochs(records, result)
    shown = sum(cell.get("open", 0) for cell in newest.values())
    wanted = sum(story.solved is None for story in known.values())
    if shown != wanted:
        wrong = result.lost if shown < wanted else result.double
        wrong.append(f"cells count {shown} open tickets, there are {wanted}")


def _count_epochs(records: Sequence[Raw], result: Count) -> None:
    """Look for what a former owner published: below an epoch that its partition had reached on the bus."""
    reached: dict[tuple[int, int], int] = {}
    for record in records:
        if record.type == _CELL:
            place = (record.partition, record.data["partition"])
            epoch = record.data["epoch"]
            if epoch < reached.get(place, epoch):
                result.double.append(f"published by a former owner: {record.data}")
            reached[place] = max(epoch, reached.get(place, epoch))


def _version(cell: Mapping[str, Any]) -> tuple[int, int]:
    return cell["epoch"], cell["version"]


def _count_messages(known: Mapping[str, Story], received: Sequence[Received], result: Count) -> None:
    ids: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in received:
        data = json.loads(one.body)["data"]
        if "queue" not in data["labels"]:
            continue  # Barometer's own alert: a partition said nothing for 30 s, which a fault may well cause
        ids[data["labels"]["queue"], data["state"]].append(one.headers["webhook-id"])
    wanted: set[tuple[str, str]] = set()
    for story in known.values():
        wanted.add((story.queue, "firing"))
        if story.solved is not None:
            wanted.add((story.queue, "resolved"))
    result.messages = len(ids)
    result.repeats["messages"] = sum(len(each) - len(set(each)) for each in ids.values())
    result.lost += [f"nobody was told: {one}" for one in sorted(wanted - ids.keys())]
    result.double += [f"told of nothing: {one}" for one in sorted(ids.keys() - wanted)]
    result.double += [
        f"told under {len(set(each))} ids: {one}" for one, each in ids.items() if len(set(each)) > 1
    ]


def _us(instant: datetime) -> int:
    whole = int(instant.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + instant.microsecond
