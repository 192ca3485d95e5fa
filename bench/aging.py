"""Aging on made-up observations in order: Kafka in, everything in one SQL transaction, facts out."""

from __future__ import annotations

from bench.aging_log import SYNTHETIC, made_up
from bench.aging_sides import compared
from bench.harness import Verdict
from bench.quick import sized


def main() -> list[Verdict]:
    observations, tickets = sized((200_000, 20_000), (20_000, 2_000))
    title = f"{tickets:,} tickets, in order, 4 partitions"
    return compared("aging", title, SYNTHETIC, made_up(observations, tickets))
