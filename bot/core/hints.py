"""Deliveries that we write ourselves, so that everything comes in one way: what the sweep found and
what a person asked for on the command line. They name a ref or a request, whose state is read from
the host when the delivery is handled; or they are a comment, as it was found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from bot.core.events import CommentCreated, Malformed, Person, Repository
from bot.core.ids import ImageKey, RepositoryId, Sha, SourceName

SWEEP = SourceName("sweep")
MANUAL = SourceName("manual")
INTERNAL = frozenset({SWEEP, MANUAL})
COMMENT = "comment"
"""The event of a delivery that is one; all others are hints."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Look at `key` (`refs/heads/x`, `refs/tags/x`, `request/7`) of a repository again.

    `only` names images that are built whatever the filters say, `anyway` asks for all that it can
    build whatever changed; `again` builds what succeeded, `no_cache` takes nothing from a cache.
    `repository` is a path where its number is not known yet: a person named it. `sha` means that
    commit of a branch instead of its head; whether the branch contains it, the host says.
    """

    source: SourceName
    repository: RepositoryId | str
    key: str
    only: tuple[ImageKey, ...] = ()
    again: bool = False
    by: str = ""
    anyway: bool = False
    no_cache: bool = False
    sha: Sha | None = None


def write(hint: Hint) -> bytes:
    return json.dumps(
        {
            "source": hint.source,
            "repository": hint.repository,
            "key": hint.key,
            "only": list(hint.only),
            "again": hint.again,
            "by": hint.by,
            "anyway": hint.anyway,
            "no_cache": hint.no_cache,
            "sha": hint.sha,
        }
    ).encode()


def read(body: bytes) -> Hint | Malformed:
    try:
        document = json.loads(body)
        repository = document["repository"]
        return Hint(
            SourceName(str(document["source"])),
            repository if isinstance(repository, str) else RepositoryId(int(repository)),
            str(document["key"]),
            tuple(ImageKey(str(image)) for image in document["only"]),
            bool(document["again"]),
            str(document["by"]),
            bool(document.get("anyway")),
            bool(document.get("no_cache")),
            Sha(str(document["sha"])) if document.get("sha") else None,
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return Malformed(f"not a hint of ours: {error}")


@dataclass(frozen=True, slots=True)
class Found:
    """A comment on a request that no webhook told of. `created_at` by the host's clock."""

    source: SourceName
    repository: RepositoryId
    comment_id: int
    number: int
    body: str
    person_id: int
    login: str
    bot: bool
    created_at: float
    internal: bool

    def event(self, repository: Repository) -> CommentCreated:
        return CommentCreated(
            repository,
            Person(self.person_id, self.login, self.bot),
            self.comment_id,
            self.body,
            number=self.number,
            created_at=self.created_at,
            internal=self.internal,
        )


def write_found(found: Found) -> bytes:
    return json.dumps(asdict(found)).encode()


def read_found(body: bytes) -> Found | Malformed:
    try:
        document = json.loads(body)
        return Found(
            SourceName(str(document["source"])),
            RepositoryId(int(document["repository"])),
            int(document["comment_id"]),
            int(document["number"]),
            str(document["body"]),
            int(document["person_id"]),
            str(document["login"]),
            bool(document["bot"]),
            float(document["created_at"]),
            bool(document["internal"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return Malformed(f"not a comment that we found: {error}")
