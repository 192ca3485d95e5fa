"""A request's items, one by one: each is accepted or refused for itself, and none suffers for another.

A sender of five hundred tickets with one mistake learns which one it was; the other 499 are on the bus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Raw

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.envelope import Context, defaults_of
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Reason, Rejection, rejected
from services.intake.core.sources import Publisher, Sources, named_by


class Item(NamedTuple):
    """One ticket as it came, or one that could not even be found in its envelope (`broken`)."""

    raw: bytes | Raw
    event_id: str
    """For the ticket that names none; of a CloudEvent, its id."""
    context: Context | None = None
    broken: Rejection | None = None
    content_type: str = "application/json"
    """Of `raw`: kept with it if it is refused."""
    is_fresh: bool = False
    """`event_id` was drawn for this request, not given by its sender."""


class Refused(NamedTuple):
    """An item that was not accepted. `normaliser` None: not even its source is known."""

    rejection: Rejection
    item: Item
    normaliser: Normaliser | None


Outcome = Normalised | Refused

NOT_KEPT: Final = frozenset({Reason.FORBIDDEN_SOURCE, Reason.UNKNOWN_SOURCE})
"""Nobody's input: there is no source whose owner could mend and retry it."""


class Reception:
    """Receives the items of one publisher."""

    def __init__(self, sources: Sources, publisher: Publisher, *, named: str | None, bytes_max: int) -> None:
        """`named` is the source that the request as a whole names; `bytes_max` limits one item."""
        self._sources, self._publisher, self._named = sources, publisher, named
        self._bytes_max = bytes_max
        self._chosen = sources.choose(publisher, named)

    @property
    def chosen(self) -> Normaliser | Rejection:
        """The source for items that name none, or why there is none."""
        return self._chosen

    def receive(self, items: Sequence[Item], arrival: Arrival) -> list[Outcome]:
        """Return what became of each item, in order."""
        return [self._one(item, arrival) for item in items]

    def _one(self, item: Item, arrival: Arrival) -> Outcome:
        normaliser = self._chosen if item.context is None else self._source_of(item.context)
        if isinstance(normaliser, Rejection):
            return Refused(normaliser, item, None)
        if item.broken is not None:
            return Refused(item.broken, item, normaliser)
        if len(item.raw) > self._bytes_max:
            detail = f"one ticket has at most {self._bytes_max} bytes"
            return Refused(rejected(Reason.TOO_LARGE, detail), item, normaliser)
        defaults = (
            Defaults(item.event_id, is_fresh=item.is_fresh)
            if item.context is None
            else defaults_of(item.context, normaliser.definition.name)
        )
        if isinstance(defaults, Rejection):
            return Refused(defaults, item, normaliser)
        outcome = normaliser.json(item.raw, defaults, arrival)
        return Refused(outcome, item, normaliser) if isinstance(outcome, Rejection) else outcome

    def _source_of(self, context: Context) -> Normaliser | Rejection:
        """Return the source a CloudEvent means: the one its `source` names, or else the request's."""
        named = named_by(context.source)
        if named is None:
            return self._chosen
        tenant, source = named
        if tenant != self._publisher.tenant:
            return rejected(Reason.FORBIDDEN_SOURCE, "this key publishes for its own tenant only", "/source")
        if self._named not in {None, source}:
            detail = "the event and the parameter `source` name different sources"
            return rejected(Reason.FORBIDDEN_SOURCE, detail, "/source")
        return self._sources.choose(self._publisher, source)


def kept_headers(item: Item) -> Mapping[str, str]:
    """Return what of an item's envelope a retry needs: never credentials."""
    context = item.context
    if context is None:
        return {"event_id": item.event_id}
    shown = {
        "ce_id": context.id,
        "ce_type": context.type,
        "ce_source": context.source,
        "ce_subject": context.subject,
        "ce_time": context.time.isoformat() if context.time else None,
        "ce_sequence": context.extensions.get("sequence"),
    }
    return {name: value for name, value in shown.items() if value is not None}
