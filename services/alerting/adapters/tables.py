"""The tables of alerting: what fires, what is about to, and who is still to be told."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

METADATA: Final = MetaData()

ALERTS: Final = Table(
    "alerts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("rule_digest", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("measure", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("fired_at_us", BigInteger, nullable=False),
    Column("summary", Text, nullable=False),
    Column("resolved_at_us", BigInteger),
    Column("reason", Text, nullable=False),
    Index("alerts_newest", "tenant", "fired_at_us", "id"),
    Index("alerts_standing", "partition", "resolved_at_us"),
)

PENDING: Final = Table(
    "pending",
    METADATA,
    Column("partition", Integer, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("rule_digest", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
)

DELIVERIES: Final = Table(
    "deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("resolves", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("settled_us", BigInteger),
    Column("detail", Text, nullable=False),
    Index("deliveries_due", "receiver", "state", "due_us"),
    Index("deliveries_alert", "alert_id"),
)

DISABLED: Final = Table(
    "disabled_receivers",
    METADATA,
    Column("receiver", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
