"""A seed is the whole run: nothing else decides what happens, or a failure could not be looked at twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import simulate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SEEDS = (0, 27)


def digest(seed: int, hash_seed: str) -> str:
    """Return what identifies a run in a process of its own: every step and every record published."""
    code = f"from tests.simulation.run import simulate; print(simulate({seed}).digest)"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_gives_the_same_run_whatever_the_order_of_sets_is(seed: int) -> None:
    assert digest(seed, "1") == digest(seed, "2")


def test_a_seed_gives_the_same_run_twice_in_one_process() -> None:
    assert simulate(4).digest == simulate(4).digest


def test_another_seed_gives_another_run() -> None:
    assert simulate(5).digest != simulate(6).digest
