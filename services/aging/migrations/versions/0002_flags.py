"""What asks for attention, and how the promises of a ticket stand: one number of bits, to be counted by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rows say it once something happens to their tickets; until then they are in none of these counts.
    op.add_column("tickets", sa.Column("flags", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("tickets", "flags")
