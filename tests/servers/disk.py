"""A disk so small that it can be filled, and one that can be made read-only: a tmpfs of its own (needs root)."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path
from typing import Final, Self

from tests.servers.child import Unavailable

SIZE_MIB: Final = 16
_PIECE: Final = bytes(4096)
_DEADLINE_S: Final = 20


class SmallDisk:
    """A file system of SIZE_MIB at `path`."""

    def __init__(self, path: Path) -> None:
        """Mount it. Raises Unavailable where that is not allowed."""
        path.mkdir(exist_ok=True)
        self.path = path
        self._ballast = path / "ballast"
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(path))
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable(f"a small disk: mounting a tmpfs is not allowed here ({error})") from error

    def fill(self) -> None:
        """Take all room that is left."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(_PIECE)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def make_room(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def read_only(self, *, on: bool) -> None:
        """Refuse writes, or not. Nobody may have a file open for writing: the kernel does not allow it then."""
        _run("mount", "-o", f"remount,{'ro' if on else 'rw'}", str(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        _run("umount", "-l", str(self.path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_DEADLINE_S)
