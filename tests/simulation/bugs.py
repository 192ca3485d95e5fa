"""The planted bugs, each told in a sentence: of the loop, the outbox, the fold, merges, cells and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.contracts.instants import SECOND_US
from tests.simulation.faults import Fault, Swarm
from tests.simulation.planted import Edit

_TENURE: Final = "shared.runtime.partition:_Tenure"
_LOOP: Final = "shared.runtime.partition:PartitionLoop"
_STORE: Final = "tests.simulation.stores.aging:SimulatedAgingStore"
_COURIER: Final = "services.alerting.worker.courier:ReceiverCourier"
_AGING: Final = "services.aging.worker.logic:AgingLogic"


class Bug(NamedTuple):
    """One bug, the faults that bring it out, and within how many seeds it has to be found."""

    name: str
    faults: Swarm
    seeds: int
    """Three to five times as many as it took when it was planted, and some more where that was one or two."""
    edits: Sequence[Edit]


# Swarms that make one kind of accident common: with every fault on, a world dies of the commonest.
CRASHES: Final = Swarm({Fault.CRASH: 0.003, Fault.DELAY: 0.05}, {Fault.STOP: 8 * SECOND_US})
UNSURE: Final = Swarm(
    {Fault.FAIL_BEFORE: 0.02, Fault.FAIL_AFTER: 0.02, Fault.LOSE_BLOCK: 0.05, Fault.DELAY: 0.05}, {}
)
LOSSY: Final = Swarm({Fault.LOSE_BLOCK: 0.2, Fault.DELAY: 0.1}, {Fault.STOP: 20 * SECOND_US})
ZOMBIES: Final = Swarm({Fault.FREEZE: 0.006, Fault.DELAY: 0.1}, {Fault.COMPACT: 4 * SECOND_US})
MOVES: Final = Swarm(
    {Fault.DELAY: 0.05},
    {Fault.STOP: 6 * SECOND_US, Fault.EXPEL: 6 * SECOND_US, Fault.SCALE: 12 * SECOND_US},
)
REFUSALS: Final = Swarm({Fault.CRASH: 0.002, Fault.REFUSE_DELIVERY: 0.5, Fault.DELAY: 0.05}, {})
SWARMS: Final = {
    "crashes": CRASHES,
    "unsure": UNSURE,
    "lossy": LOSSY,
    "zombies": ZOMBIES,
    "moves": MOVES,
    "refusals": REFUSALS,
}


LOOP: Final = (
    Bug(
        "publish before commit",
        UNSURE,
        40,
        [
            Edit(
                f"{_TENURE}.step",
                "        number = await self._commit(memory, folded, outgoing)\n",
                "        if outgoing:\n"
                "            await self._publish(self._next_block, outgoing)\n"
                "        number = await self._commit(memory, folded, outgoing)\n",
            ),
            Edit(f"{_TENURE}.step", "        if number is not None:\n", "        if False:\n"),
        ],
    ),
    Bug(
        "publish after commit without an outbox",
        UNSURE,
        10,
        [
            Edit(
                f"{_TENURE}._commit",
                "block=None if number is None else (number, encode_block(outgoing)),",
                "block=None,",
            )
        ],
    ),
    Bug(
        "position before state",
        UNSURE,
        20,
        [
            Edit(
                f"{_STORE}.commit",
                'await self._write("commit", lambda: self._db.write(commit))',
                'await self._write("commit", lambda: self._db.journal.advance(commit))\n'
                '    await self._write("commit", lambda: self._db.write_rows(commit.changes))',
            )
        ],
    ),
    Bug(
        "state and outbox in two transactions",
        UNSURE,
        10,
        [
            Edit(
                f"{_STORE}.commit",
                'await self._write("commit", lambda: self._db.write(commit))',
                'await self._write("commit", lambda: self._db.write_rows(commit.changes))\n'
                '    await self._write("commit", lambda: self._db.journal.advance(commit))',
            )
        ],
    ),
    Bug(
        "no check of the epoch at the commit",
        ZOMBIES,
        5,
        [
            Edit(
                "tests.simulation.stores.journal:Journal.advance",
                "if row is None or row.epoch != commit.epoch:",
                "if row is None:",
            )
        ],
    ),
    Bug(
        "an epoch that is the time, and two owners within ten seconds share it",
        ZOMBIES,
        10,
        [
            Edit(
                "tests.simulation.stores.journal:Journal.take_over",
                "epoch = max(former.epoch + 1, self._database.now_ms())",
                "epoch = self._database.now_ms() // 10_000",
            )
        ],
    ),
    Bug(
        "a writer that fences nobody",
        ZOMBIES,
        150,
        [
            Edit(
                f"{_LOOP}._own",
                'name = f"{parts.service}/{parts.topic.name}/{partition}"',
                'name = f"{parts.service}/{parts.topic.name}/{partition}/{parts.owner}"',
            )
        ],
    ),
    Bug(
        "a take-over that publishes nothing again",
        UNSURE,
        10,
        [Edit(f"{_LOOP}._own", "await tenure.republish(taken)", "pass")],
    ),
    Bug(
        "memory kept though somebody came between",
        MOVES,
        40,
        [Edit(f"{_LOOP}._remember", "if memory is not None and taken.unchanged:", "if memory is not None:")],
    ),
    Bug(
        "memory kept when a commit's outcome is unknown",
        UNSURE,
        30,
        [Edit(f"{_TENURE}.step", "self._loop.memory = None  # in doubt until the commit returns", "pass")],
    ),
    Bug(
        "a block forgotten before it is durable",
        LOSSY,
        10,
        [Edit(f"{_TENURE}._commit", "confirmed=self._writer.confirmed,", "confirmed=self._next_block - 1,")],
    ),
    Bug(
        "a clock that goes back",
        CRASHES,
        5,
        [Edit(f"{_TENURE}._until", "return max(memory.clock_us, newest_us)", "return newest_us")],
    ),
    Bug(
        "timers fire before the log is read to its end",
        CRASHES,
        100,
        [
            Edit(
                f"{_TENURE}._until",
                "if poll.at_end and not self._timers_wait(memory, wall_us):",
                "if not self._timers_wait(memory, wall_us):",
            )
        ],
    ),
    Bug(
        "an id for each time a block is sent",
        UNSURE,
        5,
        [
            Edit(
                f"{_TENURE}._publish",
                "await self._writer.publish(number, records)",
                "await self._writer.publish(number, [\n"
                '        record._replace(value=(record.value or b"").replace(\n'
                '            b\'"id":"\', b\'"id":"%s-%d-\' % (self._parts.owner.encode(), self._writer.confirmed), 1))\n'
                "        for record in records\n"
                "    ])",
            )
        ],
    ),
)

FOLD: Final = (
    Bug(
        "timers that are not armed again after a restart",
        CRASHES,
        15,
        [
            Edit(
                "services.aging.core.memory:Memory._rest",
                "if due_us is not None:",
                "if False:",
            )
        ],
    ),
    Bug(
        "a late mark appended instead of inserted",
        CRASHES,
        5,
        [
            Edit(
                "services.aging.core.rederive:derive_again",
                "sorted((*marks, *added.values()), key=lambda dated: dated.order)",
                "[*marks, *added.values()]",
            )
        ],
    ),
    Bug(
        "a repeat that counts again because it came at another time",
        CRASHES,
        5,
        [
            Edit(
                "services.aging.worker.logic:_arrival",
                "order_of(mark)",
                'order_of(mark)[:-8] + mark.received_us.to_bytes(8, "big")',
            )
        ],
    ),
    Bug(
        "an observation ahead of its time forgotten in a crash",
        CRASHES,
        30,
        [
            Edit(
                f"{_AGING}.load",
                "self._waiting.add(item_of(row) for row in await self._store.load_deferred(partition))",
                "pass",
            )
        ],
    ),
    Bug(
        "of what a survivor was told, the lowest revision wins",
        CRASHES,
        15,
        [
            Edit(
                "services.aging.core.rederive:_newer",
                "if told_by(register) > known.get(register.ticket, (-1, 0)):",
                "if told_by(register) < known.get(register.ticket, (1 << 62, 0)):",
            )
        ],
    ),
    Bug(
        "cells that changed before a crash not shown after it",
        CRASHES,
        90,
        [
            Edit(
                f"{_AGING}.load",
                "backlog.cells.unpublished = set(self._note.cells)",
                "backlog.cells.unpublished = set()",
            )
        ],
    ),
    Bug(
        "versions of what is shown that begin anew with each owner, below the old epoch's",
        CRASHES,
        5,
        [
            Edit(
                "services.aging.worker.output:Output._stamp",
                "return Stamp(self._partition, self._epoch, self.version, clock_us)",
                "return Stamp(self._partition, 1, self.version % 7, clock_us)",
            )
        ],
    ),
)

ALERTING: Final = (
    Bug(
        "an id for each attempt to notify",
        CRASHES,
        10,
        [
            Edit(
                f"{_COURIER}._deliver",
                "self._to.notifier.send(claimed.id, claimed.body, at_us=now_us)",
                'self._to.notifier.send(f"{claimed.id}-{claimed.attempts}", claimed.body, at_us=now_us)',
            )
        ],
    ),
    Bug(
        "an attempt that is not counted before it is made",
        CRASHES,
        15,
        [
            Edit(
                f"{_COURIER}._deliver",
                "claimed = await parts.store.claim(delivery, until_us=now_us + CLAIM_US)",
                "claimed = delivery",
            )
        ],
    ),
    Bug(
        "a notification settled before it is sent",
        REFUSALS,
        10,
        [
            Edit(
                f"{_COURIER}._deliver",
                "    attempt = (\n",
                '    await self._settle(claimed, Attempt(Outcome.DELIVERED, ""))\n    attempt = (\n',
            ),
            Edit(f"{_COURIER}._deliver", "    await self._settle(claimed, attempt)\n", "    del attempt\n"),
        ],
    ),
    Bug(
        "rules judged before the whole picture was read",
        CRASHES,
        10,
        [
            Edit(
                "services.alerting.worker.partition:AlertingLogic.load",
                "await self._read_all(reader)",
                "pass",
            )
        ],
    ),
    Bug(
        "what fires forgotten in a crash",
        CRASHES,
        10,
        [
            Edit(
                "services.alerting.worker.partition:AlertingLogic.load",
                "self._restore(await self._parts.store.load(self.partition, judged_us=self.judged_us))",
                "self._restore((await self._parts.store.load(self.partition, judged_us=self.judged_us))"
                "._replace(firing=()))",
            )
        ],
    ),
)

INTAKE: Final = (
    Bug(
        "answered though the bus has not acknowledged",
        UNSURE,
        50,
        [
            Edit(
                "services.intake.api.appending:Appending.durable",
                'raise unavailable("the bus did not acknowledge; send again", retry_after_s=wait) from None',
                "del wait",
            )
        ],
    ),
    Bug(
        "the inbox's offset moved before its records are on the bus",
        UNSURE,
        40,
        [
            Edit(
                "services.intake.worker.inbox:InboxWorker._step",
                "    if poll.records:\n        await self._bring(poll.records, session.topic_id)\n",
                "",
            ),
            Edit(
                "services.intake.worker.inbox:InboxWorker._step",
                "        self._retry_ms = RETRY_MS_MIN\n",
                "        self._retry_ms = RETRY_MS_MIN\n"
                "    if poll.records:\n"
                "        await self._bring(poll.records, session.topic_id)\n",
            ),
        ],
    ),
)

BUGS: Final = (*LOOP, *FOLD, *ALERTING, *INTAKE)
