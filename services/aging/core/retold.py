"""Messages that are told twice, by a webhook and by a pull, and count once.

A clock that counts a message twice is wrong: the second answer of an agent ends a periodic update that the
first one began. As observations the two differ for good, for a webhook shows the ticket as it was when the
message was written and a list of messages cannot. So a pulled message is left out wherever the timeline has
it from elsewhere, and that is a property of the set of marks: whichever came first, the ticket is the same.

They are the same message by its id (and within a minute), where the adapter makes its webhooks' event ids of it. Where it cannot, or
could not yet, they are by second, activity, actor and visibility, one for one: of two answers in a second, one of
them told, the other is still found. A message that is pulled again and shown otherwise (its author has another role
by now) is the one that stands first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from services.aging.core.mark import Mark, is_message
from shared.contracts.instants import SECOND_US

NEAR_US: Final = 60 * SECOND_US
"""So far apart webhook and list may date one message."""


def without_retold(marks: Sequence[Mark]) -> Sequence[Mark]:
    """Return `marks` (in order) without the pulled messages that others of them tell of."""
    if not any(mark.pulled and is_message(mark) for mark in marks):
        return marks
    retold = retold_messages(marks)
    return [mark for place, mark in enumerate(marks) if place not in retold]


def retold_messages(marks: Sequence[Mark]) -> set[int]:
    """Return the places in `marks` of the pulled messages that others of them tell of."""
    messages = [(place, mark) for place, mark in enumerate(marks) if is_message(mark)]
    told, pulled = _Times(), _Times()
    for _, mark in messages:
        (pulled if mark.pulled else told).add(mark)
    spare = Counter(_likeness(mark) for _, mark in messages if not mark.pulled and not pulled.has(mark))
    retold = set()
    for place, mark in messages:
        if not mark.pulled:
            continue
        if told.has(mark):
            retold.add(place)
        elif spare[_likeness(mark)]:
            spare[_likeness(mark)] -= 1
            retold.add(place)
        told.add(mark)
    return retold


class _Times:
    """When messages were, by id."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], list[int]] = {}

    def add(self, mark: Mark) -> None:
        self._times.setdefault((mark.source, mark.id), []).append(mark.time_us)

    def has(self, mark: Mark) -> bool:
        """Return whether one of them is `mark`, though dated a little otherwise."""
        times = self._times.get((mark.source, mark.id), ())
        return any(abs(mark.time_us - time_us) <= NEAR_US for time_us in times)


def _likeness(mark: Mark) -> tuple[object, ...]:
    return mark.source, mark.time_us // SECOND_US, mark.activity, mark.actor, mark.visibility
