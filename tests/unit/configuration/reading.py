"""What a person sees who wrote a configuration."""

from __future__ import annotations

from datetime import datetime

from shared.configuration.loader import read
from shared.configuration.problems import ConfigurationInvalid


def problems(content: str, *, now: datetime | None = None) -> list[str]:
    """Return the messages for `content`, none if it is fine."""
    try:
        read(content, "b.yaml", now=now)
    except ConfigurationInvalid as error:
        return [str(problem) for problem in error.problems]
    return []
