"""Runs these migrations on the connection that `shared.sql.migrate` holds."""

from __future__ import annotations

from services.intake.adapters.tables import METADATA
from shared.sql.migrate import run_environment

run_environment(METADATA)
