"""Reading a list of what changed to its end: every change once, whatever happens meanwhile.

A generator, so that no I/O is in it: it yields a request and is sent the answer, yields what it found together
with the position to keep once that is acknowledged, yields a wait. Traps that it is about:

- **Items change while pages are read.** One that is updated moves to the end of the list, everything behind it
  moves up, and the item at the border of two pages is on neither. So the second page is not asked for by its
  number: it is the first page of what changed since the last item of the former one.
- **Many items of one instant.** Only there page numbers are needed, and the same may happen. So such pages are
  read again until two passes show the same, and only then reading goes on behind that instant. (An item hidden
  twice takes two others that left, one in each pass, and the second pass does not show the first any more.)
- **Webhooks need a while.** What changed less than `settle` ago, by the vendor's clock, is left for the next
  time: then what is found here and was told by no webhook is lost, not late. And an instant that is not over yet
  is not read.
- **Sources commit out of order.** Each run begins `overlap` before the watermark.
- **Messages that only their ticket shows.** Then the list says in which tickets something may have been said, and
  each is asked for what was, back to `LOOKBACK` before all was known last: a ticket that changes again before it
  is read stands behind what has settled, and takes its messages there with it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from services.intake.core.pull.limits import Refused, Wait, judge, spent, vendor_now
from services.intake.core.pull.port import Answer, Conversations, Item, Listing, Page, Request, Unreached
from services.intake.core.pull.position import Position
from services.intake.core.vendors.port import Unreadable
from shared.contracts.instants import EPOCH

TRIES_MAX: Final = 6
"""Of one request in a run, about a minute in all; the next run goes on where this one stopped."""
PASSES_MAX: Final = 5
"""Over the pages of one instant."""
PAGES_MAX: Final = 1_000
"""In one run; what is left is for the next one, which follows at once."""
LOOKBACK: Final = timedelta(hours=1)
"""For so long a ticket may change within every `settle` and hide nothing that was said in it."""
TALK_PAGES_MAX: Final = 50
"""Of the messages of one ticket in a run, newest first."""
TALKS_MAX: Final = 120
"""Tickets asked in one run, a minute in all: the source's other lists are to be read meanwhile."""
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_CURSOR_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY})


class Margins(NamedTuple):
    """How far behind now, and how far before the watermark, a list is read."""

    settle: timedelta
    overlap: timedelta


class Found(NamedTuple):
    """States of tickets, perhaps none. Once they are acknowledged `position` is to be kept."""

    items: Sequence[Item]
    position: Position


class Over(NamedTuple):
    """The end of a run. `complaint` None: it came to the end of the list, or (`more`) as far as a run goes."""

    position: Position
    complaint: str | None = None
    more: bool = False


Step = Request | Found | Wait
Reply = Answer | Unreached | None
Flow = Generator[Step, Reply, Over]
"""Is sent the Answer or Unreached for a Request, and None for the rest."""


def pull(listing: Listing, position: Position, margins: Margins) -> Flow:
    """Read `listing` on from `position`."""
    run = _Run(listing, position, margins)
    try:
        more = yield from run.read()
    except (_Stopped, Unreadable) as error:
        return Over(run.position, str(error))
    except _Enough:
        return Over(run.position, more=True)
    return Over(run.position, more=more)


class _Stopped(Exception):
    """The run cannot go on; the text is the complaint."""


class _Enough(Exception):
    """The run was long enough."""


