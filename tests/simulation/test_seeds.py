"""Seeds that found something once, and what it was.

A change of the world gives a seed another life, so each of these has a test beside the code as well.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.simulation.run import simulate

FOUND: Final = {
    9: "two changes of mind in one instant shared an id (sla.restated)",
    39: "a receiver was left alone for as long as a clock had been ahead, once it was set back",
    105: "a deadline moved by the calendar and by the policy in one instant shared an id",
    329: "a load that was overtaken by another owner died of a KeyError instead of ending as lost",
    374: "an edit judged tickets without what came in the same batch, and stated facts that never were",
    453: "a later edit changed which policy a ticket had been given before it",
    499: "between an edit and the next observation of a ticket, what the edit brought about was passed over",
    567: "the same, for tickets that bounced",
    36861: "a ticket that moved before an edit of the past had reached it kept a breach that is none by it",
    38567: "the same, of a warning that the past has by the edit",
    20407: "a message of an absorbed ticket that was ahead of its survivor's clock did not count at its time",
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", FOUND)
def test_what_a_seed_found_stays_mended(seed: int) -> None:
    simulate(seed)
