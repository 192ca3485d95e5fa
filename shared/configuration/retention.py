"""How long what is kept: the section `retention`. What is not said there stays as it is.

A topic has its retention from its creation (shared/contracts/topics.py) or from whoever administrates the
cluster; one that is named here is altered at start. Tickets are kept whole for ever unless it is said otherwise:
what is gone cannot be had back, and an old log that is imported would be gone with its import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from shared.configuration.problems import refused
from shared.configuration.section import Section
from shared.configuration.values import Seconds
from shared.contracts.topics import ALERTS, EVENTS, FACTS, INBOX, REJECTED

_DAY_SECONDS: Final = 86_400
TICKETS_SECONDS_MIN: Final = 7 * _DAY_SECONDS
"""The weekly review looks back so far."""


def _days(seconds: int) -> int:
    if seconds < _DAY_SECONDS or seconds % _DAY_SECONDS:
        raise refused("a topic is kept for whole days", "write `30d`, at least `1d`")
    return seconds // _DAY_SECONDS


def _long_enough(seconds: int) -> int:
    if seconds < TICKETS_SECONDS_MIN:
        raise refused("the weekly review would miss tickets", "write at least `7d`")
    return seconds


_Days = Annotated[Seconds, AfterValidator(_days)]


class Retention(Section):
    """How long each is kept; None: as it is."""

    events: _Days | None = None
    inbox: _Days | None = None
    rejected: _Days | None = None
    facts: _Days | None = None
    alerts: _Days | None = None
    tickets: Annotated[Seconds, AfterValidator(_long_enough)] | None = None
    """Seconds since a ticket left the stock."""

    @property
    def topic_days(self) -> Mapping[str, int]:
        """The topics that are named, each with the days its records are kept."""
        said = {
            EVENTS.name: self.events, INBOX.name: self.inbox, REJECTED.name: self.rejected,
            FACTS.name: self.facts, ALERTS.name: self.alerts,
        }  # fmt: skip
        return {name: days for name, days in said.items() if days is not None}
