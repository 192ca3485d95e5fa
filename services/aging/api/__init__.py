"""Aging over HTTP: the list of tickets, one ticket's story, and the figures of the backlog."""

from services.aging.api.routes import router as router
from services.aging.api.terms import PartitionTerms as PartitionTerms
