"""Promoted tags are read back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "promoted_tag",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("repository_id", identity, nullable=False),
        sa.Column("from_name", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("history", sa.Text(), server_default="[]", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.Float(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_promoted_tag_repository_id"
        ),
        sa.PrimaryKeyConstraint("name", "tag", name="pk_promoted_tag"),
    )
    op.create_index("ix_promoted_tag_due", "promoted_tag", ["next_at"])
