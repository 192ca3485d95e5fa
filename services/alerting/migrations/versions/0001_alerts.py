"""Alerts, what is pending, deliveries, and the journal of the partitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.sql.journal import define_journal

revision = "alerting_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in define_journal(sa.MetaData()):
        table.create(op.get_bind())
    _alerts()
    _pending()
    _deliveries()
    op.create_table(
        "disabled_receivers",
        sa.Column("receiver", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("rule_digest", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("fired_at_us", sa.BigInteger, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("resolved_at_us", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("alerts_newest", "alerts", ["tenant", "fired_at_us", "id"])
    op.create_index("alerts_standing", "alerts", ["partition", "resolved_at_us"])


def _pending() -> None:
    op.create_table(
        "pending",
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("labels", sa.Text, primary_key=True),
        sa.Column("rule_digest", sa.Text, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("resolves", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("settled_us", sa.BigInteger),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("deliveries_due", "deliveries", ["receiver", "state", "due_us"])
    op.create_index("deliveries_alert", "deliveries", ["alert_id"])


def downgrade() -> None:
    for table in ("disabled_receivers", "deliveries", "pending", "alerts", "outbox", "partitions"):
        op.drop_table(table)
