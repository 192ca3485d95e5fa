"""What a seed draws once: its shape, and the configuration with all that people may edit in it.

Spans are seconds where real ones are days, so that a minute of virtual time sees ages crossed, promises broken
and rules fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from shared.configuration.models import Configuration
from shared.configuration.policies import ALWAYS_OPEN
from shared.contracts.instants import SECOND_US, from_us

TENANTS: Final = ("acme", "globex", "initech")
SOURCE: Final = "desk"
QUEUES: Final = ("first", "second", "third")
RECEIVERS: Final = ("pager", "chat")

_EDGES: Final = ((2, 5, 11), (4, 9, 20, 45), (1, 3, 30), (10, 40, 600), (7,))
_TARGETS: Final = ("2s", "5s", "9s", "20s", "45s", "10m")
_SPANS: Final = ("3s", "8s", "25s", "5m")
_CLOCKS: Final = ("first_response", "next_response", "update", "resolution", "team")


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is, and what runs where."""

    tenants: int
    events: int
    """Partitions of the events topic, and of those that follow it."""
    cells: int
    hosts: tuple[tuple[str, tuple[str, ...]], ...]
    """(name, roles)."""

    @classmethod
    def drawn(cls, random: Random) -> Shape:
        """Draw a shape."""
        return cls(
            random.randint(1, 3), random.choice((1, 2, 2, 3, 4)), random.choice((1, 1, 2)), _hosts(random)
        )


def _hosts(random: Random) -> tuple[tuple[str, tuple[str, ...]], ...]:
    everything = ("intake", "aging", "alerting")
    if random.random() < 0.5:  # as `barometer serve`, or several of it
        return tuple((f"host-{number}", everything) for number in range(random.choice((1, 2, 2, 3))))
    aging = [(f"aging-{number}", ("aging",)) for number in range(random.choice((1, 2, 3)))]
    alerting = [(f"alerting-{number}", ("alerting",)) for number in range(random.choice((1, 1, 2)))]
    intake = [(f"intake-{number}", ("intake",)) for number in range(random.choice((1, 2)))]
    return (*intake, *aging, *alerting)


def drawn_configuration(random: Random, tenants: int) -> dict[str, Any]:
    """Draw a whole configuration, in the shape of the file."""
    document: dict[str, Any] = {
        "tenants": [{"name": name} for name in TENANTS[:tenants]],
        "sources": [{"name": SOURCE, "tenant": name, "inbox": True} for name in TENANTS[:tenants]],
        "receivers": [{"name": name, "webhook": {"url": f"http://127.0.0.1:9/{name}"}} for name in RECEIVERS],
        "routes": random.choice(
            ([], [], [{"receiver": "pager"}, {"receiver": "chat", "match": {"severity": "info"}}])
        ),
    }
    edit(document, random, ("age", "sla", "calendars"))
    document["rules"] = _rules(random, document["age"]["edges"][0])
    return document


def edit(document: dict[str, Any], random: Random, sections: Sequence[str]) -> None:
    """Draw some sections anew, in place."""
    if "age" in sections:
        edges = random.choice(_EDGES)
        document["age"] = {
            "edges": [f"{edge}s" for edge in edges],
            "buckets": [f"{edge}s" for edge in edges[:2]],
            "from": random.choice(("created", "created", "episode")),
        }
    if "calendars" in sections:
        document["calendars"] = {
            "office": {"timezone": "UTC", "weekly": _week(random), "versions": _later(random)}
        }
    if "sla" in sections:
        document["sla"] = {
            "policies": [_policy(random, name) for name in ("urgent", "all")],
            "apply": random.choice(("new", "running")),
            "attention": {
                "stuck_after": random.choice(_SPANS), "stale_after": random.choice(_SPANS),
                "bounces": random.randint(1, 3), "close_after": random.choice(_SPANS),
                "escalate": random.random() < 0.7,
            },
        }  # fmt: skip
    document.setdefault("calendars", {"office": {"timezone": "UTC", "weekly": _week(random)}})


def configuration_of(document: dict[str, Any]) -> Configuration:
    """Return the configuration that `document` writes."""
    return Configuration.model_validate(document)


def _week(random: Random) -> dict[str, list[list[str]]]:
    # START_US (world.py) is 22:13:20 on a Tuesday: these windows begin and end within a world's minute.
    first, second = sorted(random.sample(range(13, 20), 2))
    return {"tue": [["09:00", f"22:{first}"], [f"22:{second}", "23:30"]], "wed": [["00:00", "12:00"]]}


def _later(random: Random) -> list[dict[str, Any]]:
    """Return a version of the hours from an instant on, which is past by then or not, and may reach back."""
    if random.random() < 0.5:
        return []
    at_us = 1_700_000_000_000_000 + int(random.random() * 40 * SECOND_US)
    version: dict[str, Any] = {"effective_from": from_us(at_us).isoformat(), "weekly": _week(random)}
    if random.random() < 0.6:
        version["retroactive"] = "a power cut"
    return [version]


def _policy(random: Random, name: str) -> dict[str, Any]:
    clocks = random.sample(_CLOCKS, random.randint(1, 3))
    policy: dict[str, Any] = {
        "name": name,
        "calendar": random.choice((ALWAYS_OPEN, ALWAYS_OPEN, "office")),
        "warn": random.choice((["50%"], ["80%"], ["2s"], [])),
        "reopen_window": random.choice(("1s", "10s", "1h")),
        "min_notice": random.choice(("0s", "3s")),
        "clocks": {
            clock: {"target": {"p1": random.choice(_TARGETS), "default": random.choice(_TARGETS)}}
            for clock in clocks
        },
    }
    if name == "urgent":
        policy["match"] = random.choice(({"priority": ["p1", "p2"]}, {"queue": ["first"]}))
    if random.random() < 0.3:
        policy["max_pause"] = random.choice(_SPANS)
    return policy


def _rules(random: Random, edge: str) -> list[dict[str, Any]]:
    pool: list[dict[str, Any]] = [
        {
            "name": "many",
            "measure": "open",
            "above": random.randint(1, 8),
            "for": random.choice(("0s", "2s")),
        },
        {"name": "by queue", "measure": "open", "by": ["queue"], "above": random.randint(0, 3)},
        {"name": "oldest", "measure": "oldest_age", "above": "6s", "for": random.choice(("0s", "3s"))},
        {"name": "edge", "measure": "older_than", "edge": edge, "above": random.randint(0, 3)},
        {"name": "late", "measure": "past_sla", "above": 0, "severity": "critical"},
        {"name": "few", "measure": "open", "below": 2, "for": "1s", "severity": "info"},
        {"name": "unowned", "measure": "unowned", "by": ["priority"], "above": 1, "for": "2s"},
        {"name": "waiting", "measure": "waiting", "by": ["wait_reason"], "above": 0},
    ]
    return random.sample(pool, random.randint(2, 5))
