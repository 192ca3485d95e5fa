"""A real PostgreSQL on loopback, in a directory of its own.

PostgreSQL refuses to run as root, so under root it runs as an unprivileged user that is there anyway. A
cluster that the machine's own package started is left alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Self

from tests.servers.child import Child, StartFailed, Unavailable, free_port

_USERS: Final = ("postgres", "nobody")
"""Unprivileged users to run as under root, the best first."""
_ROLE: Final = "barometer"
_DEADLINE_S: Final = 120


def bin_directory() -> Path:
    """Return the directory of initdb and postgres. Raises Unavailable."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    raise Unavailable("PostgreSQL: no initdb found (Debian: postgresql)")


def version() -> str:
    """Return the server's version, such as 15.18. Raises Unavailable."""
    done = subprocess.run(
        [bin_directory() / "postgres", "--version"], check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.split()[2]


def _major(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdigit() else 0


def _unprivileged() -> tuple[int, int] | None:
    """Return (uid, gid) to run as, or None to stay who we are. Raises Unavailable."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    raise Unavailable(f"PostgreSQL: it refuses root, and none of the users {', '.join(_USERS)} exists")


class PostgresServer:
    """One cluster. Data survive `stop`, `kill9` and `start` again; `close` removes them."""

    def __init__(self, *, fsync: bool = False) -> None:
        """Prepare a cluster; without `fsync` commits are fast and a crash of the host loses them."""
        self._bin = bin_directory()
        self._user = _unprivileged()
        self._fsync = fsync
        self._directory = Path(tempfile.mkdtemp(prefix="barometer-postgres-"))
        self._data = self._directory / "data"
        self._port = free_port()
        self._databases = 0
        self._child: Child | None = None
        self.log = self._directory / "postgres.log"
        if self._user is not None:
            os.chown(self._directory, *self._user)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; the same after every start."""
        return self._port

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._child is not None and self._child.alive

    def start(self) -> Self:
        """Start the server and return it once it accepts connections. Raises StartFailed."""
        assert not self.alive, "the server runs already"
        if not self._data.exists():
            self._initialise()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": str(self._directory),
            "max_connections": "200",
            "timezone": "UTC",
            "max_prepared_transactions": "0",
            **({} if self._fsync else {"fsync": "off", "full_page_writes": "off"}),
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self._data), *options]
        self._child = Child(command, self.log, user=self._user, directory=self._directory)
        self._child.wait_ready(self._answers)
        return self

    def stop(self) -> None:
        """Stop the server, ending its sessions (fast shutdown)."""
        if self._child is not None:
            self._child.stop(signal.SIGINT)

    def kill9(self) -> None:
        """End the server and its sessions as a power cut would end the processes."""
        if self._child is not None:
            self._child.kill()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        """End the server and remove its data."""
        self.kill9()
        shutil.rmtree(self._directory, ignore_errors=True)

    def new_database(self, name: str | None = None) -> str:
        """Create an empty database and return its address, postgresql+asyncpg://..."""
        if name is None:
            self._databases += 1
            name = f"test_{self._databases}"
        self.ask(f'CREATE DATABASE "{name}"')
        return f"postgresql+asyncpg://{_ROLE}@127.0.0.1:{self._port}/{name}"

    def drop_database(self, url: str) -> None:
        """Drop the database at `url`, ending whoever is still connected to it."""
        self.ask(f'DROP DATABASE IF EXISTS "{url.rsplit("/", 1)[1]}" WITH (FORCE)')

    def ask(self, statement: str) -> list[str]:
        """Return the rows of `statement` as text, asked as superuser of the database postgres."""
        done = self._psql("-t", "-A", "-c", statement)
        if done.returncode != 0:
            raise StartFailed(f"{statement}: {done.stderr}")
        return done.stdout.splitlines()

    @property
    def programs(self) -> Path:
        """The directory of psql and its kin."""
        return self._bin

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _initialise(self) -> None:
        options = ["--auth=trust", f"--username={_ROLE}", "--encoding=UTF8", "--no-locale", "--no-sync"]
        initialising = Child(
            [str(self._bin / "initdb"), "-D", str(self._data), *options],
            self.log,
            user=self._user,
            directory=self._directory,
        )
        if initialising.wait(_DEADLINE_S) != 0:
            raise StartFailed(f"initdb failed\n{initialising.log_tail()}")

    def _answers(self) -> bool:
        return self._psql("-c", "SELECT 1").returncode == 0

    def _psql(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        address = ["-h", "127.0.0.1", "-p", str(self._port), "-U", _ROLE, "-d", "postgres"]
        return subprocess.run(
            [self._bin / "psql", "-X", "-q", *address, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
        )
