"""The tables of intake: only what needs memory. Tickets pass through and are not kept."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text

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

CURSORS: Final = Table(
    "cursors",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("held_until_us", BigInteger, nullable=False),
)
"""How far a mailbox or a help desk was read: one row for each, so the table stays as small as the configuration."""
