"""What tests of commands share: a data directory of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAROMETER_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BAROMETER_BUS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"
