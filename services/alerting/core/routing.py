"""Who is told of an alert: each receiver once, however many routes lead to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.alerting.core.alerts import AlertRecord


@dataclass(frozen=True, slots=True)
class Route:
    """All of `match` must hold: `severity`, `rule`, `tenant` or a label of the alert."""

    receiver: str
    match: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """Without routes, every alert goes to every receiver."""

    receivers: tuple[str, ...]
    routes: tuple[Route, ...] = ()

    def receivers_of(self, alert: AlertRecord) -> Sequence[str]:
        """Return who is told, in the order of the receivers."""
        if not self.routes:
            return self.receivers
        words = matched_words(alert)
        chosen = {
            route.receiver
            for route in self.routes
            if all(words.get(name) == value for name, value in route.match)
        }
        return tuple(name for name in self.receivers if name in chosen)


def matched_words(alert: AlertRecord) -> dict[str, str]:
    """Return what a route can match."""
    return {
        **dict(alert.labels),
        "tenant": alert.tenant,
        "severity": alert.severity,
        "rule": alert.rule,
    }
