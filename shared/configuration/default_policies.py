"""The promises without any configuration: by channel how soon to answer, by priority how soon to solve.

Nobody told us the opening hours, so they count round the clock (24x7); with hours of your own write
policies of your own. Somebody who calls is there, somebody who chats waits at the screen, a letter is
read when it is convenient: so phone is live, chat and messaging count in minutes, social in an hour, mail
and web in hours, and what programs ask again in a day. Planned work is reviewed weekly and promised in weeks.
docs/sla-policies.md has them as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.configuration.policies import Policy

_SOLVED: Final = {"target": {"p1": "4h", "p2": "24h", "p3": "3d", "p4": "7d", "default": "3d"}}


def _policy(name: str, match: Mapping[str, Any], **targets: Any) -> Policy:
    clocks = {clock: {"target": target} for clock, target in targets.items()}
    return Policy.model_validate({"name": name, "match": match, "clocks": {**clocks, "resolution": _SOLVED}})


DEFAULT_POLICIES: Final[tuple[Policy, ...]] = (
    Policy.model_validate(
        {
            "name": "planned work",
            "match": {"kind": "project"},
            "clocks": {"resolution": {"target": {"p1": "7d", "p2": "30d", "default": "90d"}}},
        }
    ),
    _policy("phone", {"channel": "phone"}, first_response="1m", next_response="4h"),
    _policy("chat", {"channel": "chat"}, first_response="2m", next_response="5m"),
    _policy("messaging", {"channel": "messaging"}, first_response="15m", next_response="30m"),
    _policy("social", {"channel": "social"}, first_response="1h", next_response="2h"),
    _policy(
        "email and web",
        {"channel": ["email", "web"]},
        first_response={"p1": "1h", "p2": "4h", "default": "8h"},
        next_response={"p1": "2h", "p2": "8h", "default": "24h"},
    ),
    # What shows no channel often shows no messages either: a first response would be late for ever.
    _policy("everything else", {}, next_response="24h"),
)
"""What `sla.policies` is when nobody writes it."""
