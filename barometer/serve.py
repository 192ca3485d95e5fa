"""`barometer serve`: everything on this machine, in one process, on one port."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from barometer.embedded import Options, main
from barometer.exits import Refused, reported
from barometer.places import configuration_path, data_directory, environment
from barometer.processes import start
from shared.runtime.environment import HOST, PORT, PREFIX, number

PORT_MAX = 65_535

DEMO_CONFIGURATION = Path(__file__).with_name("demo.yaml")


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    data: Path | None = None,
    config: Path | None = None,
    demo: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run intake, aging and alerting on this machine, with everything kept in one directory.

    Args:
        host: Address to listen on; other than loopback only with API keys (BAROMETER_HOST; 127.0.0.1).
        port: Port to listen on, 0 for a free one (BAROMETER_PORT; 8080).
        data: Where everything is kept (BAROMETER_DATA; ~/.local/share/barometer).
        config: The configuration (BAROMETER_CONFIG; ./barometer.yaml if it is there).
        demo: Show a made-up help desk at work, in a directory that is removed at the end.
    """
    return reported(lambda: _serve(host, port, data, config, demo=demo))


def _serve(host: str | None, port: int | None, data: Path | None, config: Path | None, *, demo: bool) -> int:
    known = environment()
    port = number(known, "PORT", PORT) if port is None else port
    if not 0 <= port <= PORT_MAX:
        raise Refused(f"--port takes 0 to {PORT_MAX}")
    path = config or DEMO_CONFIGURATION if demo else configuration_path(config)
    with _directory(data, demo=demo) as directory:
        options = Options(
            host=host or known.get(f"{PREFIX}HOST", HOST),
            port=port,
            data=directory,
            config=path,
            demo=demo,
        )
        settings = {**known, **({f"{PREFIX}CONFIG": str(path)} if path is not None else {})}
        return start("barometer", lambda given: main(options, given), settings)


@contextmanager
def _directory(data: Path | None, *, demo: bool) -> Iterator[Path]:
    """Give the data directory; a demo without --data gets one of its own, which goes with it."""
    if data is not None or not demo:
        directory = data_directory(data)
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Refused(
                f"{directory} cannot be used: {error.strerror}; name another with --data"
            ) from error
        yield directory.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="barometer-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
