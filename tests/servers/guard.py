"""Become a server that cannot outlive the process that asked for it.

    python guard.py PARENT_PID UID GID COMMAND [ARGUMENT ...]

Python's `preexec_fn` could do this in the child, but it is unsafe beside threads and warns since 3.12. So
the child starts as this file, gives up root if told so (UID -1: stay), asks the kernel for SIGKILL when its
parent's thread ends, and turns into COMMAND. Standard library only: it runs with `-I -S`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
KEEP_USER: Final = -1


def main(arguments: list[str]) -> None:
    """Become the command in `arguments`."""
    parent, uid, gid = (int(argument) for argument in arguments[:3])
    command = arguments[3:]
    if uid != KEEP_USER:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user: that clears it. Before the check below: a parent that ended in between
        # would send nothing.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that asked for this server is gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
