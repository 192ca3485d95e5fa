"""The long run: `python -m tests.faults --rounds 100 --seed 1`, on a cluster and a database of its own."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path

from tests.faults import rounds
from tests.faults.world import opened


def main() -> None:
    """Run as asked, print what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of each broker that we killed
    begin = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="barometer-faults-") as directory,
        opened(Path(directory), seed=given.seed, disturbed=False) as world,
    ):
        counted = rounds.run(world, given.rounds, given.seed)
        print(rounds.summary(world, counted))
    print(f"{given.rounds} rounds in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
