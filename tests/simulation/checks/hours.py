"""Whether business hours were edited: then the fold no longer tells which deadlines were foreseen before.

A deadline is foreseen with the hours known at that instant. An edit that does not reach back leaves what was stated as
it was, but who derives the ticket again with the hours of now foresees another deadline for then. So in such worlds
`sla.deadline_changed` and the instant of a notice are outside of what is compared (docs/simulation.md).
"""

from __future__ import annotations

from shared.codec import decode
from shared.contracts.configuration import ConfigVersion
from shared.contracts.topics import CONFIG
from tests.simulation.cluster import Cluster


def hours_were_edited(cluster: Cluster) -> bool:
    """Return whether two published versions have other calendars."""
    events = [decode(record) for log in cluster.topic(CONFIG.name).logs for record in log.history]
    calendars = [event.document["calendars"] for event in events if isinstance(event, ConfigVersion)]
    return any(one != calendars[0] for one in calendars)
