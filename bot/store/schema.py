"""The tables. The queue is the domain tables themselves: `next_at`, a lease and a fence on rows.

Times: seconds since the epoch. Ids of builds are text (128 random bits), others numbers.
`fence` counts up with every lease, and every write of a lease's holder names the fence it holds:
a holder that was paused beyond its lease changes nothing. `lease_until` 0 means given back; a
lease that ran out stays there until the next holder, which so knows that the last one died.

Wanted rows are due by `next_at` alone: now when they changed, later to be tried again or read
back, `NEVER` when nothing is left to do.

The tables of what people say stand in `schema_talk`, in the same `metadata`. The package itself
imports both, so whoever sees one of them sees them all.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NEVER = 1e15
"""A `next_at` that does not come, in seconds since the epoch."""

# SQLite gives rowids to INTEGER primary keys only.
_Id = BigInteger().with_variant(Integer, "sqlite")


def lease() -> list[Column[object]]:
    """What a row that is worked on has: when it is due, until when it is held, and its fence."""
    return [
        Column("next_at", Float, nullable=False, server_default="0"),
        Column("lease_until", Float, nullable=False, server_default="0"),
        Column("fence", Integer, nullable=False, server_default="0"),
    ]


inbox = Table(
    "inbox",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("source", String(200), nullable=False),
    Column("delivery", String(200), nullable=False),
    Column("event", String(100), nullable=False),
    Column("content_type", String(100), nullable=False),
    Column("body", LargeBinary, nullable=True),  # zlib; NULL after its retention
    Column("size", Integer, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("seen", Integer, nullable=False, server_default="1"),  # how often it was delivered
    # new → done | ignored | malformed | dead
    Column("state", String(20), nullable=False, server_default="new"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("plan", Text, nullable=True),  # JSON of the explained plan
    Column("repository_id", ForeignKey("repository.id"), nullable=True),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("handled_at", Float, nullable=True),
    *lease(),
    Column("page", String(32), nullable=True),  # 128 random bits: the address of its page
    UniqueConstraint("source", "delivery"),
    Index("ix_inbox_page", "page"),
    Index("ix_inbox_due", "state", "next_at"),
    Index("ix_inbox_received", "received_at"),
)

repository = Table(
    "repository",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("source", String(200), nullable=False),
    Column("host_id", BigInteger, nullable=False),
    Column("path", String(500), nullable=False),
    Column("default_branch", String(500), nullable=True),
    Column("clone_url", String(1000), nullable=False),
    Column("web_url", String(1000), nullable=False),
    Column("private", Boolean, nullable=False),
    Column("sequence", BigInteger, nullable=False, server_default="0"),  # of heads seen
    Column("refs_version", BigInteger, nullable=False, server_default="0"),
    Column("swept_at", Float, nullable=True),  # NULL: never looked at, the first look only records
    Column("heard_from", Float, nullable=True),  # when comments began to be looked for
    *lease(),
    UniqueConstraint("source", "host_id"),
)

# Apart from `repository`, because admission holds its row while planning holds the repository's.
turn = Table(
    "turn",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True, autoincrement=False),
    Column("last_admitted_at", Float, nullable=False),
)

ref_state = Table(
    "ref_state",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("key", String(1000), primary_key=True),  # refs/heads/x, refs/tags/x, request/7
    Column("sha", String(64), nullable=True),  # NULL: gone
    Column("sequence", BigInteger, nullable=False),
    Column("seen_at", Float, nullable=False),
)

path_base = Table(
    "path_base",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("ref", String(1000), primary_key=True),
    Column("image", String(200), primary_key=True),
    Column("sha", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

claim = Table(
    "claim",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("repository_id", ForeignKey("repository.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(1000), nullable=False),
    Column("sha", String(64), nullable=False),
    Column("family", String(20), nullable=False),
    Column("sequence", BigInteger, nullable=False),  # of the head; the order of its tags
    Column("event", String(50), nullable=False),
    Column("trust", String(20), nullable=False),
    Column("state", String(20), nullable=False, server_default="live"),  # or cancelled, superseded
    Column("text", Text, nullable=False, server_default=""),  # why it was withdrawn
    Column("wish", Text, nullable=False),  # JSON: mistakes, waiting, nothing, skipped, base branch
    Column("page", String(32), nullable=False),  # 128 random bits: the address of its page
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float, nullable=True),
    Column("inbox_id", BigInteger, nullable=True),
    UniqueConstraint("page"),
    Index("ix_claim_ref", "repository_id", "kind", "name", "sha"),
    Index("ix_claim_created", "created_at"),
    Index("ix_claim_sha", "repository_id", "sha"),
)

build = Table(
    "build",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("identity", String(64), nullable=False),  # core.recipe.identity, less the generation
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("repository_id", ForeignKey("repository.id"), nullable=False),
    Column("image", String(200), nullable=False),
    Column("sha", String(64), nullable=False),
    Column("trust", String(20), nullable=False),
    Column("check_only", Boolean, nullable=False),
    Column("recipe", Text, nullable=False),  # JSON
    Column("recipe_hash", String(64), nullable=False),
    Column("plan", Text, nullable=False),  # JSON: names, cache, secrets, needs, timeout, labels
    Column("group", String(500), nullable=True),
    Column("group_limit", Integer, nullable=True),
    Column("state", String(20), nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),  # of waiting, for the status text
    Column("withdrawn", String(20), nullable=False, server_default=""),
    Column("outcome", Text, nullable=True),  # JSON of core.builds.Outcome
    Column("digest", String(80), nullable=True),
    Column("size_bytes", BigInteger, nullable=True),
    Column("queued_at", Float, nullable=False),
    Column("admitted_at", Float, nullable=True),
    Column("started_at", Float, nullable=True),
    Column("ended_at", Float, nullable=True),
    Column("watched_until", Float, nullable=False, server_default="0"),  # a page shows its log
    # whether its git-* tag was looked at: another tag holds the digest, or none does
    Column("tidied", Boolean, nullable=False, server_default="0"),
    *lease(),
    UniqueConstraint("identity", "generation"),
    Index("ix_build_due", "state", "next_at"),
    # `group` stands in it so that a full group is passed over without reading its rows
    Index("ix_build_queue", "repository_id", "state", "next_at", "group"),
    Index("ix_build_queued", "queued_at"),
    Index("ix_build_image", "repository_id", "image", "state"),
)

claim_image = Table(
    "claim_image",
    metadata,
    Column("claim_id", ForeignKey("claim.id"), primary_key=True),
    Column("image", String(200), primary_key=True),
    Column("build_id", ForeignKey("build.id"), nullable=False),
    Column("tags", Text, nullable=False),  # JSON list of TagWish
    Column("why", Text, nullable=False),
    Column("required", Boolean, nullable=False),
    # waiting → wanted (its rows in wanted_tag exist) → settled | refused
    Column("tagging", String(20), nullable=False, server_default="waiting"),
    Column("tag_notes", Text, nullable=False, server_default="[]"),  # what ownership withheld
    Column("tag_errors", Text, nullable=False, server_default="[]"),  # what the registry refused
    Index("ix_claim_image_build", "build_id"),
)

# The tags of a claim's image that are not withheld, once its build succeeded.
claim_tag = Table(
    "claim_tag",
    metadata,
    Column("claim_id", ForeignKey("claim.id"), primary_key=True),
    Column("image", String(200), primary_key=True),
    Column("name", String(300), primary_key=True),
    Column("tag", String(128), primary_key=True),
    Index("ix_claim_tag_tag", "name", "tag"),
)

build_need = Table(
    "build_need",
    metadata,
    Column("build_id", ForeignKey("build.id"), primary_key=True),
    Column("needed_id", ForeignKey("build.id"), primary_key=True),
    Index("ix_build_need_needed", "needed_id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("build_id", ForeignKey("build.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=True),
    Column("outcome", Text, nullable=True),  # JSON
    Column("log_n", Integer, nullable=False, server_default="0"),  # the last line that was stored
    Column("log_bytes", BigInteger, nullable=False, server_default="0"),
    Column("forgotten", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("name"),
)

log_chunk = Table(
    "log_chunk",
    metadata,
    Column("build_id", ForeignKey("build.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("first_n", Integer, primary_key=True),
    Column("last_n", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),  # zlib of lines: number, space, record
    Column("size", Integer, nullable=False),  # before compression
    Column("head", Boolean, nullable=False),  # of the first 4 MiB, which stay
)

step = Table(
    "step",
    metadata,
    Column("build_id", ForeignKey("build.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("data", Text, nullable=False),  # JSON of the builder's step record
)

commit_report = Table(
    "commit_report",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("sha", String(64), primary_key=True),
    Column("family", String(20), primary_key=True),
    Column("wanted", Integer, nullable=False),  # counts up with every change of what it tells
    Column("rendered", Integer, nullable=False, server_default="0"),
    *lease(),
    Index("ix_commit_report_due", "next_at"),
)

wanted_status = Table(
    "wanted_status",
    metadata,
    Column("repository_id", ForeignKey("repository.id"), primary_key=True),
    Column("sha", String(64), primary_key=True),
    Column("context", String(255), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("desired", Text, nullable=False),  # JSON of CommitStatus
    Column("sequence", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    # 0 a final aggregate, 1 another final one, 2 an aggregate, 3 the rest: the order of writing
    Column("rank", Integer, nullable=False),
    Column("applied_sequence", Integer, nullable=False, server_default="0"),
    Column("applied", Text, nullable=True),  # what was written last
    Column("history", Text, nullable=False, server_default="[]"),  # what we ever wrote, short
    Column("wanted_at", Float, nullable=False),
    Column("applied_at", Float, nullable=True),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("dead", Boolean, nullable=False, server_default=false()),
    *lease(),
    Column("accepted_at", Float, nullable=True),  # by the host's clock, in whole seconds
    Index("ix_wanted_status_due", "next_at"),
)

wanted_tag = Table(
    "wanted_tag",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("tag", String(128), primary_key=True),
    Column("repository_id", ForeignKey("repository.id"), nullable=False),
    Column("digest", String(80), nullable=False),
    Column("order_kind", String(20), nullable=False),  # version | sequence
    Column("order_key", Text, nullable=False),
    Column("version", String(200), nullable=False, server_default=""),
    Column("claim_sequence", BigInteger, nullable=False),
    # No foreign keys: who owns a tag is known for longer than its claim and build are kept.
    Column("claim_id", BigInteger, nullable=False),
    Column("build_id", String(32), nullable=False),
    Column("from_name", String(300), nullable=False),  # where the pod pushed it
    Column("sequence", Integer, nullable=False),
    Column("applied_sequence", Integer, nullable=False, server_default="0"),
    Column("applied_digest", String(80), nullable=True),
    Column("history", Text, nullable=False, server_default="[]"),  # digests that we wrote
    Column("refused", Text, nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    *lease(),
    Index("ix_wanted_tag_due", "next_at"),
    Index("ix_wanted_tag_build", "build_id"),
)

pace = Table(
    "pace",
    metadata,
    Column("credential", String(200), primary_key=True),
    Column("free_at", Float, nullable=False, server_default="0"),
)

journal = Table(
    "journal",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("kind", String(50), nullable=False),
    Column("repository_id", Integer, nullable=True),
    Column("build_id", String(32), nullable=True),
    Column("text", Text, nullable=False),
    Column("data", Text, nullable=True),
    Index("ix_journal_build", "build_id"),
    Index("ix_journal_at", "at"),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)
