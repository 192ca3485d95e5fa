"""No file names a machine's path or a package registry's host: they would hold on one machine only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.tree import tracked_files

# In pieces, so that this file does not hold what it looks for.
HOSTS: Final = (
    "py" + r"pi\.org", "pythonhosted" + r"\.org", "npm" + r"js\.org", "repo1?" + r"\.maven\.", "crates" + r"\.io",
    "golang" + r"\.org/", "deb" + r"\.debian\.org", "proxy" + r"\.golang", "registry" + r"\.npm",
)  # fmt: skip
PATHS: Final = (
    "/wor" + r"k/",
    "/far" + r"m/",
    "/tmp/bash" + "_jobs",
    "/ro" + r"ot/",
    r"/ho" + r"me/[a-z]",
    "/opt/" + "wheels",
)
UNWANTED: Final = re.compile("|".join(HOSTS + PATHS))


def unwanted(files: list[Path]) -> list[str]:
    """Return where an unwanted address stands, as file:line."""
    found = []
    for file in files:
        for number, line in enumerate(file.read_bytes().decode(errors="replace").splitlines(), start=1):
            if UNWANTED.search(line):
                found.append(f"{file.name}:{number}")
    return found


def test_no_file_names_a_path_of_a_machine_or_a_host_of_a_registry() -> None:
    assert [] == unwanted(tracked_files())


@pytest.mark.parametrize(
    "line", ["index = https://" + "py" + "pi.org/simple", "data in /wor" + "k/shared/data"]
)
def test_a_planted_address_is_caught(tmp_path: Path, line: str) -> None:
    planted = tmp_path / "planted.txt"
    planted.write_text(f"fine\n{line}\n", encoding="utf-8")

    assert ["planted.txt:2"] == unwanted([planted])
