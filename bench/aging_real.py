"""Aging on a real log, several times over: real order, statuses and reassignments, in one hour."""

from __future__ import annotations

from itertools import islice

from bench.aging_log import REAL, real_log
from bench.aging_sides import compared
from bench.harness import Verdict
from bench.quick import sized


def main() -> list[Verdict]:
    copies, most = sized((4, 200_000), (1, 20_000))
    title = f"the real ServiceNow log under {copies} source(s), 4 partitions"
    return compared("aging_real", title, REAL, islice(real_log(copies), most))
