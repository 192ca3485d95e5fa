"""What all tests share: the real parts (tests/servers/fixtures.py) and one way of drawing examples."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.servers.environment import in_ci, shared_data_directory

pytest_plugins = ["tests.servers.fixtures"]

SHARED_DATA = shared_data_directory()
"""Real logs, webhook bodies and e-mails; the `shared_data` fixture skips where they are not there."""

# Wall time says nothing on a busy machine, so there is no deadline per example; in CI the examples are the
# same each time, so that a red run is red again.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, database=None)
settings.load_profile("ci" if in_ci() else "default")
