"""What happens to a ticket's SLA clocks when something happens to the ticket, and when time passes.

The rules are in docs/sla-clocks.md. Whose turn it is follows from the
messages, not from the status. Elapsed and paused time belong to the ticket's timeline, so another policy
or priority reads the same time against another target. Within one mark stops come before pauses, and
pauses before starts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from services.aging.core.clock import NOT, Clock, next_us
from services.aging.core.mark import Mark
from services.aging.core.movement import Movement
from services.aging.core.policy import REOPEN_WINDOW_US, ClockName, Policy
from services.aging.core.story import OUTCOMES
from services.aging.core.terms import Terms
from services.aging.core.ticket import MERGED, VOID, WAITING, Ticket
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Activity, Actor, Channel, Visibility, WaitReason

FIRST: Final = ClockName.FIRST_RESPONSE.value
NEXT: Final = ClockName.NEXT_RESPONSE.value
UPDATE: Final = ClockName.UPDATE.value
RESOLUTION: Final = ClockName.RESOLUTION.value
TEAM: Final = ClockName.TEAM.value

REOPENED: Final = "reopened"
PRIORITY_RAISED: Final = "priority_raised"
PRIORITY_LOWERED: Final = "priority_lowered"
POLICY_CHANGE: Final = "policy_change"
DISPUTED: Final = "pause_disputed"
PAUSED_TOO_LONG: Final = "max_pause"

_CUSTOMER_WAIT: Final = WaitReason.CUSTOMER.value
_NO_CUSTOMERS: Final = frozenset({Actor.AGENT, Actor.BOT, Actor.SYSTEM, Actor.VENDOR})
_MACHINES: Final = frozenset({Actor.BOT, Actor.SYSTEM})
_OF_THE_DESK: Final = frozenset({Activity.AGENT_MESSAGE, Activity.INTERNAL_NOTE})
_UNDONE: Final = frozenset({MERGED, VOID})


class Standing(NamedTuple):
    """What was the case of a ticket before a mark, as far as its clocks and signals care."""

    status: str
    open: bool
    left_us: int | None
    queue: str
    priority: str
    matched: tuple[object, ...]
    assignee: str
    why: str
    """Why it stood."""


def standing(ticket: Ticket, terms: Terms) -> Standing:
    """Return what is the case of `ticket`."""
    return Standing(
        ticket.status, ticket.open, ticket.left_us, ticket.queue, ticket.priority, matched(ticket, terms),
        ticket.assignee, why_it_stands(ticket),
    )  # fmt: skip


def matched(ticket: Ticket, terms: Terms) -> tuple[object, ...]:
    """Return the fields that some policy looks at."""
    return tuple([getattr(ticket, name) for name in terms.fields])


def speaker_of(mark: Mark) -> Actor | None:
    """Return who spoke publicly by `mark`: the customer, an agent, or nobody who starts or stops a clock.

    Bots, the system and vendors start and stop nothing, and what the customer cannot see does not either.
    """
    if mark.visibility is Visibility.INTERNAL:
        return None
    if mark.activity is Activity.CUSTOMER_MESSAGE:
        return Actor.CUSTOMER if mark.actor in {None, Actor.CUSTOMER} else None
    if mark.activity is Activity.AGENT_MESSAGE:
        return Actor.AGENT if mark.actor in {None, Actor.AGENT} else None
    return None


def asks(mark: Mark, created_us: int, channel: str) -> bool:
    """Return whether a ticket whose first mark this is was opened by its customer, or nobody knows by whom.

    An agent's outbound ticket, or one created privately, has no reply clock until the customer writes. Behind
    a web form that a system enters is a customer.
    """
    if mark.time_us > created_us and mark.activity is not Activity.CREATED:
        return True  # who created it was not seen
    is_form = channel == Channel.WEB.value and mark.actor in _MACHINES
    by_desk = (mark.actor in _NO_CUSTOMERS and not is_form) or mark.activity in _OF_THE_DESK
    return not by_desk and mark.visibility is not Visibility.INTERNAL


def begun(ticket: Ticket) -> list[tuple[str, int]]:
    """Return which promises are due now, whether or not a policy makes them, and since when."""
    since = ((NEXT if ticket.answered else FIRST, ticket.asked_us), (UPDATE, ticket.update_us),
             (RESOLUTION, ticket.resolution_us), (TEAM, ticket.queue_us))  # fmt: skip
    return [(name, since_us) for name, since_us in since if since_us >= 0]


def why_it_stands(ticket: Ticket) -> str:
    """Return the wait reason or the outcome for which clocks may stand; empty if there is none."""
    if not ticket.open:
        return ticket.status
    if ticket.status == WAITING and not ticket.disputed:
        return ticket.wait_reason
    return ""


class Clocks(Movement):
    """The clocks of one ticket, for one step of its fold."""

    __slots__ = ()

    def begin(self, mark: Mark) -> None:
        """Start what begins with the ticket; `mark` is its first, and its fields are shown."""
        ticket, at_us = self.ticket, self.ticket.created_us
        ticket.resolution_us, ticket.resolutions = at_us, 1
        if ticket.queue:
            ticket.queue_us, ticket.stays = at_us, 1
        is_call = False
        if ticket.asked_us < 0 or ticket.asked_us > at_us:
            is_asking = asks(mark, at_us, ticket.channel)
            is_call = ticket.channel == Channel.PHONE.value and not is_asking and not ticket.answered
            if is_call or is_asking:
                ticket.asked_us = at_us
                ticket.answers += ticket.answered  # in a ticket merged into this one
        self._match(at_us)
        if self.story is not None:
            self.story.wait(min(at_us, ticket.asked_us) if ticket.asked_us >= 0 else at_us, "")
        self._start_missing(at_us, "", why="", retro=True)
        if is_call:
            self._answer(at_us)  # picked up live: answered in no time
        self.pass_time(at_us, mark.time_us)

    def break_overdue(self, at_us: int) -> None:
        """Breach what is overdue at `at_us`, so that nothing that happens then comes too early."""
        for clock in self.ticket.clocks:
            self.break_if_over(clock, at_us)

    def follow(self, mark: Mark, was: Standing) -> None:
        """Move the clocks by `mark`, whose fields are shown; `was` is what was the case before it."""
        ticket, at_us = self.ticket, mark.time_us
        speaker = speaker_of(mark)
        if speaker is Actor.AGENT:
            self._agent_wrote(at_us)
        if was.open and not ticket.open:
            self._leave(at_us)
        if ticket.queue != was.queue and ticket.open and was.open:
            self._enter_queue(at_us)
        ticket.disputed = self._is_disputed(speaker)
        why = why_it_stands(ticket)
        if self.story is not None:
            self.story.wait(at_us, why)
        reopened = ticket.open and not was.open
        if reopened:
            self._reopen(mark, was)
        changed = (reopened and self._follow_turns(was, at_us)) or self._rematch(was, at_us)
        if speaker is Actor.CUSTOMER:
            self._customer_wrote(at_us)
        if ticket.open:
            self._obey(why, at_us, _reason(reopened=reopened, disputed=ticket.disputed))
            self._start_missing(at_us, REOPENED if reopened else changed, why=why, retro=bool(changed))

    def pass_time(self, first_us: int, before_us: int) -> None:
        """Let happen what time brings about in [first_us, before_us), in order."""
        while True:
            turn_us = self.terms.next_running_us(first_us - 1)
            dues = [(due, clock) for clock in self.ticket.clocks if (due := next_us(clock)) is not None]
            due_us, clock = min(dues, key=lambda due: due[0], default=(before_us, None))
            if turn_us is not None and turn_us <= due_us and turn_us < before_us:
                self._turn_policies(turn_us)
                first_us = turn_us + 1
            elif clock is None or due_us >= before_us:
                return
            else:
                self.happen(clock, due_us, PAUSED_TOO_LONG)

    # Steps of `follow`.

    def _agent_wrote(self, at_us: int) -> None:
        ticket = self.ticket
        ticket.agent_us = at_us
        if ticket.asked_us >= 0:
            self._answer(at_us)
        if ticket.answered:
            self.stop(UPDATE, at_us)
            ticket.update_us = at_us if ticket.open else NOT
            ticket.updates += ticket.open

    def _answer(self, at_us: int) -> None:
        ticket = self.ticket
        self.stop(NEXT if ticket.answered else FIRST, at_us)
        ticket.answered, ticket.asked_us = True, NOT

    def _customer_wrote(self, at_us: int) -> None:
        ticket = self.ticket
        ticket.customer_us = at_us
        if ticket.asked_us < 0:
            ticket.asked_us = at_us
            ticket.answers += ticket.answered and ticket.open

    def _leave(self, at_us: int) -> None:
        ticket = self.ticket
        ticket.update_us = ticket.queue_us = NOT
        for clock in ticket.clocks:
            clock.capped = False  # whatever it waits for after a reopening is another pause
        if ticket.status in _UNDONE:
            for clock in ticket.clocks:
                self.stand(clock, at_us, ticket.status)
                self.state(FactType.SLA_SUPERSEDED, clock, at_us, reason=ticket.status)
            return
        self.stop(UPDATE, at_us)
        self.stop(TEAM, at_us)
        for clock in ticket.clocks:
            if clock.name == RESOLUTION:
                self.settle(clock, at_us)
                self.verdict(clock, at_us)
            self.stand(clock, at_us, ticket.status)
            if clock.name != RESOLUTION:
                self.state(FactType.SLA_PAUSED, clock, at_us, reason=ticket.status)

    def _enter_queue(self, at_us: int) -> None:
        ticket = self.ticket
        self.stop(TEAM, at_us)
        ticket.queue_us = at_us if ticket.queue else NOT
        ticket.stays += bool(ticket.queue)

    def _reopen(self, mark: Mark, was: Standing) -> None:
        ticket, at_us = self.ticket, mark.time_us
        resolution = self.clock(RESOLUTION)
        policy = self.terms.policy(resolution.policy if resolution is not None else ticket.policy)
        window_us = REOPEN_WINDOW_US if policy is None else policy.reopen_window_us
        undone = mark.activity is Activity.RESTORED or was.status in _UNDONE
        if not undone and was.left_us is not None and at_us - was.left_us > window_us:
            if resolution is not None:
                self.drop(resolution, at_us)
            ticket.resolution_us = at_us
            ticket.resolutions += 1
        if was.left_us is not None and ticket.asked_us >= was.left_us:
            ticket.asked_us = at_us  # a courtesy after the end starts nothing until now
            ticket.answers += ticket.answered
        if ticket.queue:
            self._enter_queue(at_us)

    def _is_disputed(self, speaker: Actor | None) -> bool:
        ticket = self.ticket
        if ticket.status != WAITING or ticket.wait_reason != _CUSTOMER_WAIT:
            return False
        return ticket.disputed if speaker is None else speaker is Actor.CUSTOMER

    def _obey(self, why: str, at_us: int, reason: str) -> None:
        for clock in self.ticket.clocks:
            promise, _ = self.terms.promise(clock.policy, clock.name)
            pauses = why in promise.pauses
            clock.capped = clock.capped and pauses
            if clock.since_us < 0 and (not pauses or clock.capped):
                self.run(clock, at_us, reason)
                if reason == REOPENED:
                    self.spare(clock, at_us)
            elif clock.since_us >= 0 and pauses and not clock.capped:
                self.stand(clock, at_us, why)
                self.state(FactType.SLA_PAUSED, clock, at_us, reason=why)
            elif clock.since_us < 0 and clock.why != why:
                was_out = clock.why in OUTCOMES
                self.stand(clock, at_us, why)
                if was_out:  # back in the stock, it waits: no more than that is news
                    self.state(FactType.SLA_PAUSED, clock, at_us, reason=why)

    # Policies.

    def _match(self, at_us: int) -> Policy | None:
        policy = self.terms.match(self.ticket, at_us)
        self.ticket.policy = policy.label if policy is not None else ""
        return policy

    def _rematch(self, was: Standing, at_us: int) -> str:
        """Apply the policy and the targets that the changed fields ask for; return the reason, if any.

        A newer version of the policy that the ticket has is no other policy: what runs keeps its version.
        """
        ticket = self.ticket
        if self._asks_anew(was, at_us):
            found, former = self.terms.match(ticket, at_us), self.terms.policy(ticket.policy)
            if (found and found.name) != (former and former.name):
                ticket.policy = found.label if found is not None else ""
                self._retarget(found, at_us, POLICY_CHANGE)
                return POLICY_CHANGE
        if was.priority == ticket.priority:
            return ""
        reason = PRIORITY_RAISED if _urgency(ticket.priority) < _urgency(was.priority) else PRIORITY_LOWERED
        self._retarget(None, at_us, reason, keeps=True)
        return reason

    def _asks_anew(self, was: Standing, at_us: int) -> bool:
        """Return whether a field changed that some policy looked at by `at_us`."""
        now = matched(self.ticket, self.terms)
        if was.matched == now:
            return False
        looked_at = self.terms.fields_by(at_us)
        pairs = zip(self.terms.fields, was.matched, now, strict=True)
        return any(before != after and name in looked_at for name, before, after in pairs)

    def _turn_policies(self, at_us: int) -> None:
        """A version that reaches running instances comes into force."""
        ticket, former = self.ticket, self.ticket.policy
        policy = self._match(at_us)
        if ticket.policy != former or any(clock.policy != ticket.policy for clock in ticket.clocks):
            why = why_it_stands(ticket)
            self._retarget(policy, at_us, POLICY_CHANGE)
            self._obey(why, at_us, POLICY_CHANGE)
            self._start_missing(at_us, POLICY_CHANGE, why=why, retro=True)
        ticket.timed_us = max(ticket.timed_us, at_us)

    def _follow_turns(self, was: Standing, at_us: int) -> str:
        """Apply the version for running instances that came while the ticket was out; return the reason."""
        turned_us, turn_us = NOT, self.terms.next_running_us(at_us if was.left_us is None else was.left_us)
        while turn_us is not None and turn_us <= at_us:
            turned_us, turn_us = turn_us, self.terms.next_running_us(turn_us)
        if turned_us < 0:
            return ""
        self._retarget(self._match(turned_us), at_us, POLICY_CHANGE)
        return POLICY_CHANGE

    def _retarget(self, policy: Policy | None, at_us: int, reason: str, *, keeps: bool = False) -> None:
        """Let all clocks follow `policy`; `keeps`: each its own, with the target of the priority of now."""
        for clock in tuple(self.ticket.clocks):
            asked = self.terms.policy(clock.policy) if keeps else policy
            target_us = asked.target_us(clock.name, self.ticket.priority) if asked is not None else None
            if asked is None or target_us is None:
                if clock.why not in {"solved", "closed"}:
                    self.state(FactType.SLA_SUPERSEDED, clock, at_us, reason=reason)
                self.drop(clock, at_us)
            elif (clock.policy, clock.target_us) != (asked.label, target_us):
                self.retarget(clock, asked.label, target_us, at_us, reason)

    # Starts.

    def _start_missing(self, at_us: int, reason: str, *, why: str, retro: bool) -> None:
        """Start what has begun by `at_us` and has no clock; `retro`: also what began earlier."""
        starting = [(name, since) for name, since in begun(self.ticket) if retro or since == at_us]
        if not starting:
            return
        policy = self.terms.match(self.ticket, at_us)
        if policy is None:
            return
        for name, since_us in starting:
            target_us = policy.target_us(name, self.ticket.priority)
            if target_us is not None and self.clock(name) is None:
                clock = Clock(name, self._instance(name), policy.label, target_us, since_us)
                self.start(clock, at_us, why, reason)

    def _instance(self, name: str) -> int:
        ticket = self.ticket
        counts = {FIRST: 1, NEXT: ticket.answers, UPDATE: ticket.updates, RESOLUTION: ticket.resolutions}
        return counts.get(name, ticket.stays)


def _reason(*, reopened: bool, disputed: bool) -> str:
    return REOPENED if reopened else DISPUTED if disputed else ""


def _urgency(priority: str) -> str:
    return priority or "p9"  # without one it is the least urgent
