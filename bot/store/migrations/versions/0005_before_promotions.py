"""What a promoted tag was before the comment that moved it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "promoted_tag", sa.Column("comment", sa.String(100), server_default="", nullable=False)
    )
    op.add_column("promoted_tag", sa.Column("before", sa.String(200), nullable=True))
