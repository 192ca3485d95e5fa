"""Cluster and topic ids, partitions, and the creation of topics.

aiokafka asks for metadata up to version 5, where topics have no ids. A stored position must not be used on
a topic that was deleted and created again under its name, so we ask with version 10, which has them since
Kafka 2.8. An older broker answers version 5; the topic's id is then empty, and a recreated topic shows only
by offsets that lie outside the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaConnectionError,
    NodeNotReadyError,
    NoError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from shared.bus.kafka.settings import REQUEST_WAIT_MS_MAX, RETRY_WAIT_MS
from shared.bus.port import RECORD_BYTES_MAX, BusMisconfigured, BusUnavailable
from shared.contracts.topics import Cleanup, Topic

REPLICAS_MAX: Final = 3
REPLICAS_IN_SYNC_MIN: Final = 2
"""With three brokers one may be away, and an acknowledged record is still on two."""
TOPIC_WAIT_S_MAX: Final = 20.0
"""Until a new topic has a leader for each partition."""
CREATE_TRIES_MAX: Final = 5
_TOPIC_RESOURCE: Final = 2
_DAY_MS: Final = 86_400_000
_AWAY: Final = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError)
"""A broker that cannot be reached, or does not answer."""
_BATCH_BYTES_MAX: Final = RECORD_BYTES_MAX + 64 * 1024
"""A record and the batch around it."""


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]  # aiokafka has no types
    """The protocol's UUID: 16 bytes."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: Any) -> UUID:
        return UUID(bytes=data.read(16))


