"""`barometer intake|aging|alerting`: one service in a process of its own (distributed mode).

Everything is a setting in the environment (BAROMETER_*); a flag here is that setting, said louder.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from barometer.exits import reported
from barometer.places import environment
from services.alerting.core.rules import BadRule
from shared import telemetry
from shared.configuration.loader import load
from shared.configuration.problems import ConfigurationInvalid
from shared.http.keys import OpenExposure
from shared.runtime.environment import PREFIX, SettingsInvalid, config_path, log_level
from shared.runtime.process import run

REFUSALS: Final[tuple[type[Exception], ...]] = (
    BadRule,
    ConfigurationInvalid,
    OpenExposure,
    SettingsInvalid,
)
"""What only a person can mend, so it ends with exit code 2."""

Main = Callable[[Mapping[str, str]], Coroutine[Any, Any, None]]


def intake(
    *,
    bus: str | None = None,
    database: str | None = None,
    config: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    member: str | None = None,
) -> int:
    """Run intake: it takes events over HTTP and from tickets.inbox.v1, and publishes observations.

    Args:
        bus: kafka://host:port,... (BAROMETER_BUS).
        database: postgresql+asyncpg://..., where the threads of e-mail are kept (BAROMETER_DATABASE); without it
            mails are not taken.
        config: The configuration (BAROMETER_CONFIG).
        host: Address to listen on (BAROMETER_HOST; 127.0.0.1).
        port: Port to listen on (BAROMETER_PORT; 8080).
        member: Stable name of this process (BAROMETER_MEMBER).
    """
    from services.intake import app, settings  # noqa: PLC0415 (each process loads its own service)

    return _run(
        "intake",
        lambda known: app.main(settings.Settings.from_environment(known), known),
        {"BUS": bus, "DATABASE": database, "CONFIG": config, "HOST": host, "PORT": port, "MEMBER": member},
    )


def aging(
    *,
    bus: str | None = None,
    database: str | None = None,
    config: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    member: str | None = None,
) -> int:
    """Run aging: it keeps the tickets and their time, and publishes facts, states and cells.

    Args:
        bus: kafka://host:port,... (BAROMETER_BUS).
        database: postgresql+asyncpg://... (BAROMETER_DATABASE).
        config: The configuration (BAROMETER_CONFIG).
        host: Address to listen on (BAROMETER_HOST; 127.0.0.1).
        port: Port to listen on (BAROMETER_PORT; 8080).
        member: Stable name of this process (BAROMETER_MEMBER).
    """
    from services.aging import app, settings  # noqa: PLC0415

    return _run(
        "aging",
        lambda known: app.main(settings.ProcessSettings.from_environment(known), known),
        {"BUS": bus, "DATABASE": database, "CONFIG": config, "HOST": host, "PORT": port, "MEMBER": member},
    )


def alerting(
    *,
    bus: str | None = None,
    database: str | None = None,
    config: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    member: str | None = None,
) -> int:
    """Run alerting: it adds cells up, evaluates rules, notifies, and exposes metrics.

    Args:
        bus: kafka://host:port,... (BAROMETER_BUS).
        database: postgresql+asyncpg://... (BAROMETER_DATABASE).
        config: The configuration (BAROMETER_CONFIG).
        host: Address to listen on (BAROMETER_HOST; 127.0.0.1).
        port: Port to listen on (BAROMETER_PORT; 8080).
        member: Stable name of this process (BAROMETER_MEMBER).
    """
    from services.alerting import app, settings  # noqa: PLC0415

    return _run(
        "alerting",
        lambda known: app.main(settings.ProcessSettings.from_environment(known), known),
        {"BUS": bus, "DATABASE": database, "CONFIG": config, "HOST": host, "PORT": port, "MEMBER": member},
    )


def _run(service: str, main: Main, flags: Mapping[str, object]) -> int:
    known = {
        **environment(),
        **{f"{PREFIX}{name}": str(value) for name, value in flags.items() if value is not None},
    }
    return reported(lambda: start(service, main, known))


def start(service: str, main: Main, known: Mapping[str, str]) -> int:
    """Run `main` with the settings `known` as a long-lived process; return its exit code."""
    load(config_path(known))  # a wrong file is told to the person before logs begin
    telemetry.configure(level=log_level(known), service=service)
    return run(lambda: main(known), refusals=REFUSALS)
