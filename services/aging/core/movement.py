"""The movements of one clock, each with the facts it brings about: start, run, stand, stop, another target."""

from __future__ import annotations

from typing import Final

from services.aging.core.clock import (
    NOT,
    Clock,
    ClockDetail,
    end_of_pause,
    instant,
    next_warning,
    retime,
    stages_of,
    used_us,
)
from services.aging.core.story import OUTCOMES, RUNNING, Span, Story
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import FactType

BREACHED: Final = FactType.SLA_BREACHED


class Movement:
    """Moves clocks of one ticket and drafts what that means.

    `story` keeps what the ticket went through; only whoever folds from the beginning has one. Without it
    nothing may start that began earlier than now (fold.py's `extends` sees to it).
    """

    __slots__ = ("drafts", "story", "terms", "ticket")

    def __init__(self, ticket: Ticket, drafts: list[Draft], terms: Terms, story: Story | None) -> None:
        self.ticket = ticket
        self.drafts = drafts
        self.terms = terms
        self.story = story

    def clock(self, name: str) -> Clock | None:
        """Return the clock of this name, if there is one."""
        for clock in self.ticket.clocks:
            if clock.name == name:
                return clock
        return None

    def start(self, clock: Clock, at_us: int, why: str, reason: str) -> None:
        """Add `clock`, which began at its `started_us`, at `at_us` or before; it may have to stand."""
        promise, _ = self.terms.promise(clock.policy, clock.name)
        self.ticket.clocks.append(clock)
        if clock.started_us < at_us:
            self._catch_up(clock, at_us)
        clock.since_us = at_us
        self._turn(clock, RUNNING, at_us)
        if why in promise.pauses:
            if self.story is not None:
                clock.stood_us = self.story.stands_since_us(promise.pauses, clock.started_us)
            self.stand(clock, at_us, why)
            self.state(FactType.SLA_STARTED, clock, at_us, reason=reason)
            self.state(FactType.SLA_PAUSED, clock, at_us, reason=why)
            self._break_if_exceeded(clock, at_us, reason)
        else:
            self._measure(clock, at_us, reason, FactType.SLA_STARTED)

    def run(self, clock: Clock, at_us: int, reason: str) -> None:
        """Let a standing clock go on."""
        self._turn(clock, RUNNING, at_us)
        clock.since_us, clock.why = at_us, ""
        clock.stood_us = clock.resume_us = NOT
        self._measure(clock, at_us, reason, FactType.SLA_RESUMED)

    def stand(self, clock: Clock, at_us: int, why: str) -> None:
        """Let a clock stand for `why`; states nothing. Standing on for another reason is no new pause."""
        promise, hours = self.terms.promise(clock.policy, clock.name)
        self._turn(clock, why, at_us)
        if clock.since_us >= 0:
            clock.used_us = used_us(clock, hours, at_us)
            clock.since_us = NOT
        if clock.stood_us < 0 or clock.why in OUTCOMES:
            clock.stood_us = at_us
        clock.why = why
        policy = self.terms.policy(clock.policy)
        longest_us = policy.max_pause_us if policy is not None else None
        clock.resume_us = NOT
        if longest_us is not None and why in promise.pauses:
            clock.resume_us = end_of_pause(clock, hours, longest_us, at_us=at_us)
        retime(clock, promise, hours)

    def stop(self, name: str, at_us: int) -> None:
        """End the clock of this name, if it is there: met, or finished after its breach."""
        clock = self.clock(name)
        if clock is not None:
            self.settle(clock, at_us)
            self.verdict(clock, at_us)
            self.drop(clock, at_us)

    def verdict(self, clock: Clock, at_us: int) -> None:
        """State how an instance ended. Who is breached stays breached, and is told to be over."""
        _, hours = self.terms.promise(clock.policy, clock.name)
        deadline_us = clock.deadline_us
        if deadline_us < 0:  # it stood: how long it would have had
            deadline_us = instant(hours, at_us, clock.target_us - clock.used_us)
        kind = FactType.SLA_FINISHED if clock.breached else FactType.SLA_MET
        self.state(kind, clock, at_us, deadline_us=deadline_us)

    def drop(self, clock: Clock, at_us: int) -> None:
        """Forget a clock."""
        self._turn(clock, "", at_us)
        if self.story is not None:
            self.story.gone[clock.name, clock.instance] = clock
        self.ticket.clocks = [other for other in self.ticket.clocks if other is not clock]

    def settle(self, clock: Clock, at_us: int) -> None:
        """Count what a running clock used by `at_us`, and count on from there."""
        if clock.since_us >= 0:
            _, hours = self.terms.promise(clock.policy, clock.name)
            clock.used_us = used_us(clock, hours, at_us)
            clock.since_us = at_us

    def retarget(self, clock: Clock, label: str, target_us: int, at_us: int, reason: str) -> None:
        """Go on with another policy or target; what is used stays used."""
        self.settle(clock, at_us)
        was_running = clock.since_us >= 0
        if clock.policy != label:
            self._turn(clock, RUNNING if was_running else clock.why, at_us)
        is_shorter = target_us < clock.target_us
        clock.policy, clock.target_us = label, target_us
        if not was_running:
            self.stand(clock, at_us, clock.why)  # the other policy may allow another length of the pause
        former_us = clock.deadline_us
        if self.ticket.open and not clock.breached:
            if is_shorter:
                self.spare(clock, at_us)
            self._measure(clock, at_us, reason, None)
            self._tell_of(clock, former_us, at_us, reason)

    def spare(self, clock: Clock, at_us: int) -> None:
        """Page nobody for `clock` until people had the notice their policy promises."""
        policy = self.terms.policy(clock.policy)
        assert policy is not None
        _, hours = self.terms.promise(clock.policy, clock.name)
        clock.notice_us = instant(hours, at_us, policy.min_notice_us)

    def break_if_over(self, clock: Clock, at_us: int) -> None:
        """Breach a clock whose deadline lies before `at_us`."""
        if not clock.breached and clock.since_us >= 0 and 0 <= clock.deadline_us < at_us:
            self._breach(clock, clock.deadline_us, "")

    def happen(self, clock: Clock, at_us: int, paused_too_long: str) -> None:
        """Let happen what `at_us` brings about for a clock: a warning, the end of a pause, the breach."""
        promise, hours = self.terms.promise(clock.policy, clock.name)
        if clock.warn_us == at_us:
            used = used_us(clock, hours, at_us)
            begun = sum(amount <= used for amount, _ in stages_of(promise, clock.target_us))
            clock.stage = max(clock.stage + 1, begun)
            self._warn(clock, at_us, "")
            next_warning(clock, promise, hours)
        elif clock.resume_us == at_us:
            clock.capped = True
            self.run(clock, at_us, paused_too_long)
        else:
            assert clock.deadline_us + 1 == at_us
            at_us = clock.deadline_us
            self._breach(clock, at_us, "")
        self.ticket.timed_us = max(self.ticket.timed_us, at_us)

    def state(
        self, kind: FactType, clock: Clock, at_us: int, *, reason: str = "", stage: str = "",
        deadline_us: int | None = None,
    ) -> None:  # fmt: skip
        """Draft a fact about `clock`, once."""
        ticket = self.ticket
        _, hours = self.terms.promise(clock.policy, clock.name)
        detail = ClockDetail(
            clock.policy, clock.target_us, used_us(clock, hours, at_us),
            clock.deadline_us if deadline_us is None else deadline_us, reason, stage,
            clock.notice_us if clock.notice_us > at_us else NOT, clock.started_us,
        )  # fmt: skip
        draft = Draft(kind, at_us, clock.instance, clock.name, 0, detail)
        if not is_stated(self.drafts, draft):
            self.drafts.append(draft)
        # A mark of the same instant may bring about the same again, which only the timeline can tell.
        ticket.timed_us = max(ticket.timed_us, at_us)

    def _measure(self, clock: Clock, at_us: int, reason: str, kind: FactType | None) -> None:
        """Time a clock anew after a change at `at_us`, state `kind`, and what the change brings about."""
        promise, hours = self.terms.promise(clock.policy, clock.name)
        amounts = [amount for amount, _ in stages_of(promise, clock.target_us)]
        clock.stage = sum(amount <= clock.used_us for amount in amounts)
        if clock.stage > clock.told and instant(hours, at_us, 0) != at_us:
            clock.stage = clock.told  # nobody is warned while it is closed: it begins with the next opening
        retime(clock, promise, hours)
        if kind is not None:
            self.state(kind, clock, at_us, reason=reason)
        if not clock.breached and not self._break_if_exceeded(clock, at_us, reason) and clock.since_us >= 0:
            self._warn(clock, at_us, reason)

    def _break_if_exceeded(self, clock: Clock, at_us: int, reason: str) -> bool:
        """Breach a clock that a change left with more used than it may; people get notice of it."""
        is_over = clock.used_us > clock.target_us and not clock.breached
        if is_over:
            self.spare(clock, at_us)
            self._breach(clock, at_us, reason)
        return is_over

    def _warn(self, clock: Clock, at_us: int, reason: str) -> None:
        """State the newest stage, once for an instance; stages passed over by a change are not told."""
        if clock.stage > clock.told:
            promise, _ = self.terms.promise(clock.policy, clock.name)
            clock.told = clock.stage
            stage = stages_of(promise, clock.target_us)[clock.stage - 1][1]
            self.state(FactType.SLA_WARNED, clock, at_us, reason=reason, stage=stage.name)

    def _breach(self, clock: Clock, at_us: int, reason: str) -> None:
        clock.breached, clock.deadline_us, clock.warn_us = True, at_us, NOT
        self.state(BREACHED, clock, at_us, reason=reason)

    def _tell_of(self, clock: Clock, former_us: int, at_us: int, reason: str) -> None:
        if clock.since_us >= 0 and not clock.breached and clock.deadline_us != former_us:
            self.state(FactType.SLA_DEADLINE_CHANGED, clock, at_us, reason=reason)

    def _catch_up(self, clock: Clock, at_us: int) -> None:
        """Count what a clock that began earlier would have used by `at_us`."""
        assert self.story is not None, "only the whole timeline knows what was before"
        promise, hours = self.terms.promise(clock.policy, clock.name)
        policy = self.terms.policy(clock.policy)
        longest_us = policy.max_pause_us if policy is not None else None
        former = self.story.gone.get((clock.name, clock.instance))
        if former is not None:  # superseded meanwhile: it is breached once, and warned of each stage once
            clock.breached, clock.told = former.breached, former.told
            clock.deadline_us = former.deadline_us if former.breached else NOT
            self.story.again(clock.name, clock.instance)
        for kind, begin_us, end_us in self.story.past(
            hours, promise.pauses, clock.started_us, at_us, longest_us
        ):
            if kind == RUNNING:
                clock.used_us += hours.elapsed(begin_us, end_us)
            self.story.spans.append(Span(clock.name, clock.instance, clock.policy, kind, begin_us, end_us))

    def _turn(self, clock: Clock, kind: str, at_us: int) -> None:
        if self.story is not None:
            self.story.turn(clock.name, clock.instance, clock.policy, kind, at_us)


def is_stated(drafts: list[Draft], draft: Draft) -> bool:
    """Return whether what `draft` says was drafted for its instant already."""
    for known in reversed(drafts):
        if known.at_us < draft.at_us:
            return False
        if known.key == draft.key:
            return True
    return False
