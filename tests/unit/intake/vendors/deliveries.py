"""Requests as vendors send them: made up by hand, of the published signature vectors, and real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.vendors.port import Delivery, Members, Untrusted, Vendor
from shared.contracts.tickets import Observation, TicketFields

SECRET = "topsecret"
VECTOR = b'{"id":42,"subject":"Printer on fire"}'
VECTOR_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VECTOR_URL = "https://intake.example.com/hooks/x"
"""What the published vectors are computed from: a body, a secret, a receive time and an address."""

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def delivered(
    body: object, headers: Mapping[str, str] | None = None, *, method: str = "POST", at: datetime = NOW
) -> Delivery:
    """Give a request with `body`: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method, VECTOR_URL, dict(headers or {}), raw, at)


def vector(headers: Mapping[str, str]) -> Delivery:
    """Give the request of the published vectors."""
    return delivered(VECTOR, headers, at=VECTOR_AT)


def spoiled(good: Delivery) -> Iterator[Delivery]:
    """Yield `good` truncated, encoded again and with another body, under the signature it had."""
    yield good._replace(body=good.body[:-1])
    yield good._replace(body=json.dumps(json.loads(good.body), indent=1).encode())
    yield good._replace(body=good.body.replace(b"42", b"43"))
    yield good._replace(body=b"")


def assert_refused(vendor: Vendor, good: Delivery, header: str, secret: str = SECRET) -> None:
    """Hold that nothing but `good`, under `secret`, is taken for the vendor's."""
    shown = good.headers[header]
    others = [
        good._replace(headers={name: value for name, value in good.headers.items() if name != header}),
        *(
            good._replace(headers={**good.headers, header: wrong})
            for wrong in (shown[:-1], shown + "=", "\xff")
        ),
    ]
    taken = [each for each in others if not isinstance(vendor.verify(each, (secret,)), Untrusted)]
    assert [] == taken
    assert isinstance(vendor.verify(good, ("another",)), Untrusted)
    assert isinstance(vendor.verify(good, ()), Untrusted)


def real(shared_data: Path, vendor: str, name: str) -> Delivery:
    """Give a real request. Files that hold headers and body are taken apart."""
    raw = (shared_data / "webhooks" / vendor / name).read_bytes()
    content = json.loads(raw)
    if isinstance(content, dict) and "headers" in content and "body" in content:
        return delivered(content["body"], content["headers"])
    return delivered(raw)


def real_names(shared_data: Path, vendor: str) -> set[str]:
    """Give the names of a vendor's real bodies."""
    return {path.name for path in (shared_data / "webhooks" / vendor).glob("*.json")}


def shown(vendor: Vendor, delivery: Delivery) -> Members:
    """Give what a request shows of its only ticket."""
    tickets = vendor.read(delivery).tickets
    assert 1 == len(tickets), tickets
    return tickets[0]


def observed(vendor: Vendor, delivery: Delivery) -> list[Observation]:
    """Give the observations of a request, through the normaliser with the vendor's own words."""
    words = vendor.vocabulary
    normaliser = Normaliser(
        SourceDefinition(
            name=vendor.name, statuses=words.statuses, status_default=words.status_default,
            priorities=words.priorities, priority_default=words.priority_default,
            channel=words.channel, kind=words.kind,
        )
    )  # fmt: skip
    arrival = Arrival.at(max(delivery.received_at, NOW) + timedelta(days=365))
    outcomes = [normaliser.fields(each, Defaults("fresh"), arrival) for each in vendor.read(delivery).tickets]
    good = [outcome.observation for outcome in outcomes if isinstance(outcome, Normalised)]
    assert len(good) == len(outcomes), outcomes
    return good


def facts(observation: Observation, *names: str) -> dict[str, Any]:
    """Give those members `names` of an observation and of its fields that it shows."""
    fields = TicketFields.__struct_fields__
    return {
        name: value
        for name in names
        if (value := getattr(observation.fields if name in fields else observation, name)) is not UNSHOWN
    }


UNSHOWN = TicketFields().subject
