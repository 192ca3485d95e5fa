"""What tells a person's post from a machine's, by signs that a person seldom gives. Nobody is proved human.

A sign costs a person one more page ("please check and send again"), and never the text. A machine that
reads pages and follows them gets through; the limit for each address bounds how often. What is remembered
is bounded and belongs to one process: with several, each counts for itself.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.intake.core.web_form.entry import Entry
from services.intake.core.web_form.token import Token
from shared.contracts.event_id import digest

LINKS_MAX: Final = 1
"""A person may name the page that does not work."""
REPEATS_MAX: Final = 3
"""The same text this often, whoever sends it, is looked at again."""
TEXTS_MAX: Final = 2_000
"""Texts remembered: digests of 16 bytes."""

_LINK: Final = re.compile(r"https?://|www\.|\[url|<a\s", re.IGNORECASE)


class Suspicion(str, Enum):
    """Why a post looks like a machine's."""

    HONEYPOT = "honeypot"
    TOO_FAST = "too_fast"
    LINKS = "links"
    REPEATED = "repeated"
    FLOOD = "flood"


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """How much is normal, within a window of `window_s`."""

    fill_s_min: int
    window_s: int
    address_posts_max: int
    addresses_max: int
    form_posts_max: int


class _Window:
    """Counts by key within a window that begins with the key's first count; bounded, the oldest goes first."""

    def __init__(self, window_s: int, keys_max: int) -> None:
        self._window_s, self._keys_max = window_s, keys_max
        self._counts: OrderedDict[str | bytes, tuple[int, int]] = OrderedDict()

    def count(self, key: str | bytes, now_s: int) -> tuple[int, int]:
        """Count one more; return (counts in the window, seconds until it ends)."""
        since_s, number = self._counts.get(key, (now_s, 0))
        if not 0 <= now_s - since_s < self._window_s:
            since_s, number = now_s, 0
            self._counts.pop(key, None)  # a new window is the newest again
        self._counts[key] = since_s, number + 1
        while len(self._counts) > self._keys_max:
            self._counts.popitem(last=False)
        return number + 1, since_s + self._window_s - now_s


class Guard:
    """The guard of all forms of a process."""

    def __init__(self, limits: GuardLimits, *, forms: int) -> None:
        """`forms` is how many there are."""
        self._limits = limits
        self._addresses = _Window(limits.window_s, limits.addresses_max)
        self._texts = _Window(limits.window_s, TEXTS_MAX)
        self._forms = _Window(limits.window_s, max(forms, 1))

    def wait_s(self, address: str, now_s: int) -> int | None:
        """Count a post from `address`; return how long it has to wait if that is too many, else None."""
        number, rest_s = self._addresses.count(address, now_s)
        return rest_s if number > self._limits.address_posts_max else None

    def suspicion(self, source: str, entry: Entry, token: Token, now_s: int) -> Suspicion | None:
        """Return the first sign of a machine in a faultless post of a first page, which counts as one."""
        repeats, _ = self._texts.count(digest(source.encode(), entry.subject.casefold().encode()), now_s)
        posts, _ = self._forms.count(source, now_s)
        signs = {
            Suspicion.HONEYPOT: bool(entry.honeypot),
            Suspicion.TOO_FAST: now_s - token.issued_s < self._limits.fill_s_min,
            Suspicion.LINKS: len(_LINK.findall(entry.subject)) > LINKS_MAX,
            Suspicion.REPEATED: repeats > REPEATS_MAX,
            Suspicion.FLOOD: posts > self._limits.form_posts_max,
        }
        return next((sign for sign, is_there in signs.items() if is_there), None)
