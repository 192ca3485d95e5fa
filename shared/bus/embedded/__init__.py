"""The bus of one machine: a durable log in one SQLite file."""

from shared.bus.embedded.bus import EmbeddedBus as EmbeddedBus
