"""How a command ends when it cannot do what was asked: a sentence on stderr and an exit code.

Only what a person can act on is caught: a wrong file, a bus that is away. A defect stays a traceback.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Callable
from typing import Final

from shared.bus.port import BusError, BusUnavailable
from shared.configuration.problems import ConfigurationInvalid
from shared.runtime.environment import SettingsInvalid
from shared.runtime.process import Exit
from shared.sql.port import StoreError, StoreUnavailable

INTERRUPTED: Final = 130


class Refused(Exception):
    """The command cannot do what was asked; the message names the mend."""


_AWAY: Final = (BusUnavailable, StoreUnavailable)


def reported(work: Callable[[], int]) -> int:
    """Return what `work` returns; what stops it is told on stderr and becomes an exit code."""
    try:
        return work()
    except ConfigurationInvalid as error:
        for problem in error.problems:
            complain(str(problem))
        return Exit.USAGE
    except CancelledError:
        complain("interrupted")
        return INTERRUPTED
    except _AWAY as error:
        complain(f"cannot be reached: {error}")
        return Exit.UNAVAILABLE
    except (Refused, SettingsInvalid, BusError, StoreError) as error:
        complain(str(error))
        return Exit.USAGE


def complain(text: str) -> None:
    """Tell the person; standard output stays free for results."""
    print(text, file=sys.stderr)
