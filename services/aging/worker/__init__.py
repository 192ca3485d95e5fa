"""Aging's worker: what the partition loop drives."""

from services.aging.ports import Configurations
from services.aging.worker.logic import AgingLogic, Placement

__all__ = ["AgingLogic", "Configurations", "Placement"]
