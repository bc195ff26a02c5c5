"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _lease() -> list[sa.Column[Any]]:
    return [
        sa.Column("next_at", sa.Float(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
    ]


def _received() -> None:
    op.create_table(
        "repository",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("host_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("default_branch", sa.String(length=500), nullable=True),
        sa.Column("clone_url", sa.String(length=1000), nullable=False),
        sa.Column("web_url", sa.String(length=1000), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refs_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("swept_at", sa.Float(), nullable=True),
        *_lease(),
        sa.PrimaryKeyConstraint("id", name="pk_repository"),
        sa.UniqueConstraint("source", "host_id", name="uq_repository_source_host_id"),
    )
    op.create_table(
        "journal",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("repository_id", sa.Integer(), nullable=True),
        sa.Column("build_id", sa.String(length=32), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
    )
    op.create_index("ix_journal_at", "journal", ["at"])
    op.create_index("ix_journal_build", "journal", ["build_id"])
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "pace",
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("free_at", sa.Float(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("credential", name="pk_pace"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("delivery", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("seen", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.String(length=20), server_default="new", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("repository_id", ID, nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("handled_at", sa.Float(), nullable=True),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_inbox_repository_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("source", "delivery", name="uq_inbox_source_delivery"),
    )
    op.create_index("ix_inbox_due", "inbox", ["state", "next_at"])
    op.create_index("ix_inbox_received", "inbox", ["received_at"])
    op.create_table(
        "path_base",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("ref", sa.String(length=1000), nullable=False),
        sa.Column("image", sa.String(length=200), nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_path_base_repository_id"
        ),
        sa.PrimaryKeyConstraint("repository_id", "ref", "image", name="pk_path_base"),
    )
    op.create_table(
        "ref_state",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("key", sa.String(length=1000), nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_ref_state_repository_id"
        ),
        sa.PrimaryKeyConstraint("repository_id", "key", name="pk_ref_state"),
    )
    op.create_table(
        "turn",
        sa.Column("repository_id", ID, autoincrement=False, nullable=False),
        sa.Column("last_admitted_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name="fk_turn_repository_id"),
        sa.PrimaryKeyConstraint("repository_id", name="pk_turn"),
    )


def _planned() -> None:
    op.create_table(
        "build",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("image", sa.String(length=200), nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("trust", sa.String(length=20), nullable=False),
        sa.Column("check_only", sa.Boolean(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("recipe_hash", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("group", sa.String(length=500), nullable=True),
        sa.Column("group_limit", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("withdrawn", sa.String(length=20), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("digest", sa.String(length=80), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("queued_at", sa.Float(), nullable=False),
        sa.Column("admitted_at", sa.Float(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("watched_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("tidied", sa.Boolean(), server_default="0", nullable=False),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_build_repository_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_build"),
        sa.UniqueConstraint("identity", "generation", name="uq_build_identity_generation"),
    )
    op.create_index("ix_build_due", "build", ["state", "next_at"])
    op.create_index("ix_build_image", "build", ["repository_id", "image", "state"])
    op.create_index("ix_build_queue", "build", ["repository_id", "state", "next_at", "group"])
    op.create_index("ix_build_queued", "build", ["queued_at"])
    op.create_table(
        "claim",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=20), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=50), nullable=False),
        sa.Column("trust", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), server_default="live", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("page", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("inbox_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_claim_repository_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_claim"),
        sa.UniqueConstraint("page", name="uq_claim_page"),
    )
    op.create_index("ix_claim_created", "claim", ["created_at"])
    op.create_index("ix_claim_ref", "claim", ["repository_id", "kind", "name", "sha"])
    op.create_index("ix_claim_sha", "claim", ["repository_id", "sha"])
    op.create_table(
        "build_need",
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("needed_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_build_need_build_id"),
        sa.ForeignKeyConstraint(["needed_id"], ["build.id"], name="fk_build_need_needed_id"),
        sa.PrimaryKeyConstraint("build_id", "needed_id", name="pk_build_need"),
    )
    op.create_index("ix_build_need_needed", "build_need", ["needed_id"])
    op.create_table(
        "claim_image",
        sa.Column("claim_id", ID, nullable=False),
        sa.Column("image", sa.String(length=200), nullable=False),
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("tagging", sa.String(length=20), server_default="waiting", nullable=False),
        sa.Column("tag_notes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("tag_errors", sa.Text(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_claim_image_build_id"),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name="fk_claim_image_claim_id"),
        sa.PrimaryKeyConstraint("claim_id", "image", name="pk_claim_image"),
    )
    op.create_index("ix_claim_image_build", "claim_image", ["build_id"])
    op.create_table(
        "claim_tag",
        sa.Column("claim_id", ID, nullable=False),
        sa.Column("image", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name="fk_claim_tag_claim_id"),
        sa.PrimaryKeyConstraint("claim_id", "image", "name", "tag", name="pk_claim_tag"),
    )
    op.create_index("ix_claim_tag_tag", "claim_tag", ["name", "tag"])


def _built() -> None:
    op.create_table(
        "attempt",
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("log_n", sa.Integer(), server_default="0", nullable=False),
        sa.Column("log_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("forgotten", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_attempt_build_id"),
        sa.PrimaryKeyConstraint("build_id", "number", name="pk_attempt"),
        sa.UniqueConstraint("name", name="uq_attempt_name"),
    )
    op.create_table(
        "log_chunk",
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("first_n", sa.Integer(), nullable=False),
        sa.Column("last_n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("head", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_log_chunk_build_id"),
        sa.PrimaryKeyConstraint("build_id", "attempt", "first_n", name="pk_log_chunk"),
    )
    op.create_table(
        "step",
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["build.id"], name="fk_step_build_id"),
        sa.PrimaryKeyConstraint("build_id", "attempt", "position", name="pk_step"),
    )


def _wanted() -> None:
    op.create_table(
        "commit_report",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("family", sa.String(length=20), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("rendered", sa.Integer(), server_default="0", nullable=False),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_commit_report_repository_id"
        ),
        sa.PrimaryKeyConstraint("repository_id", "sha", "family", name="pk_commit_report"),
    )
    op.create_index("ix_commit_report_due", "commit_report", ["next_at"])
    op.create_table(
        "wanted_comment",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("marker", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("applied_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("remote_id", sa.BigInteger(), nullable=True),
        sa.Column("gone", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_wanted_comment_repository_id"
        ),
        sa.PrimaryKeyConstraint("repository_id", "number", "marker", name="pk_wanted_comment"),
    )
    op.create_table(
        "wanted_status",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("applied_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("applied", sa.Text(), nullable=True),
        sa.Column("history", sa.Text(), server_default="[]", nullable=False),
        sa.Column("wanted_at", sa.Float(), nullable=False),
        sa.Column("applied_at", sa.Float(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("dead", sa.Boolean(), server_default=sa.false(), nullable=False),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_wanted_status_repository_id"
        ),
        sa.PrimaryKeyConstraint("repository_id", "sha", "context", name="pk_wanted_status"),
    )
    op.create_index("ix_wanted_status_due", "wanted_status", ["next_at"])
    op.create_table(
        "wanted_tag",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("order_kind", sa.String(length=20), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=200), server_default="", nullable=False),
        sa.Column("claim_sequence", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("from_name", sa.String(length=300), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("applied_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("applied_digest", sa.String(length=80), nullable=True),
        sa.Column("history", sa.Text(), server_default="[]", nullable=False),
        sa.Column("refused", sa.Text(), server_default="", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repository.id"], name="fk_wanted_tag_repository_id"
        ),
        sa.PrimaryKeyConstraint("name", "tag", name="pk_wanted_tag"),
    )
    op.create_index("ix_wanted_tag_build", "wanted_tag", ["build_id"])
    op.create_index("ix_wanted_tag_due", "wanted_tag", ["next_at"])


def upgrade() -> None:
    _received()
    _planned()
    _built()
    _wanted()
