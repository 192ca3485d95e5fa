"""A Kafka cluster as a `Bus`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from aiokafka.client import AIOKafkaClient

from shared.bus.kafka import metadata, retention
from shared.bus.kafka.errors import translated
from shared.bus.kafka.membership import KafkaMembership
from shared.bus.kafka.metadata import TopicFacts
from shared.bus.kafka.producers import KafkaAppender
from shared.bus.kafka.reader import KafkaReader
from shared.bus.kafka.settings import REQUEST_WAIT_MS_MAX, START_WAIT_S_MAX, KafkaSettings
from shared.bus.kafka.writer import KafkaWriter
from shared.bus.port import BusMisconfigured, LogIdentity, Membership, Outgoing, Reader, Writer, check_sizes
from shared.contracts.topics import TOPICS, Topic, partition_of


class KafkaBus:
    """A connection to the cluster; opens producers and consumers of their own for what is opened here."""

    def __init__(self, settings: KafkaSettings, client: AIOKafkaClient) -> None:
        """Use `open`."""
        self._settings = settings
        self._client = client
        self._appender = KafkaAppender(settings)
        self._topics: dict[str, TopicFacts] = {}
        self._opened: list[KafkaReader | KafkaWriter | KafkaMembership] = []
        self._closed = False

    @classmethod
    async def open(cls, settings: KafkaSettings) -> Self:
        """Return the bus once a broker answered. Raises BusUnavailable, BusMisconfigured."""
        try:
            options = settings.options()
        except OSError as error:
            text = f"a TLS file of the Kafka connection cannot be used: {error}"
            raise BusMisconfigured(text) from error
        with translated(f"connecting to {', '.join(settings.bootstrap)}"):
            client = AIOKafkaClient(**options)
            try:
                async with asyncio.timeout(START_WAIT_S_MAX):
                    await client.bootstrap()
            except BaseException:
                await client.close()
                raise
        return cls(settings, client)

    async def ensure_topics(self, partitions: Mapping[str, int], *, known: Sequence[Topic] = TOPICS) -> None:
        """See `Bus.ensure_topics`."""
        topics = {topic.name: topic for topic in known}
        with translated("creating topics"):
            await metadata.ensure(self._client, {name: (topics[name], n) for name, n in partitions.items()})

    async def retain(self, days: Mapping[str, int]) -> Mapping[str, int | None]:
        """See `Bus.retain`. Needs DESCRIBE_CONFIGS and ALTER_CONFIGS on the topics, and Kafka 2.3."""
        with translated("altering the retention of topics"):
            return await retention.retain(self._client, days) if days else {}

    async def identity(self, topic: Topic) -> LogIdentity:
        """See `Bus.identity`. Before Kafka 2.8 `topic_id` is empty (see metadata.py)."""
        with translated("asking for the cluster's identity"):
            async with asyncio.timeout(REQUEST_WAIT_MS_MAX / 1_000):
                cluster = await metadata.ask(self._client, [topic.name])
        facts = _existing(cluster.topics, topic.name)
        self._topics[topic.name] = facts
        return LogIdentity(cluster.cluster, facts.name, facts.topic_id, facts.partitions)

    async def append(self, records: Sequence[Outgoing]) -> None:
        """See `Bus.append`."""
        check_sizes(records)
        await self._appender.append(await self._placed(records))

    async def open_reader(self, topic: Topic) -> Reader:
        """See `Bus.open_reader`."""

        def hint(partition: int, offset: int) -> None:
            for opened in self._opened:
                if isinstance(opened, KafkaMembership) and opened.topic == topic.name:
                    opened.hint(partition, offset)

        facts = await self._topic(topic.name)
        reader = KafkaReader(self._settings, topic.name, facts.partitions, hint)
        self._keep(reader)
        return reader

    async def open_writer(self, name: str, epoch: int, *, blocks_in_flight_max: int) -> Writer:
        """See `Bus.open_writer`. `epoch` is not known to Kafka: the writer opened last is the owner."""
        del epoch
        writer = await KafkaWriter.open(self._settings, name, self._placed, blocks_in_flight_max)
        self._keep(writer)
        return writer

    async def join(self, topic: Topic, group: str, *, member: str, revoke_budget_ms: int) -> Membership:
        """See `Bus.join`. Two processes with one `member` name take the partitions from each other."""
        await self._topic(topic.name)
        joined = await KafkaMembership.join(self._settings, topic.name, group, member, revoke_budget_ms)
        self._keep(joined)
        return joined

    async def close(self) -> None:
        """See `Bus.close`."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(opened.close() for opened in self._opened))
        await self._appender.close()
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _keep(self, opened: KafkaReader | KafkaWriter | KafkaMembership) -> None:
        """Close `opened` with the bus, and forget what was closed before: partitions come and go."""
        self._opened = [*(other for other in self._opened if not other.closed), opened]

    async def _topic(self, name: str) -> TopicFacts:
        """Return the topic as first seen: partitions are never added to a topic in use."""
        if (facts := self._topics.get(name)) is None:
            with translated("asking for topics"):
                async with asyncio.timeout(REQUEST_WAIT_MS_MAX / 1_000):
                    facts = _existing((await metadata.ask(self._client, [name])).topics, name)
            self._topics[name] = facts
        return facts

    async def _placed(self, records: Sequence[Outgoing]) -> Mapping[tuple[str, int], Sequence[Outgoing]]:
        """Sort `records` by topic and partition, keeping their order."""
        placed: dict[tuple[str, int], list[Outgoing]] = {}
        counts: dict[str, int] = {}
        for record in records:
            if (count := counts.get(record.topic)) is None:
                count = counts[record.topic] = (await self._topic(record.topic)).partitions
            number = partition_of(record.key, count) if record.partition is None else record.partition
            assert 0 <= number < count, f"{record.topic} has no partition {number}"
            placed.setdefault((record.topic, number), []).append(record)
        return placed


def _existing(topics: Mapping[str, TopicFacts], name: str) -> TopicFacts:
    if name not in topics:
        text = (
            f"topic {name} does not exist: let one Barometer process with the right to create it start once"
        )
        raise BusMisconfigured(text)
    return topics[name]
