"""Imports go one way, and the contracts that say so bite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

INDEPENDENT = "services never import each other"
THREE_FLOORS = "barometer > services > shared"
SERVICE = "inside a service"
SHARED = "inside shared"
PURE = "cores and contracts: no I/O, no clock, no chance"
KAFKA = "only shared.bus.kafka speaks Kafka"
WORKERS = "workers await ports, never asyncio, so that anything can drive them"

# Each: the contract meant for it, the file, what is planted, and the words that name the culprit.
PLANTED = [
    (INDEPENDENT, "services/intake/core/planted.py", "import services.aging.core", "services.intake.core.planted"),
    (THREE_FLOORS, "shared/bus/planted.py", "import services.intake.core", "shared.bus.planted"),
    (THREE_FLOORS, "services/aging/adapters/planted.py", "import barometer", "services.aging.adapters.planted"),
    (SERVICE, "services/aging/core/planted.py", "import services.aging.ports", "services.aging.core.planted"),
    (SERVICE, "services/alerting/adapters/planted.py", "import services.alerting.app", "adapters.planted"),
    (SERVICE, "services/aging/utils.py", "", "utils"),
    (SHARED, "shared/sql/planted.py", "import shared.runtime.port", "shared.sql.planted"),
    (SHARED, "shared/contracts/planted.py", "import shared.codec", "shared.contracts.planted"),
    (SHARED, "shared/common.py", "", "common"),
    (PURE, "services/aging/core/planted.py", "import random", "services.aging.core.planted"),
    (PURE, "shared/contracts/planted.py", "import uuid", "shared.contracts.planted"),
    (PURE, "services/alerting/core/planted.py", "import shared.clock", "services.alerting.core.planted"),
    (KAFKA, "services/intake/adapters/planted.py", "import aiokafka", "services.intake.adapters.planted"),
    (WORKERS, "shared/runtime/partition.py", "import asyncio", "shared.runtime.partition"),
    (WORKERS, "services/aging/worker/planted.py", "import threading", "services.aging.worker"),
]  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the product's sources."""
    directory = tmp_path_factory.mktemp("tree")
    only_sources = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, directory / package, ignore=only_sources)
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def lint(tree: Path) -> dict[str, str]:
    """Return what import-linter found in `tree`: by broken contract, its text."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    broken: dict[str, str] = {}
    _, _, details = done.stdout.partition("Broken contracts")
    name = ""
    for before, line in zip(["", *details.splitlines()], details.splitlines(), strict=False):
        if before and line == "-" * len(before):
            name = before
            broken[name] = ""
        elif name:
            broken[name] += line + "\n"
    return broken


def test_every_import_goes_the_way_the_contracts_say() -> None:
    assert {} == lint(ROOT)


@pytest.mark.parametrize(("contract", "file", "planted", "culprit"), PLANTED)
def test_a_planted_import_is_caught_by_the_contract_meant_for_it(
    copy: Path, contract: str, file: str, planted: str, culprit: str
) -> None:
    path = copy / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(f"{before or ''}\n{planted}\n", encoding="utf-8")
    try:
        found = lint(copy)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")

    assert culprit in found.get(contract, "")
