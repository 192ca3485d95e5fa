"""Fields of a ticket by the paths where a vendor's body shows them.

Absent and null are two things: a body without `assignee` says nothing of it, `"assignee": null` says that
nobody has the ticket. A strange value (a list where a name should be) says nothing either: it must not
clear what is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.intake.core.ticket import SEQUENCE_MAX
from services.intake.core.vendors.body import Node
from services.intake.core.vendors.port import Members
from shared.contracts.tickets import SUBJECT_CHARACTERS_MAX, TEXT_CHARACTERS_MAX

_LIMITS: Final = {"subject": SUBJECT_CHARACTERS_MAX}


def fields(node: Node, paths: Mapping[str, str]) -> Members:
    """Return the members of which `paths` (member to path below `node`) shows a text, a number or nothing.

    Null anywhere on the path clears, as an empty text does.
    """
    members: Members = {}
    for name, path in paths.items():
        found = _last(node, path)
        if found is None:
            continue
        text = found.text(_LIMITS.get(name, TEXT_CHARACTERS_MAX))
        if text is not None or found.value is None or isinstance(found.value, str):
            members[name] = text
    return members


def tags(node: Node, name: str, *keys: str) -> Members:
    """Return `tags` of the list `name` of texts, or of the members `keys` of its objects; null clears."""
    if isinstance(node[name].value, list):
        return {"tags": node[name].texts(*keys)}
    return {"tags": None} if node.has(name) and node[name].value is None else {}


def sequence(node: Node) -> int | None:
    """Return a revision number, None if it is none or larger than a ticket holds."""
    number = node.integer()
    return number if number is not None and abs(number) <= SEQUENCE_MAX else None


def _last(node: Node, path: str) -> Node | None:
    """Return what lies at `path`, a Node of None where null is on the way, and None if nothing is there."""
    for step in path.split("."):
        if not node.has(step):
            return None
        node = node[step]
        if node.value is None:
            return node
    return node
