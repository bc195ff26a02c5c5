"""Deliveries have pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("page", sa.String(length=32), nullable=True))
    op.create_index("ix_inbox_page", "inbox", ["page"])
