"""What the surroundings say: where real data lie, and whether a missing part must fail the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_data_directory() -> Path:
    """Return where the real logs and payloads lie, if they do (BAROMETER_SHARED_DATA, or beside the project)."""
    return Path(os.environ.get("BAROMETER_SHARED_DATA") or _BESIDE)


def in_ci() -> bool:
    """Tell whether a missing part must fail the run."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}
