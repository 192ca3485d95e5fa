"""Which tickets are probably one, and which can be handled together: two numbers, counted from the index by age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INDEX = "tickets_by_age"
_BY_AGE = ["tenant", "aged_from_us", "ticket"]


def upgrade() -> None:
    # Rows say them once something happens to their tickets; until then they are in no group.
    op.add_column("tickets", sa.Column("duplicate_group", sa.BigInteger))
    op.add_column("tickets", sa.Column("job", sa.BigInteger))
    _index_by(*_BY_AGE, "duplicate_group", "job", "open", "asleep")


def downgrade() -> None:
    _index_by(*_BY_AGE)
    op.drop_column("tickets", "job")
    op.drop_column("tickets", "duplicate_group")


def _index_by(*columns: str) -> None:
    stock = sa.and_(sa.column("open", sa.Boolean), sa.not_(sa.column("asleep", sa.Boolean)))
    op.drop_index(_INDEX, "tickets")
    op.create_index(_INDEX, "tickets", list(columns), sqlite_where=stock, postgresql_where=stock)
