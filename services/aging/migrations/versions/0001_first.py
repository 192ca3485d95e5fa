"""Tickets with their marks, and everything else aging keeps.

The tables stand here once more, as they were then: adapters/tables.py moves on, a revision does not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.sql.journal import define_journal

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_TEXTS = (
    "status", "wait_reason", "kind", "priority", "channel", "queue", "assignee", "segment", "category",
    "subject",
)  # fmt: skip


def upgrade() -> None:
    journal = sa.MetaData()
    define_journal(journal)
    journal.create_all(op.get_bind())
    _create_tickets()
    _create_marks()
    _create_the_rest()


def downgrade() -> None:
    for table in (
        "quarantine", "flows", "registers", "deferred", "marks", "tickets", "outbox", "partitions",
    ):  # fmt: skip
        op.drop_table(table)


def _create_tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("ticket", _TEXT, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("asleep", sa.Boolean, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("aged_from_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.Column("left_us", sa.BigInteger),
        *(sa.Column(name, _TEXT, nullable=False) for name in _TEXTS),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        postgresql_with={"fillfactor": 75},
    )
    stock = sa.and_(sa.column("open", sa.Boolean), sa.not_(sa.column("asleep", sa.Boolean)))
    asleep = sa.column("asleep", sa.Boolean) == sa.true()
    left = sa.column("left_us").is_not(None)
    for name, columns, condition in (
        ("tickets_stock", ["partition"], stock),
        ("tickets_by_age", ["tenant", "aged_from_us", "ticket"], stock),
        ("tickets_asleep", ["partition", "tenant", "ticket"], asleep),
        ("tickets_left", ["tenant", "left_us"], left),
    ):
        op.create_index(name, "tickets", columns, sqlite_where=condition, postgresql_where=condition)


def _create_marks() -> None:
    op.create_table(
        "marks",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("ticket", _TEXT, primary_key=True),
        sa.Column("order", sa.LargeBinary, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "deferred",
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("due_us", sa.BigInteger, primary_key=True),
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("ticket", _TEXT, primary_key=True),
        sa.Column("order", sa.LargeBinary, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_the_rest() -> None:
    op.create_table(
        "registers",
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("survivor", _TEXT, primary_key=True),
        sa.Column("ticket", _TEXT, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "flows",
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("key", _TEXT, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("tenant", _TEXT, primary_key=True),
        sa.Column("ticket", _TEXT, primary_key=True),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("error", _TEXT, nullable=False),
    )
