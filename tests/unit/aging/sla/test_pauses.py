"""Pause while pending (guide row): which waits stop which clocks, and for how long."""

from __future__ import annotations

from tests.unit.aging.sla.story import (
    clock,
    customer,
    opened,
    promises,
    tell,
    waits,
)

PAUSED_BY_CUSTOMER = promises(resolution=clock("4h", pauses="customer"))


def test_pause_while_pending_a_customer_message_ends_the_pause_at_its_own_time() -> None:
    """Row "Pause while pending"."""
    told = tell(
        PAUSED_BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 10:00", "customer"), customer("Mon 12:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed (pause_disputed)",
        "Mon 15:00 breached",
    ] == told.of("resolution")
