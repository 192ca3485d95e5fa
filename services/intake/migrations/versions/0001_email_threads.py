"""Which mail belongs to which ticket."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "intake_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "email_threads",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("mail", sa.Text, primary_key=True),
        sa.Column("awaited", sa.Boolean, primary_key=True),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("email_threads_oldest", "email_threads", ["at_us"])


def downgrade() -> None:
    op.drop_table("email_threads")
