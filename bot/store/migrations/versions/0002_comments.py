"""Comments: which were handled, approvals, heads of requests, skipped images."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _lease() -> list[sa.Column[Any]]:
    return [
        sa.Column("next_at", sa.Float(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
    ]


def _of_repository(table: str) -> list[Any]:
    return [
        sa.Column(
            "repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name=f"fk_{table}_repository_id"
        ),
    ]


def _added() -> None:
    op.add_column("wanted_status", sa.Column("accepted_at", sa.Float(), nullable=True))
    op.add_column("wanted_comment", sa.Column("sha", sa.String(length=64), nullable=True))
    op.add_column(
        "wanted_comment",
        sa.Column("wanted_at", sa.Float(), server_default="0", nullable=False),
    )
    op.create_index("ix_wanted_comment_due", "wanted_comment", ["next_at"])


def _answered() -> None:
    key = ("repository_id", "place", "comment_id")
    op.create_table(
        "answered_comment",
        *_of_repository("answered_comment"),
        sa.Column("place", sa.String(length=20), nullable=False),
        sa.Column("comment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("sha", sa.String(length=64), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("reaction", sa.String(length=20), server_default="", nullable=False),
        sa.Column("handled_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        *_lease(),
        sa.PrimaryKeyConstraint(*key, name="pk_answered_comment"),
    )
    op.create_index("ix_answered_comment_due", "answered_comment", ["next_at"])
    op.create_index(
        "ix_answered_comment_person", "answered_comment", ["source", "person_id", "handled_at"]
    )


def _of_requests() -> None:
    key = ("repository_id", "number", "sha")
    op.create_table(
        "approval",
        *_of_repository("approval"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("login", sa.String(length=300), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_approval"),
    )
    op.create_table(
        "head_sighting",
        *_of_repository("head_sighting"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_head_sighting"),
    )


def _of_commits() -> None:
    op.create_table(
        "image_skip",
        *_of_repository("image_skip"),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=20), nullable=False),
        sa.Column("image", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("repository_id", "sha", "family", "image", name="pk_image_skip"),
    )


def upgrade() -> None:
    _added()
    _answered()
    _of_requests()
    _of_commits()
