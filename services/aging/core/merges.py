"""Merges touch two tickets, perhaps in two partitions: each tells the other what it has to know.

An absorbed ticket tells its survivor (`Absorbed`), which keeps one register for each; the highest
revision wins. What travels beside it are the merge links known so far, so that in a cycle (A into B,
B into C, C into A) every member sees the whole cycle, and all agree that the smallest key ignores its
own link. Links are the *shown* ones: a link that is ignored is still told, or its members would forget
the cycle and begin again.

What is told must come to rest. Of a link that is gone only the ticket it led to hears; whoever learned
of it beyond must be told anew without it. Along a chain that happens by itself. In a cycle it would be
told round and round for ever, so members of a cycle tell the links of the cycle and no others: each of
those passes its own ticket, which knows best.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from services.aging.core.clocks import asks, speaker_of
from services.aging.core.mark import Mark
from services.aging.core.ticket import Ticket
from shared.contracts.event_id import digest
from shared.contracts.instants import from_us
from shared.contracts.tickets import Absorbed, Actor, MessageMark

LINKS_MAX: Final = 1_000
"""Links told to a survivor; a cycle longer than this is not seen (its members stay merged)."""
MESSAGES_MAX: Final = 1_000
"""Messages told to a survivor, the earliest first: its clocks need the earliest unanswered one."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Absorbed)


def encode_register(register: Absorbed) -> bytes:
    """Return the body of a register's row."""
    return _encoder.encode(register)


def decode_register(body: bytes) -> Absorbed:
    """Return the register of a row's body."""
    return _decoder.decode(body)


def known_links(key: str, link: str, registers: Iterable[Absorbed]) -> dict[str, str]:
    """Return the links a ticket knows: what its registers told, and its own (which wins).

    Who was merged into this very ticket is known at first hand: from the registers, not from hearsay.
    """
    links: dict[str, str] = {}
    live = sorted((one for one in registers if not one.withdrawn), key=lambda register: register.ticket)
    for register in live:
        links.update((ticket, into) for ticket, into in register.links.items() if into != key)
    links.update((register.ticket, register.survivor) for register in live)
    if link:
        links[key] = link
    else:
        links.pop(key, None)
    return dict(sorted(links.items())[:LINKS_MAX])


def cycle_of(key: str, links: Mapping[str, str]) -> Mapping[str, str]:
    """Return the links of the cycle that `key` lies on; empty if it lies on none."""
    passed: dict[str, str] = {}
    here = key
    while here in links and here not in passed:
        passed[here] = links[here]
        here = links[here]
    return passed if passed and here == key else {}


def ignores_own_link(key: str, links: Mapping[str, str]) -> bool:
    """Return whether `key` lies on a cycle of links and is the smallest key on it."""
    return key == min(cycle_of(key, links), default=None)


def messages_of(ticket: Ticket, marks: Sequence[Mark]) -> list[MessageMark]:
    """Return the public messages of a ticket's timeline; to be opened by its customer is one."""
    spoken = [(mark.time_us, speaker) for mark in marks if (speaker := speaker_of(mark)) is not None]
    opening = (ticket.created_us, Actor.CUSTOMER)
    if marks and opening not in spoken and asks(marks[0], ticket.created_us, ticket.channel):
        spoken.insert(0, opening)
    return [MessageMark(from_us(at_us), actor) for at_us, actor in spoken[:MESSAGES_MAX]]


def heard(registers: Iterable[Absorbed]) -> list[MessageMark]:
    """Return the messages of all absorbed tickets, by time: its clocks count the conversation as one."""
    return _by_time(message for one in registers if not one.withdrawn for message in one.messages)


def _by_time(messages: Iterable[MessageMark]) -> list[MessageMark]:
    return sorted(messages, key=lambda message: (message.time, message.actor.value))


class Telling(NamedTuple):
    """What to tell survivors, and what the ticket remembers of it."""

    said: tuple[Absorbed, ...]
    revision: int
    told: bytes


def tell_survivors(
    tenant: str, key: str, was: Ticket | None, ticket: Ticket, *, links: Mapping[str, str],
    marks: Sequence[Mark], messages: Sequence[MessageMark], now_us: int,
) -> Telling:  # fmt: skip
    """Return what the former and the present survivor of `ticket` have to know; nothing is told twice.

    `messages` are those it heard of tickets merged into it: along a chain they come to the last. The ticket
    that stays of a cycle passes none on, or they would go round and round.
    """
    revision, told = (was.revision, was.told) if was is not None else (0, b"")
    former = was.link if was is not None and was.told else ""
    survivor = ticket.link if ticket.merged and ticket.link != key else ""
    said: list[Absorbed] = []
    if former and former != survivor:
        revision += 1
        said.append(
            Absorbed(
                tenant=tenant, ticket=key, survivor=former, revision=revision, at=from_us(now_us),
                withdrawn=True,
            )
        )  # fmt: skip
    if not survivor:
        return Telling(tuple(said), revision, b"")
    if survivor == former and any(mark.condensed for mark in marks):
        return Telling((), revision, told)  # the messages are gone; what was told of them stays
    stays = ignores_own_link(key, links)
    spoken = [] if stays else _by_time([*messages_of(ticket, marks), *messages])
    content = Absorbed(
        tenant=tenant, ticket=key, survivor=survivor, revision=0, at=from_us(ticket.updated_us),
        links=dict(sorted((cycle_of(key, links) or links).items())), messages=tuple(spoken[:MESSAGES_MAX]),
    )  # fmt: skip
    telling = digest(_encoder.encode(content))
    if telling == told:
        return Telling(tuple(said), revision, told)
    revision += 1
    said.append(msgspec.structs.replace(content, revision=revision, at=from_us(now_us)))
    return Telling(tuple(said), revision, telling)
