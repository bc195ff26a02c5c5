"""The tables of what people say and are answered: comments, approvals, images that were skipped."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    false,
)

from bot.store.schema import lease, metadata

wanted_comment = Table(
    "wanted_comment",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("marker", String(100), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("applied_sequence", Integer, nullable=False, server_default="0"),
    Column("remote_id", BigInteger, nullable=True),
    Column("gone", Boolean, nullable=False, server_default=false()),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    *lease(),
    Column("sha", String(64), nullable=True),  # on a commit; then `number` is 0
    Column("wanted_at", Float, nullable=False, server_default="0"),
    Index("ix_wanted_comment_due", "next_at"),
)

# A comment with commands: that it was handled, once and for all, and its reaction.
answered_comment = Table(
    "answered_comment",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("place", String(20), primary_key=True),  # request or commit: their numbers may be equal
    Column("comment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(200), nullable=False),
    Column("number", Integer, nullable=True),
    Column("sha", String(64), nullable=True),
    Column("person_id", BigInteger, nullable=False),
    Column("reaction", String(20), nullable=False, server_default=""),
    Column("handled_at", Float, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    *lease(),
    Index("ix_answered_comment_due", "next_at"),
    Index("ix_answered_comment_person", "source", "person_id", "handled_at"),
)

approval = Table(
    "approval",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sha", String(64), primary_key=True),
    Column("person_id", BigInteger, nullable=False),
    Column("login", String(300), nullable=False),
    Column("role", String(20), nullable=False),
    Column("at", Float, nullable=False),
    Column("until", Float, nullable=False),
)

# Which commits events named as a request's head, and when they last did.
head_sighting = Table(
    "head_sighting",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sha", String(64), primary_key=True),
    Column("seen_at", Float, nullable=False),
)

# Images that somebody skipped on one commit.
image_skip = Table(
    "image_skip",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("sha", String(64), primary_key=True),
    Column("family", String(20), primary_key=True),
    Column("image", String(200), primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", Float, nullable=False),
)

# Tags that people gave to built images, and when each is read back. `history`: the digests that we
# wrote under it, newest last. `before`: what it was before the newest `comment` that moved it.
promoted_tag = Table(
    "promoted_tag",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("tag", String(128), primary_key=True),
    Column("repository_id", ForeignKey("repository.id"), nullable=False),
    Column("from_name", String(300), nullable=False),
    Column("digest", String(200), nullable=False),
    Column("history", Text, nullable=False, server_default="[]"),  # JSON
    Column("tries", Integer, nullable=False, server_default="0"),
    *lease(),
    Column("comment", String(100), nullable=False, server_default=""),
    Column("before", String(200), nullable=True),
    Index("ix_promoted_tag_due", "next_at"),
)
