"""Trello cards: a board's webhook, which tells of every action on it.

Source: developer.atlassian.com, Trello webhooks and action types. Signed are the body and the address that
the webhook was registered with, byte for byte: behind a proxy it must be configured. Trello asks by HEAD
whether the address answers before it makes the webhook.

A card has no status: the name of its list is the word, `archived` that of a closed card, `complete` that of
one marked so. It is read only from actions that change it, for a comment on an archived card names its list
all the same. A priority is a label, shown when it is added; a removed one says nothing, for another may have
been added before. A removed member clears the assignee: rather unowned for a while than owned by nobody.
Members of a board are taken for agents, for customers have no part in it. The ticket's id is the card's id,
whose first eight digits are the second it was made in.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, instant, parse
from services.intake.core.vendors.members import LABEL_PRIORITIES, WAITING_WORDS, known, priority_label
from services.intake.core.vendors.port import (
    Delivery,
    Members,
    Shaken,
    Shown,
    Unreadable,
    Untrusted,
    Vendor,
    Verified,
    Vocabulary,
)
from services.intake.core.vendors.signing import base64_text, verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Status, Visibility

_MADE: Final = frozenset({"createCard", "copyCard", "emailCard", "convertToCardFromCheckItem"})
_MOVED: Final = _MADE | {"moveCardToBoard"}
"""Actions that name the list a card is in because it has just come there."""
_MEMBER_WENT: Final = "removeMemberFromCard"
_ON_CARD: Final = re.compile(r"Card$")
_ID: Final = re.compile(r"[0-9a-f]{24}")
_SECOND_DIGITS: Final = 8


class Trello:
    """The adapter; see port.Vendor."""

    name = "trello"
    vocabulary = Vocabulary(
        statuses={
            **WAITING_WORDS,
            **dict.fromkeys(
                ("to do", "todo", "backlog", "inbox", "new", "open", "triage", "incoming"),
                ShownStatus(Status.NEW),
            ),
            **dict.fromkeys(
                ("doing", "in progress", "wip", "working", "review", "in review", "testing"),
                ShownStatus(Status.IN_PROGRESS),
            ),
            **dict.fromkeys(
                ("done", "complete", "completed", "resolved", "solved"), ShownStatus(Status.SOLVED)
            ),
            **dict.fromkeys(("closed", "archived"), ShownStatus(Status.CLOSED)),
        },
        status_default=ShownStatus(Status.NEW),
        priorities=LABEL_PRIORITIES,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Trello-Webhook: the body and then the registered address."""
        signed = delivery.body + delivery.url.encode("utf-8", "replace")
        shown = delivery.header("x-trello-webhook")
        return verify_hmac(shown, signed, secrets, algorithm="sha1", how=self.name, text=base64_text)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Answer HEAD."""
        del secrets
        return Shaken(200) if delivery.method == "HEAD" else None

    def read(self, delivery: Delivery) -> Shown:
        """Return the card that the action is about."""
        action = parse(delivery.body)["action"]
        if not isinstance(action.value, dict):
            raise Unreadable("a request without an action")
        data = action["data"]
        if not data.has("card") and not _ON_CARD.search(action["type"].text() or "Card"):
            return Shown(ignored="no_ticket")
        card_id = data["card"]["id"].text()
        if card_id is None:
            raise Unreadable("an action on a card without its id")
        members = _card(data) | _changed(action)
        happened_at = action["date"].instant()
        members |= {"id": card_id, "event_id": action["id"].text(), "time": happened_at}
        members["created_at"] = _made_at(card_id, happened_at)
        is_unowned = action["type"].text() == _MEMBER_WENT
        return Shown((known(members, cleared=("assignee",) if is_unowned else ()),))


def _card(data: Node) -> Members:
    card = data["card"]
    link = card["shortLink"].text()
    return {
        "subject": card["name"].subject(),
        "queue": data["board"]["name"].text(),
        "url": Node(f"https://trello.com/c/{link}").address() if link else None,
    }


def _changed(action: Node) -> Members:
    kind, data = action["type"].text() or "", action["data"]
    members: Members = {"activity": Activity.UPDATED, "actor": Actor.AGENT, "status": _status(kind, data)}
    if kind in _MADE:
        members["activity"] = Activity.CREATED
    elif kind == "deleteCard":
        members["activity"] = Activity.DELETED
    elif kind == "commentCard":
        members |= {"activity": Activity.AGENT_MESSAGE, "visibility": Visibility.PUBLIC}
    elif kind in {"addMemberToCard", _MEMBER_WENT}:
        members["assignee"] = None if kind == _MEMBER_WENT else _member(action)
    elif kind == "addLabelToCard":
        members["priority"] = priority_label([data["label"]["name"].text() or ""])
    elif kind == "moveCardFromBoard":
        members["queue"] = data["boardTarget"]["name"].text()
    if kind == "emailCard":
        members |= {"actor": Actor.CUSTOMER, "channel": Channel.EMAIL}
    return members


def _status(kind: str, data: Node) -> str | None:
    card, name = data["card"], data["list"]["name"].text()
    if kind in _MOVED:
        return name
    if kind != "updateCard":
        return None
    if card.has("closed"):
        return "archived" if card["closed"].flag() else name
    if card.has("dueComplete"):
        return "complete" if card["dueComplete"].flag() else name
    return data["listAfter"]["name"].text()


def _member(action: Node) -> str | None:
    return action["member"]["username"].text() or action["data"]["member"]["name"].text()


def _made_at(card_id: str, happened_at: datetime | None) -> datetime | None:
    """Return when a card was made, as its id says; an id of another form says nothing."""
    if happened_at is None or not _ID.fullmatch(card_id):
        return None
    made_at = instant(int(card_id[:_SECOND_DIGITS], 16))
    return made_at if made_at is not None and made_at <= happened_at else None


VENDOR: Final[Vendor] = Trello()
