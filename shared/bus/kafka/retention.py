"""Altering how long a topic keeps its records, and nothing else of it.

aiokafka knows only the older request, which puts every setting that it does not name back to its default; the
incremental one (KIP-339, Kafka 2.3) touches what it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from shared.bus.kafka.metadata import send_to_any
from shared.bus.port import BusMisconfigured

RETENTION: Final = "retention.ms"
DAY_MS: Final = 86_400_000
_TOPIC_RESOURCE: Final = 2
_SET: Final = 0


class _AlteredResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "resources",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterRequest0(RequestStruct):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _AlteredResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterRequest(Request[_AlterRequest0]):  # type: ignore[misc]
    API_KEY = 44

    def __init__(self, values_ms: Mapping[str, int]) -> None:
        self._values_ms = values_ms

    def build(self, request_struct_class: Any) -> Any:
        resources = [
            (_TOPIC_RESOURCE, name, [(RETENTION, _SET, str(value))])
            for name, value in self._values_ms.items()
        ]
        return request_struct_class(resources, False)  # noqa: FBT003


async def retain(client: AIOKafkaClient, days: Mapping[str, int]) -> dict[str, int | None]:
    """Let the topics keep records for `days`; return those that kept them otherwise, with their former days.

    None stands for ever; a part of a day counts as a whole one.
    """
    former_ms = await _retention_ms(client, list(days))
    others = {name: value for name, value in former_ms.items() if value != days[name] * DAY_MS}
    if others:
        answer = await send_to_any(client, _AlterRequest({name: days[name] * DAY_MS for name in others}))
        for code, reason, _, name in answer.resources:
            if (error := for_code(code)) is TopicAuthorizationFailedError:
                text = (
                    f"the retention of topic {name} may not be altered: grant ALTER_CONFIGS on it, or take it out "
                    "of the section `retention`"
                )
                raise BusMisconfigured(text)
            if error is not NoError:
                raise error(f"{name}: {reason}")
    return {name: None if value < 0 else -(-value // DAY_MS) for name, value in others.items()}


async def _retention_ms(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, int]:
    resources = [(_TOPIC_RESOURCE, name, [RETENTION]) for name in names]
    answer = await send_to_any(client, DescribeConfigsRequest(resources, False))  # noqa: FBT003
    found: dict[str, int] = {}
    for code, reason, _, name, entries in answer.resources:
        if (error := for_code(code)) is UnknownTopicOrPartitionError:
            raise BusMisconfigured(f"topic {name} does not exist")
        if error is not NoError:
            raise error(f"{name}: {reason}")
        found[name] = next(int(entry[1]) for entry in entries if entry[0] == RETENTION)
    return found