class _TopicsResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicsRequest10(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicsResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicsRequest(Request[MetadataRequest_v5 | _TopicsRequest10]):  # type: ignore[misc]
    """Asks for topics and never creates them, whatever the broker's auto.create.topics.enable."""

    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class.API_VERSION < _TopicsRequest10.API_VERSION:
            return request_struct_class(list(self._topics), False)  # noqa: FBT003
        no_id = UUID(int=0)
        return request_struct_class([(no_id, name, {}) for name in self._topics], False, False, False, {})  # noqa: FBT003


class TopicFacts(NamedTuple):
    """A topic of the cluster."""

    name: str
    topic_id: str
    """Empty on brokers before 2.8."""
    partitions: int
    ready: bool
    """Whether every partition has a leader."""


class ClusterFacts(NamedTuple):
    """The cluster and the topics asked for, those that exist."""

    cluster: str
    brokers: int
    topics: Mapping[str, TopicFacts]


async def ask(client: AIOKafkaClient, topics: Sequence[str], *, node: int | None = None) -> ClusterFacts:
    """Return what broker `node` (None: any that answers) knows of the cluster and of `topics` now."""
    request = _TopicsRequest(topics)
    sending = send_to_any(client, request) if node is None else client.send(node, request)
    answer = (await sending).to_object()
    found: dict[str, TopicFacts] = {}
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error is UnknownTopicOrPartitionError:
            continue
        if error is not NoError:
            raise error(topic["topic"])
        topic_id = topic.get("topic_id")
        ready = all(partition["leader"] >= 0 for partition in topic["partitions"])
        count = len(topic["partitions"])
        found[topic["topic"]] = TopicFacts(topic["topic"], topic_id.hex if topic_id else "", count, ready)
    return ClusterFacts(str(answer["cluster_id"]), len(answer["brokers"]), found)


async def send_to_any(client: AIOKafkaClient, request: object, *, first: int | None = None) -> Any:
    """Return the answer of broker `first` (None: any), or of another: with one of three away, two serve."""
    first = client.get_random_node() if first is None else first
    others = [broker.nodeId for broker in client.cluster.brokers() if broker.nodeId != first]
    for node in others:
        with suppress(*_AWAY):
            return await client.send(first, request)
        first = node
    return await client.send(first, request)


async def ensure(client: AIOKafkaClient, wanted: Mapping[str, tuple[Topic, int]]) -> None:
    """Create what is missing of `wanted`, wait until it can be used, and check the cleanup of the rest."""
    if not wanted:
        return
    cluster = await ask(client, list(wanted))
    for name, (topic, partitions) in wanted.items():
        assert partitions > 0, f"{name}: a topic has at least one partition"
        if name not in cluster.topics:
            await _create(client, topic, partitions, brokers=cluster.brokers)
    async with asyncio.timeout(TOPIC_WAIT_S_MAX):
        while True:
            if await _known_everywhere(client, wanted.keys()):
                break
            await asyncio.sleep(RETRY_WAIT_MS / 1_000)
    await _check_cleanup(client, [topic for topic, _ in wanted.values()])


async def _known_everywhere(client: AIOKafkaClient, topics: Collection[str]) -> bool:
    """Return whether each broker that answers has `topics` with a leader for each partition.

    Brokers hear of a new topic one after the other, and the next request may go to any of them.
    """
    answered = False
    for broker in client.cluster.brokers():
        try:
            facts = (await ask(client, list(topics), node=broker.nodeId)).topics
        except _AWAY:
            continue  # it catches up before it answers again
        if facts.keys() != set(topics) or not all(topic.ready for topic in facts.values()):
            return False
        answered = True
    return answered


async def _create(client: AIOKafkaClient, topic: Topic, partitions: int, *, brokers: int) -> None:
    replicas = min(REPLICAS_MAX, brokers)
    config = list(topic_config(topic, replicas).items())
    spec: tuple[Any, ...] = (topic.name, partitions, replicas, [], config)
    error: type[Exception] = NoError
    for _ in range(CREATE_TRIES_MAX):
        request = CreateTopicsRequest(
            create_topic_requests=[spec], timeout=REQUEST_WAIT_MS_MAX, validate_only=False
        )
        # Under KRaft any broker passes it on; before, only the controller took it.
        controller = client.cluster.controller
        first = None if controller is None else controller.nodeId
        answer = await send_to_any(client, request, first=first)
        _, code, *text = answer.topic_errors[0]
        error = for_code(code)
        if error in (NoError, TopicAlreadyExistsError):
            return
        if not getattr(error, "retriable", False):
            raise error(f"{topic.name}: {text}")
        await client.force_metadata_update()
        await asyncio.sleep(RETRY_WAIT_MS / 1_000)
    raise BusUnavailable(f"{topic.name} could not be created: {error.__name__}")


def topic_config(topic: Topic, replicas: int) -> dict[str, str]:
    """Return the topic's settings on the broker."""
    config = {
        "cleanup.policy": topic.cleanup.value,
        # The partition's clock is the append time, by one clock for all producers (design 3c).
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(_BATCH_BYTES_MAX),
        "min.insync.replicas": str(REPLICAS_IN_SYNC_MIN if replicas >= REPLICAS_MAX else 1),
        "unclean.leader.election.enable": "false",
    }
    if topic.cleanup is Cleanup.COMPACT:
        config |= {
            # A take-over reads the topic from the beginning: keep it short. Segments are compacted once
            # closed, so close them daily; deletions stay readable for a day.
            "min.cleanable.dirty.ratio": "0.3",
            "segment.ms": str(_DAY_MS),
            "segment.bytes": str(128 * 1024 * 1024),
            "max.compaction.lag.ms": str(_DAY_MS),
            "delete.retention.ms": str(_DAY_MS),
        }
    else:
        days = topic.retention_days
        config["retention.ms"] = "-1" if days is None else str(days * _DAY_MS)
    return config


async def _check_cleanup(client: AIOKafkaClient, topics: Sequence[Topic]) -> None:
    resources = [(_TOPIC_RESOURCE, topic.name, ["cleanup.policy"]) for topic in topics]
    answer = await send_to_any(client, DescribeConfigsRequest(resources, False))  # noqa: FBT003
    expected = {topic.name: topic.cleanup.value for topic in topics}
    for code, reason, _, name, entries in answer.resources:
        if (error := for_code(code)) is not NoError:
            raise error(f"{name}: {reason}")
        found = {entry[0]: entry[1] for entry in entries}.get("cleanup.policy")
        if found != expected[name]:
            text = f"topic {name} has cleanup.policy {found}, it must be {expected[name]}: alter it, or move it away"
            raise BusMisconfigured(text)
