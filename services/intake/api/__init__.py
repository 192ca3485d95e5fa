"""Intake over HTTP: `POST /v1/events`, and what the process says of itself."""

from services.intake.api.routes import router as router
