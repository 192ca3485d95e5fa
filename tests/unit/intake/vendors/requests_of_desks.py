"""Requests as help desks send them, and what the normaliser makes of what their adapters show."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.vendors.port import Delivery, Members, Shown, Untrusted, Vendor
from shared.contracts.tickets import Observation

RECEIVED: Final = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
"""A second after the time of the published signatures."""
SIGNED_BODY: Final = b'{"id":42,"subject":"Printer on fire"}'
SECRET: Final = "topsecret"
OTHER: Final = "another"
URL: Final = "https://intake.example.com/hooks/x"


def delivery(
    body: object, headers: dict[str, str] | None = None, *, received_at: datetime = RECEIVED
) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery("POST", URL, headers or {}, raw, received_at)


def members(vendor: Vendor, body: object, headers: dict[str, str] | None = None) -> Members:
    """Return what a request of one ticket shows."""
    shown = vendor.read(delivery(body, headers))
    assert 1 == len(shown.tickets), shown
    return shown.tickets[0]


def ignored(vendor: Vendor, body: object, headers: dict[str, str] | None = None) -> str:
    """Return why a request shows nothing."""
    shown = vendor.read(delivery(body, headers))
    assert () == shown.tickets
    return shown.ignored


def observed(
    vendor: Vendor, shown: Shown, received_at: datetime = RECEIVED, **overrides: Any
) -> list[Observation]:
    """Return the observations of what `vendor` shows, by its own vocabulary and `overrides` of the source."""
    words = vendor.vocabulary
    definition: dict[str, Any] = {
        "statuses": words.statuses, "status_default": words.status_default,
        "priorities": words.priorities, "priority_default": words.priority_default,
        "channel": words.channel, "kind": words.kind,
    }  # fmt: skip
    definition |= {name: {**definition[name], **more} for name, more in overrides.items()}
    normaliser = Normaliser(SourceDefinition(name="desk", **definition))
    found = []
    for ticket in shown.tickets:
        outcome = normaliser.fields(ticket, Defaults("derived"), Arrival.at(received_at))
        assert isinstance(outcome, Normalised), outcome
        found.append(outcome.observation)
    return found


def observation(
    vendor: Vendor, body: object, headers: dict[str, str] | None = None, *, received_at: datetime = RECEIVED
) -> Observation:
    """Return the only observation of a request."""
    (found,) = observed(vendor, vendor.read(delivery(body, headers)), received_at)
    return found


def fields_of(found: Observation) -> dict[str, Any]:
    """Return the fields that an observation shows, by name."""
    names = found.fields.__struct_fields__
    return {name: value for name in names if (value := getattr(found.fields, name)) is not UNSET}


def refusals(
    vendor: Vendor, headers: dict[str, str], signature: str, *, received_at: datetime = RECEIVED
) -> list[str]:
    """Return which changes of a request with a good `signature` header the vendor still takes: none."""
    good = delivery(SIGNED_BODY, headers, received_at=received_at)
    shown = headers[signature]
    changed = {
        "another body": good._replace(body=SIGNED_BODY.replace(b"42", b"43")),
        "a truncated body": good._replace(body=SIGNED_BODY[:-1]),
        "a re-encoded body": good._replace(body=json.dumps(json.loads(SIGNED_BODY)).encode()),
        "an empty body": good._replace(body=b""),
        "a truncated signature": good._replace(headers={**headers, signature: shown[:-1]}),
        "another signature": good._replace(headers={**headers, signature: shown[:-2] + "xx"}),
        "an odd signature": good._replace(headers={**headers, signature: "\udcff☃"}),
        "no signature": good._replace(headers={k: v for k, v in headers.items() if k != signature}),
    }
    taken = [
        what for what, each in changed.items() if not isinstance(vendor.verify(each, (SECRET,)), Untrusted)
    ]
    taken += ["another secret"] if not isinstance(vendor.verify(good, (OTHER,)), Untrusted) else []
    taken += ["no secret"] if not isinstance(vendor.verify(good, ()), Untrusted) else []
    return taken


def real(shared_data: Path, vendor: str, name: str) -> Any:
    """Return a real body; those wrapped with their headers are unwrapped."""
    found = json.loads((shared_data / "webhooks" / vendor / f"{name}.json").read_bytes())
    return found["body"] if {"headers", "body"} <= found.keys() else found