class _Run:
    def __init__(self, listing: Listing, position: Position, margins: Margins) -> None:
        self.position = position
        self._listing, self._margins = listing, margins
        self._since = self._before(position.watermark)
        self._page: str | None = (position.page or None) if listing.pages_last else None
        self._ties = _Ties()
        self._debt: Wait | None = None
        self._heard = max(position.begun, position.known_until - LOOKBACK)
        """What was said before needs no asking."""
        self._talks = 0
        self._cutoff: datetime | None = None
        """What changed later is for the next run: else two passes would not look at the same items."""

    def read(self) -> Generator[Step, Reply, bool]:
        """Read to the end; return whether more is left because the run was long enough."""
        preparation = self._listing.preparation()
        if preparation is not None:
            self._listing = self._listing.prepared((yield from self._answered(preparation)))
        for count in range(PAGES_MAX):
            if count and self._listing.pause_seconds:
                yield Wait(self._listing.pause_seconds, "the vendor counts requests")
            request = self._listing.request(self._since, self._page)
            taken = _CURSOR_REFUSED if self._page else frozenset()
            answer = yield from self._answered(self._conditional(request), taken)
            if answer.status in _CURSOR_REFUSED:
                self._page, self.position = None, msgspec.structs.replace(self.position, page="")
                continue
            if self._cutoff is None:
                self._cutoff = vendor_now(answer) - self._margins.settle
            cutoff = self._cutoff
            if answer.status == HTTPStatus.NOT_MODIFIED:
                self._know(cutoff)
                return False
            page = self._listing.read(answer)
            is_over = yield from (self._turn(page, cutoff) if self._listing.pages_last
                                  else self._window(page, cutoff))  # fmt: skip
            if is_over:
                self._know(cutoff)
                self._remember(request, answer, page, cutoff)
                return False
        return True

    def _answered(
        self, request: Request, taken: frozenset[HTTPStatus] = frozenset()
    ) -> Generator[Step, Reply, Answer]:
        """Return an answer that can be used, or is of `taken`; waits and asks again as long as that may help."""
        if self._debt is not None:
            yield self._debt
        for tries in range(TRIES_MAX):
            reply = yield request
            assert reply is not None, "a request is sent its answer"
            if isinstance(reply, Answer) and reply.status in taken:
                return reply
            verdict = judge(reply, tries=tries)
            if isinstance(verdict, Refused):
                raise _Stopped(verdict.why)
            if isinstance(verdict, Answer):
                self._debt = spent(verdict)
                return verdict
            if tries + 1 == TRIES_MAX:
                raise _Stopped(f"{verdict.why}, {TRIES_MAX} times in a row")
            yield verdict
        raise AssertionError("the last try returns or raises")

    def _turn(self, page: Page, cutoff: datetime) -> Generator[Step, Reply, bool]:
        """Take a page of a list whose handles stay good; go on behind it once all of it has settled."""
        settled = [item for item in page.items if item.at <= cutoff]
        is_whole = len(settled) == len(page.items)
        yield from self._listen(settled, cutoff)
        fresh = self._fresh(settled)
        # What is not whole is read again under the same handle, however old its first items are.
        kept_from = self._kept_from(self._before(self.position.watermark)) if is_whole else None
        watermark = max([self.position.watermark, *(item.at for item in settled)])
        position = self.position.with_items(settled, watermark=watermark, kept_from=kept_from)
        if is_whole and page.next is not None:
            # A handle that stays good needs no memory of what was before it; what was said does.
            seen = () if self._listing.conversations is None else position.seen
            position = msgspec.structs.replace(position, page=page.next, seen=seen)
            self._page = page.next
        if position != self.position:
            self.position = position
            yield Found(fresh, position)
        return not is_whole or page.is_last or page.next is None

    def _window(self, page: Page, cutoff: datetime) -> Generator[Step, Reply, bool]:
        """Take a page of what changed since an instant; go on with what changed since its last item."""
        if any(later.at < earlier.at for earlier, later in pairwise(page.items)):
            raise Unreadable("the list is not in the order of its changes: it cannot be followed")
        settled = [item for item in page.items if item.at <= cutoff]
        is_whole = len(settled) == len(page.items)
        is_first = self._page is None
        yield from self._listen(settled, cutoff)
        tied = [item for item in settled if self._floor(item.at) <= self._since]
        self._ties.read(item.mark for item in tied)
        goes_on = page.next is not None and is_whole and len(tied) == len(settled)
        is_unsure = not goes_on and self._ties.may_hide_one
        # A first page is the list's beginning and hides nothing. Of numbered ones two passes have to be the same,
        # and that says nothing of what stands behind their instant.
        sure = settled if is_first else [] if goes_on or is_unsure else tied
        yield from self._found(settled, max([self.position.watermark, *(item.at for item in sure)]))
        if goes_on:
            self._page = page.next
            return False
        self._page = None
        if is_unsure:
            self._ties.ask_again()
            return False
        self._ties = _Ties()
        if is_first:
            self._since = max([self._since, *(self._floor(item.at) for item in settled)])
            return page.next is None or not is_whole
        self._since += self._listing.resolution
        return self._since > cutoff

    def _found(self, settled: Sequence[Item], watermark: datetime) -> Generator[Step, Reply, None]:
        """Hand over what is new of `settled`, with the position behind it."""
        fresh = self._fresh(settled)
        kept_from = self._kept_from(min(self._before(watermark), self._since))
        position = self.position.with_items(settled, watermark=watermark, kept_from=kept_from)
        if position != self.position:
            self.position = position
            yield Found(fresh, position)

    def _listen(self, tickets: Sequence[Item], cutoff: datetime) -> Generator[Step, Reply, None]:
        """Where messages are wanted, hand over what was said in `tickets`, one after the other.

        Each counts as seen once its messages are acknowledged, so a wait in the middle loses none of the way.
        """
        if self._listing.conversations is None:
            return
        for ticket in tickets:
            if ticket.is_ticket and not self.position.has(ticket):
                if self._talks == TALKS_MAX:
                    raise _Enough
                self._talks += 1
                said = yield from self._said(self._listing.conversations, ticket, cutoff)
                fresh, position = self._fresh(said), self.position
                self.position = position.with_items(
                    [*said, ticket], watermark=position.watermark, kept_from=None
                )
                yield Found(fresh, self.position)

    def _said(
        self, conversations: Conversations, ticket: Item, cutoff: datetime
    ) -> Generator[Step, Reply, list[Item]]:
        """Return what was said in a ticket, and has settled, oldest first. One that is gone says nothing."""
        said: list[Item] = []
        page: str | None = None
        for _ in range(TALK_PAGES_MAX):
            request = conversations.request(ticket, page)
            if request is None:
                break
            yield Wait(conversations.pause_seconds, "one request for each ticket")
            answer = yield from self._answered(request, _GONE)
            if answer.status in _GONE:
                break
            shown = conversations.read(ticket, answer)
            dated = [(item.written_at or item.at, item) for item in shown.items]
            if any(later > earlier for (earlier, _), (later, _) in pairwise(dated)):
                raise Unreadable(f"the messages of {ticket.key} are not newest first: some would be left out")
            said += [item for written_at, item in dated if self._heard <= written_at <= cutoff]
            page = shown.next
            if page is None or any(written_at < self._heard for written_at, _ in dated):
                break
        return sorted(said, key=lambda item: item.at)

    def _fresh(self, items: Sequence[Item]) -> list[Item]:
        return [item for item in items if self._is_wanted(item) and not self.position.has(item)]

    def _is_wanted(self, item: Item) -> bool:
        return item.is_ticket and (item.written_at is None or item.written_at >= self.position.begun)

    def _conditional(self, request: Request) -> Request:
        position = self.position
        if not position.etag or position.etag_of != request.identity:
            return request
        return request._replace(headers={**request.headers, "if-none-match": position.etag})

    def _remember(self, request: Request, answer: Answer, page: Page, cutoff: datetime) -> None:
        """Remember the ETag of a list that was read wholly by one request, where it says that nothing came.

        Not so if something has not settled yet, or if the page is full: what comes is then on the next one.
        """
        etag = answer.header("etag")
        has_room = page.next is None and len(page.items) < self._listing.page_items
        is_whole = has_room and all(item.at <= cutoff for item in page.items)
        if etag and is_whole and not self._listing.pages_last:
            self.position = msgspec.structs.replace(self.position, etag=etag, etag_of=request.identity)

    def _know(self, cutoff: datetime) -> None:
        known_until = max(self.position.known_until, cutoff)
        self.position = msgspec.structs.replace(self.position, known_until=known_until)

    def _kept_from(self, instant: datetime) -> datetime:
        """Return from when on what was seen is remembered, if what is of the list is from `instant` on."""
        return instant if self._listing.conversations is None else min(instant, self._heard)

    def _before(self, watermark: datetime) -> datetime:
        """Return where to begin when what changed up to `watermark` is known."""
        return self._floor(watermark - self._margins.overlap)

    def _floor(self, instant: datetime) -> datetime:
        return instant - (instant - EPOCH) % self._listing.resolution


class _Ties:
    """The pages that begin at one instant, and whether they may hide an item."""

    def __init__(self) -> None:
        self._pages, self._passes = 0, 1
        self._shown: list[str] = []
        self._former: list[str] | None = None

    def read(self, marks: Iterable[str]) -> None:
        self._pages += 1
        self._shown += marks

    @property
    def may_hide_one(self) -> bool:
        """Whether pages were asked for by number, and the last two passes differ."""
        return self._pages > 1 and self._shown != self._former

    def ask_again(self) -> None:
        """Begin another pass. Raises _Stopped after so many that the next run may have more luck."""
        if self._passes >= PASSES_MAX:
            raise _Stopped("the list changes faster than its pages can be read")
        self._former, self._shown = self._shown, []
        self._pages, self._passes = 0, self._passes + 1
