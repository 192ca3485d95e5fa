"""Reading process settings from the environment: `BAROMETER_*`, each with a clear refusal.

The environment is an argument, read once by whoever composes the process, so a test can give any.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, overload

PREFIX: Final = "BAROMETER_"
PORT: Final = 8080
HOST: Final = "127.0.0.1"
_YES: Final = frozenset({"true", "1", "yes"})
_NO: Final = frozenset({"false", "0", "no"})
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


class SettingsInvalid(Exception):
    """A setting is missing or cannot be what it says; the message names it and the mend."""


def needed(environment: Mapping[str, str], name: str, what: str) -> str:
    """Return a setting that has no default; `what` says in words what it may be."""
    if not (value := environment.get(f"{PREFIX}{name}", "")):
        raise SettingsInvalid(f"set {PREFIX}{name} to {what}")
    return value


@overload
def number(environment: Mapping[str, str], name: str, default: int) -> int: ...
@overload
def number(environment: Mapping[str, str], name: str, default: None) -> int | None: ...
def number(environment: Mapping[str, str], name: str, default: int | None) -> int | None:
    """Return a whole number above 0, or `default` if it is not set."""
    text = environment.get(f"{PREFIX}{name}")
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise SettingsInvalid(f"{PREFIX}{name} must be a whole number above 0, not {text!r}")
    return int(text)


def flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return a yes or a no."""
    text = environment.get(f"{PREFIX}{name}", str(default)).lower()
    if text not in _YES | _NO:
        raise SettingsInvalid(f"{PREFIX}{name} must be true or false, not {text!r}")
    return text in _YES


def log_level(environment: Mapping[str, str]) -> str:
    """Return from which level on lines are logged."""
    level = environment.get(f"{PREFIX}LOG_LEVEL", "info").lower()
    if level not in LOG_LEVELS:
        raise SettingsInvalid(f"{PREFIX}LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
    return level


def bus_url(environment: Mapping[str, str]) -> str:
    """Return the address of the bus."""
    return needed(environment, "BUS", "`kafka://host:port,...` or `embedded:DIR`")


def database_url(environment: Mapping[str, str]) -> str:
    """Return the address of the service's own database."""
    return needed(environment, "DATABASE", "`postgresql+asyncpg://...` or `sqlite+aiosqlite:///...`")


def config_path(environment: Mapping[str, str]) -> Path | None:
    """Return the configuration file, None for the defaults."""
    value = environment.get(f"{PREFIX}CONFIG")
    return Path(value) if value else None


def partitions(environment: Mapping[str, str], name: str, bus: str, *, embedded: int, kafka: int) -> int:
    """Return how many partitions topics get that do not exist yet."""
    return number(environment, name, kafka if bus.startswith("kafka:") else embedded)
