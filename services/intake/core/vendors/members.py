"""What the adapters of trackers share: members that say something, priorities that are labels, usual words."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.port import Members
from shared.contracts.tickets import Priority, Status, WaitReason

WAITING_WORDS: Final = {
    **dict.fromkeys(("waiting", "blocked", "on hold"), ShownStatus(Status.WAITING, WaitReason.INTERNAL)),
    **dict.fromkeys(
        ("waiting for customer", "waiting on customer", "pending customer"),
        ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
    ),
    **dict.fromkeys(
        ("waiting for vendor", "waiting on vendor"), ShownStatus(Status.WAITING, WaitReason.VENDOR)
    ),
}
"""What people call a state of waiting where they may name states themselves."""

LABEL_PRIORITIES: Final = {
    **dict.fromkeys(("p0", "p1", "1", "sev1", "critical", "blocker", "urgent", "highest"), Priority.P1),
    **dict.fromkeys(("p2", "2", "sev2", "high", "major"), Priority.P2),
    **dict.fromkeys(("p3", "3", "sev3", "medium", "normal", "moderate"), Priority.P3),
    **dict.fromkeys(("p4", "4", "sev4", "low", "minor", "lowest", "trivial"), Priority.P4),
}
"""The words that `priority_label` finds, and what they mean."""

_PATTERNS: Final = (
    re.compile(r"(p[0-4])"),
    re.compile(r"prio(?:rity)?[\s:/_=-]+(.+)"),
    re.compile(r"(\w+)[\s_-]+prio(?:rity)?"),
    re.compile(r"(sev)[\s_-]*([0-9])"),
    re.compile(r"sev(?:erity)?[\s:/_=-]+(.+)"),
)
"""Forms of a label that names a priority, the surest first: a severity counts where no priority is shown."""


def known(members: Members, cleared: Container[str] = ()) -> Members:
    """Return `members` without those that are None, for None clears; `cleared` are cleared knowingly."""
    return {name: value for name, value in members.items() if value is not None or name in cleared}


def priority_label(labels: Iterable[str]) -> str | None:
    """Return the word of a label that is a priority: `P1`, `priority: high`, `priority::2`, `sev-1`.

    A word after such a prefix counts even if nobody knows it: a source's own map may.
    """
    folded = [label.strip().casefold() for label in labels]
    for pattern in _PATTERNS:
        for label in folded:
            if found := pattern.fullmatch(label):
                return "".join(found.groups()).strip() or None
    return None
