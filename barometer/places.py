"""Where things are: the data directory, the configuration file, the bus and the databases.

Flags come before the environment, the environment before the default. Nothing else reads the
environment, so a command can be run in a test with any.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from barometer.exits import Refused

DEFAULT_FILE: Final = "barometer.yaml"


def environment() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def data_directory(flag: Path | None) -> Path:
    """Return where one-machine mode keeps its files: --data, BAROMETER_DATA, or the user's data directory."""
    if flag is not None:
        return flag
    known = environment()
    if chosen := known.get("BAROMETER_DATA"):
        return Path(chosen)
    base = known.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "barometer"


def configuration_path(flag: Path | None) -> Path | None:
    """Return the file: --config, BAROMETER_CONFIG, ./barometer.yaml if it is there, else None."""
    if flag is not None:
        return flag
    if chosen := environment().get("BAROMETER_CONFIG"):
        return Path(chosen)
    here = Path(DEFAULT_FILE)
    return here if here.exists() else None


def bus_address(data: Path | None, bus: str | None) -> str:
    """Return the bus's address: --bus, --data, BAROMETER_BUS, or the embedded one of this user."""
    if data is not None and bus is not None:
        raise Refused("give either --data or --bus, not both")
    if bus is not None:
        return bus
    if data is None and (chosen := environment().get("BAROMETER_BUS")):
        return chosen
    return f"embedded:{data_directory(data)}"
