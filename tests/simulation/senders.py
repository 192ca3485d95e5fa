"""Those outside: senders over HTTP, an upstream that writes to the inbox, an importer, an operator.

None of them ever dies or gives up: what a sender must do (send again until it is acknowledged) they do. So
whatever they were told is safe has to be there in the end.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from barometer.publication import _newest, _try
from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.envelope import OBSERVED_TYPE
from services.intake.core.normalise import Normalised
from services.intake.core.reception import Item
from services.intake.core.sources import Sources
from services.intake.settings import definitions_of
from shared.bus.port import BusUnavailable, Fenced
from shared.codec import source_of, to_every_partition, to_outgoing
from shared.configuration.facts import facts_digest, facts_document
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import SECOND_US, from_us
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Observation, RunBegan, RunEnded
from shared.contracts.topics import INBOX
from tests.simulation.bus import SimulatedBus
from tests.simulation.desk import Shown
from tests.simulation.roles import Exchange, IntakeRole
from tests.simulation.scheduler import Crashed, Reached, Task, Wait, give
from tests.simulation.settings import SOURCE, configuration_of, edit

if TYPE_CHECKING:
    from tests.simulation.world import World

_ANSWER_MS: Final = 5_000
"""How long a sender waits for its answer."""
_LISTED_OTHERWISE: Final = 0.5
"""How much of a list cannot be told by id from what webhooks say."""
_AGAIN_US: Final = 400_000
"""How long it waits before it sends again, on average."""


class Unreachable(Exception):
    """No connection, no answer, or the answer was lost."""


@dataclass(slots=True)
class Ledger:
    """What senders were told."""

    taken: set[tuple[str, str]] = field(default_factory=set)
    """(tenant, event id) answered 202."""
    requests: int = 0
    inbox: int = 0
    """Records acknowledged by the inbox."""


class Outside:
    """Everybody who is no process of ours."""

    def __init__(self, world: World) -> None:
        self.alive, self.frozen = True, False
        self._world = world
        self._random = world.scheduler.random
        self._bus = SimulatedBus(world.cluster, self._point)
        self.tasks: list[Task] = []
        self.ledger = Ledger()

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start somebody."""
        self.tasks.append(self._world.scheduler.start(f"outside/{name}", work, self))

    @property
    def is_done(self) -> bool:
        """Whether nobody has anything left to do."""
        return all(task.done() for task in self.tasks)

    def close(self) -> None:
        """Send everybody home."""
        self.alive = False
        for task in self.tasks:
            task.end()

    def ended(self, task: Task, error: BaseException | None) -> None:
        """Hear of the end of one of them; they have no excuse to fail."""
        if error is not None:
            self._world.violation(f"{task.get_name()} died: {type(error).__name__}: {error}", error)

    # Senders over HTTP.

    async def send(self, shown: Sequence[Shown]) -> None:
        """Send what is shown, in batches, each until it is answered; some of them once more later."""
        random = self._random
        index = 0
        while index < len(shown):
            batch = shown[index : index + random.choice((1, 1, 2, 5, 20))]
            index += len(batch)
            # A batch is sent once all of it was seen.
            await self._until(batch[-1].at_us)
            await self._sent(batch)
            if random.random() < self._world.repeats:
                await self._pause(int(random.random() * 20 * SECOND_US))
                await self._sent(batch)

    async def _sent(self, batch: Sequence[Shown]) -> None:
        tenant = batch[0].tenant
        items = [Item(one.body, one.event_id) for one in batch]
        while True:
            try:
                taken = await self._asked(Exchange(tenant, SOURCE, items))
            except Unreachable:
                await self._pause(int(self._random.random() * 2 * _AGAIN_US))
                continue
            pairs = zip(batch, taken, strict=True)
            self.ledger.taken.update((tenant, one.event_id) for one, is_taken in pairs if is_taken)
            return

    async def _asked(self, exchange: Exchange) -> Sequence[bool]:
        """Make one request to one of the processes; return which items were taken. Raises Unreachable."""
        self.ledger.requests += 1
        await self._point("http.request", done=False)
        process = self._random.choice([host.process for host in self._world.hosts if "intake" in host.roles])
        if process is None or process.stopping:
            raise Unreachable
        intake = process.roles["intake"]
        assert isinstance(intake, IntakeRole)
        process.spawn("request", intake.handle(exchange))
        await self._world.until(lambda: exchange.answer is not None or exchange.is_refused, _ANSWER_MS)
        await self._point("http.request", done=True)
        if exchange.answer is None:
            raise Unreachable
        return exchange.answer

    # The inbox.

    async def write(self, shown: Sequence[Shown]) -> None:
        """Write what is shown straight to the inbox; among it records that nobody can read."""
        for one in shown:
            await self._until(one.at_us)
            await self._appended([_inbox_record(self._random, one)])
            self.ledger.inbox += 1

    # An import.

    async def import_(self, run: str, shown: Sequence[Shown], begin_us: int) -> None:
        """Import old events as one run: begin mark, observations, end mark."""
        partitions = self._world.shape.events
        await self._until(begin_us)
        await self._appended(to_every_partition(RunBegan(run=run, at=from_us(self._now_us())), partitions))
        records = [record for one in shown if (record := self._imported(one, run)) is not None]
        while records:
            count = self._random.choice((1, 3, 10, 30))
            await self._appended(records[:count])
            records = records[count:]
            await self._pause(int(self._random.random() * 2 * SECOND_US))
        await self._appended(to_every_partition(RunEnded(run=run, at=from_us(self._now_us())), partitions))

    def _imported(self, shown: Shown, run: str) -> Outgoing | None:
        observation = self._normalised(shown, run)
        return None if observation is None else to_outgoing(observation)

    def _normalised(self, shown: Shown, run: str | None = None) -> Observation | None:
        sources = Sources(definitions_of(self._world.configuration, {}))
        normaliser = sources.get(shown.tenant, SOURCE)
        assert normaliser is not None
        arrival = Arrival.at(from_us(self._now_us()))
        outcome = normaliser.json(shown.body, Defaults(shown.event_id, run=run), arrival)
        return outcome.observation if isinstance(outcome, Normalised) else None

    # A pull.

    async def pull(self, shown: Sequence[Shown]) -> None:
        """Read what is shown from the source's list: by the second, under an id of the list's own, or as it is told."""
        random = self._random
        for one in shown:
            await self._until(one.at_us + int(random.choice((0, 1, 10)) * random.random() * SECOND_US))
            told = self._normalised(one)
            if told is None or told.dated_by_receipt:
                continue  # a list says of everything when it was
            listed = msgspec.structs.replace(told, pulled=True)
            if random.random() < _LISTED_OTHERWISE:
                second = told.time.replace(microsecond=0)
                listed = msgspec.structs.replace(listed, id=f"list {told.id}", time=second)
            await self._appended([to_outgoing(listed)])

    # An operator.

    async def edit(self, document: dict[str, Any], edits: Sequence[tuple[int, tuple[str, ...]]]) -> None:
        """Apply the configuration, then edit it at the instants given: sections are drawn anew."""
        await self._applied(document)
        for at_us, sections in edits:
            await self._until(at_us)
            document = msgspec.json.decode(msgspec.json.encode(document))
            edit(document, self._random, sections)
            await self._applied(document)

    async def _applied(self, document: dict[str, Any]) -> None:
        published = facts_document(configuration_of(document))
        now = from_us(self._now_us())
        wanted = ConfigVersion(
            version=0, effective_from=now, recorded_at=now, digest=facts_digest(published), document=published
        )
        while True:
            try:
                first = await _newest(self._bus)
                await _try(self._bus, wanted, first, self._world.shape.events, is_dated=False)
            except (Fenced, BusUnavailable):
                await self._pause(int(self._random.random() * 2 * _AGAIN_US))
            else:
                return

    # Time and the bus.

    async def _appended(self, records: Sequence[Outgoing]) -> None:
        while True:
            try:
                await self._bus.append(records)
            except BusUnavailable:
                await self._pause(int(self._random.random() * 2 * _AGAIN_US))
            else:
                return

    def _now_us(self) -> int:
        return self._world.scheduler.now_us

    async def _until(self, at_us: int) -> None:
        if at_us > self._now_us():
            await give(Wait(None, at_us))

    async def _pause(self, us: int) -> None:
        await give(Wait(None, self._now_us() + us))

    async def _point(self, call: str, *, done: bool) -> None:
        if not self.alive:
            raise Crashed
        await give(Reached(call, done))


_POISON: Final = (
    b"",
    b"{",
    b"null",
    b'{"id": 1, "status": {}}',
    b"\xff\xfe",
    b"[" * 200,
    b'{"unknown": true}',
)


def _inbox_record(random: Random, shown: Shown) -> Outgoing:
    body, source, kind = shown.body, source_of(shown.tenant, SOURCE), OBSERVED_TYPE
    chance = random.random()
    if chance < 0.05:
        body = random.choice(_POISON)
    elif chance < 0.08:
        source = random.choice(("/sources/acme/nobody", "elsewhere", "/sources//"))
    elif chance < 0.1:
        kind = "com.example.other"
    headers = (
        ("content-type", b"application/json"), ("ce_specversion", b"1.0"), ("ce_type", kind.encode()),
        ("ce_id", shown.event_id.encode()), ("ce_source", source.encode()), ("ce_subject", shown.ticket.encode()),
    )  # fmt: skip
    return Outgoing(INBOX.name, shown.ticket.encode(), body, headers if chance > 0.01 else headers[:2])
