"""What the configuration says of topics' retention, brought to the bus at start and told in the log."""

from __future__ import annotations

import structlog

from shared.bus.port import Bus
from shared.configuration.retention import Retention

_log = structlog.get_logger(__name__)


async def retain(bus: Bus, retention: Retention) -> None:
    """Alter the topics that `retention` names, where they differ; they exist. Raises what `Bus.retain` raises."""
    days = retention.topic_days
    former = await bus.retain(days)
    for name, was in former.items():
        _log.info("retention altered", topic=name, days=days[name], was="for ever" if was is None else was)
