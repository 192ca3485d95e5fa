"""The tables of intake: only what needs memory. Tickets pass through and are not kept."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, Text

METADATA: Final = MetaData()

THREADS: Final = Table(
    "email_threads",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("mail", Text, primary_key=True),
    Column("awaited", Boolean, primary_key=True),
    Column("ticket", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("email_threads_oldest", "at_us"),
)
"""`mail` is a digest of a Message-ID. An awaited one was named by a mail that came before it."""
