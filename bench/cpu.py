"""The processor time of a process: what a measurement costs, whoever else uses the machine meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_USER, _SYSTEM = 11, 12
"""Fields of /proc/PID/stat behind the name, which may hold blanks."""
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """Return the processor seconds that process `pid`, all its threads, has used (Linux; elsewhere 0)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_A_SECOND
