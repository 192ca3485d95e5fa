"""From what a list shows to observations: by the adapter that reads the vendor's webhooks, and nothing else.

So a ticket comes out the same by both ways, a mended map counts for both, and what cannot be used is kept as the
webhook it might have been, to be retried by the same command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.intake.core.arrival import Arrival
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.pull.port import Item
from services.intake.core.pull.pulled import VERIFIED, as_listed, kept_headers_of
from services.intake.core.rejected import STAGE_WEBHOOK
from services.intake.core.rejection import Rejection
from services.intake.core.vendors.port import Delivery, Vendor
from services.intake.core.webhook import Received, failed, receive
from shared.contracts.tickets import Rejected

Attempt = Callable[[Callable[[], Received], Callable[[str], Received]], Received]
"""Runs a pure step and turns whatever it raises into a value: shared/runtime/attempt.py."""

_POST: Final = "POST"
_JSON: Final = "application/json"


class Read(NamedTuple):
    """What the items of one answer come to."""

    accepted: tuple[Normalised, ...] = ()
    refused: tuple[tuple[Item, Rejection], ...] = ()
    ignored: tuple[str, ...] = ()
    """Why items are no tickets, by the adapter's short words."""


def read(
    normaliser: Normaliser, vendor: Vendor, items: Sequence[Item], received_at: datetime, attempt: Attempt
) -> Read:
    """Return the observations of `items`, each marked as pulled, and those that cannot be used."""
    accepted: list[Normalised] = []
    refused: list[tuple[Item, Rejection]] = []
    ignored: list[str] = []
    arrival = Arrival.at(received_at)
    for item in items:
        received = attempt(
            lambda item=item: receive(normaliser, vendor, delivery_of(item, received_at), arrival),  # type: ignore[misc]
            lambda error: Received(refused=(failed(error),)),
        )
        accepted += [
            Normalised(as_listed(each.observation, item), each.unmapped) for each in received.accepted
        ]
        refused += [(item, rejection) for rejection in received.refused]
        ignored += [received.ignored] if received.ignored else []
    return Read(tuple(accepted), tuple(refused), tuple(ignored))


def delivery_of(item: Item, received_at: datetime) -> Delivery:
    """Return the webhook that would show `item`."""
    return Delivery(_POST, "", item.headers, item.body, received_at)


def kept(
    item: Item, rejection: Rejection, *, id: str, tenant: str, source: str, vendor: Vendor, at: datetime
) -> Rejected:
    """Return the record that keeps an item that cannot be used, to be retried as a webhook."""
    return Rejected(
        id=id, tenant=tenant, source=source, stage=STAGE_WEBHOOK, reason=rejection.reason.value,
        detail=rejection.detail, received_at=at, rejected_at=at, content_type=_JSON, body=item.body,
        verified=VERIFIED + vendor.name, headers=kept_headers_of(item),
    )  # fmt: skip
