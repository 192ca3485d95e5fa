"""The calendars a question may name: those of the configuration, `24x7`, or one written into the question."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from barometer.exits import Refused
from barometer.places import configuration_path
from services.aging.core.terms import Terms
from services.aging.settings import terms_of
from shared.calendars.compiled import compiled
from shared.calendars.definition import CalendarInvalid, definition_from
from shared.calendars.hours import ALWAYS, Hours
from shared.calendars.versions import published_hours
from shared.configuration.facts import facts_document
from shared.configuration.loader import load
from shared.configuration.problems import did_you_mean

ALWAYS_OPEN: Final = "24x7"


class Calendars:
    """Hours by name or by document, and policies. The configuration is read when the first name asks for it."""

    def __init__(self, config: Path | None) -> None:
        self._path = configuration_path(config)
        self._hours: dict[str, Hours] = {ALWAYS_OPEN: ALWAYS}
        if config is not None:
            self._published  # noqa: B018 (a file that was named is wrong at once, not at the first question)

    def find(self, calendar: object) -> Hours:
        """Return the hours of a name or of a calendar's document. Raises Refused, ConfigurationInvalid."""
        if isinstance(calendar, str):
            if calendar not in self._hours:
                self._hours[calendar] = self._named(calendar)
            return self._hours[calendar]
        if isinstance(calendar, Mapping):
            try:
                return compiled(definition_from(calendar, may_never_open=True))
            except CalendarInvalid as invalid:
                raise Refused(f"calendar: {invalid}") from invalid
        raise Refused("calendar: name one, or write one: an object with timezone and weekly")

    @cached_property
    def terms(self) -> Terms:
        """The policies of the configuration. Raises ConfigurationInvalid."""
        return terms_of(self._document, "file")

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return facts_document(load(self._path))

    @property
    def _published(self) -> Mapping[str, Any]:
        calendars: Mapping[str, Any] = self._document["calendars"]
        return calendars

    def _named(self, name: str) -> Hours:
        if name in self._published:
            return published_hours(self._published[name])
        mend = did_you_mean(name, [ALWAYS_OPEN, *self._published])
        where = f"in {self._path}" if self._path else "without a configuration (--config FILE)"
        raise Refused(f"there is no calendar `{name}` {where}; {mend}")
