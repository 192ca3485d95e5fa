"""A group's coordinator: shares partitions among members, and waits for those who have to let go.

Cooperative, as our Kafka adapter joins its groups: who keeps a partition is not disturbed. Membership is
static: a member that comes back under its name gets what it had.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from shared.bus.port import Assigned, Revoked
from tests.simulation.network import Network


class Session:
    """One incarnation of a member, and the changes it has not heard of yet."""

    def __init__(self, name: str, budget_ms: int) -> None:
        self.name, self.budget_ms = name, budget_ms
        self.news: deque[Assigned | Revoked] = deque()
        self.heard: set[int] = set()
        """What it believes to own."""
        self.inside = True
        self.over = False

    def hear(self) -> Assigned | Revoked | None:
        """Return the next change, None if there is none."""
        if not self.news:
            return None
        change = self.news.popleft()
        match change:
            case Assigned(partitions):
                self.heard |= set(partitions)
            case Revoked(partitions):
                self.heard -= set(partitions)
        return change


class Coordinator:
    """One group of one topic."""

    def __init__(self, partitions: int, network: Network, changed: Callable[[], None]) -> None:
        self._partitions, self._network, self._changed = partitions, network, changed
        self._sessions: dict[str, Session] = {}
        self._owners: dict[int, str] = {}
        """By partition, who owns it or has not yet let go of it."""
        self._leaving: dict[int, Session] = {}
        """Partitions that were revoked and not yet released."""
        self.offsets: dict[int, int] = {}

    def owner(self, partition: int) -> Session | None:
        """Return whose a partition is, None while it is nobody's."""
        name = self._owners.get(partition)
        return self._sessions.get(name) if name is not None else None

    def join(self, name: str, budget_ms: int) -> Session:
        """Let a member in."""
        session = Session(name, budget_ms)
        former = self._sessions.get(name)
        self._sessions[name] = session
        if former is not None:
            former.inside, former.over = False, True
            for partition, leaving in list(self._leaving.items()):
                if leaving is former:
                    del self._leaving[partition]
            self._give(session, [p for p, owner in sorted(self._owners.items()) if owner == name])
        self._rebalance()
        return session

    def leave(self, session: Session) -> None:
        """Let a member go, with all it owns."""
        session.over = True
        self._remove(session)

    def expel(self, session: Session) -> None:
        """Throw out a member that was not heard of; it comes back when it hears of it."""
        if self._sessions.get(session.name) is not session:
            return
        session.news.clear()
        if session.heard:
            session.news.append(Revoked(tuple(sorted(session.heard))))
        self._remove(session)

    def readmit(self, session: Session) -> None:
        """Let an expelled member in again."""
        if session.name in self._sessions:
            session.over = True  # another incarnation of it has its place
            return
        session.inside = True
        self._sessions[session.name] = session
        self._rebalance()

    def release(self, session: Session, partitions: tuple[int, ...]) -> None:
        """Take back what was revoked."""
        mine = [partition for partition in partitions if self._leaving.get(partition) is session]
        for partition in mine:
            del self._leaving[partition]
            del self._owners[partition]
        if mine:
            self._rebalance()

    def commit(self, session: Session, partition: int, offset: int) -> None:
        """Store an offset, if the partition is the member's."""
        if session.inside and self.owner(partition) is session:
            self.offsets[partition] = offset

    def _remove(self, session: Session) -> None:
        if self._sessions.get(session.name) is not session:
            return
        session.inside = False
        del self._sessions[session.name]
        for partition, owner in list(self._owners.items()):
            if owner == session.name:
                del self._owners[partition]
                self._leaving.pop(partition, None)
        self._rebalance()

    def _rebalance(self) -> None:
        wanted = self._wanted()
        for name, session in sorted(self._sessions.items()):
            owned = [p for p, owner in sorted(self._owners.items()) if owner == name]
            excess = tuple(p for p in owned if wanted[p] != name and p not in self._leaving)
            if excess:
                self._leaving.update(dict.fromkeys(excess, session))
                session.news.append(Revoked(excess))
                self._network.later(partial(self.release, session, excess), session.budget_ms)
            free = [p for p, owner in sorted(wanted.items()) if owner == name and p not in self._owners]
            self._owners.update(dict.fromkeys(free, name))
            self._give(session, free)
        self._changed()

    def _give(self, session: Session, partitions: list[int]) -> None:
        if partitions:
            session.news.append(Assigned(tuple(partitions)))

    def _wanted(self) -> dict[int, str]:
        """Return who is to own each partition: evenly, and as far as possible who does already."""
        names = sorted(self._sessions)
        if not names:
            return {}
        least, more = divmod(self._partitions, len(names))
        owned = {name: [p for p, owner in sorted(self._owners.items()) if owner == name] for name in names}
        # Who has most gets the odd ones, so that fewer move.
        by_most = sorted(names, key=lambda name: (-len(owned[name]), name))
        room = {name: least + (index < more) for index, name in enumerate(by_most)}
        wanted: dict[int, str] = {}
        for name in names:
            staying = [p for p in owned[name] if p not in self._leaving]
            wanted.update(dict.fromkeys(staying[: room[name]], name))
        for name in names:
            missing = room[name] - sum(owner == name for owner in wanted.values())
            free = [p for p in range(self._partitions) if p not in wanted]
            wanted.update(dict.fromkeys(free[:missing], name))
        return wanted
