"""The sweep looks for comments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("repository", sa.Column("heard_from", sa.Float(), nullable=True))
