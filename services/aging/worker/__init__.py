"""Aging's worker: what the partition loop drives."""

from services.aging.worker.logic import AgingLogic, Configurations, Placement

__all__ = ["AgingLogic", "Configurations", "Placement"]
