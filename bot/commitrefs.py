"""Which ref a command on a commit is about, where the commit need not be its head.

What only reads shows what is known of the commit. What builds takes a commit that a branch of the
repository contains, by its host's word at this moment, and no other: on GitHub the commits of every
fork are found, and commented, in the repository itself.
"""

from __future__ import annotations

from bot.core import reports_answers as answers
from bot.core.commands import BY_NAME, Command
from bot.core.commands_access import changes
from bot.core.ids import Sha
from bot.core.orders import Refuse
from bot.core.plans import ClaimKind, ref_key
from bot.hinted import contains
from bot.ports import GitHost
from bot.records import RepositoryRow
from bot.storage import Store


class CommitRefs:
    """Of one commit, while a comment on it is handled."""

    def __init__(self, host: GitHost, store: Store, row: RepositoryRow, sha: Sha) -> None:
        self._host = host
        self._store = store
        self._row = row
        self._sha = sha

    def key(self, command: Command) -> str | Refuse:
        """The key of the ref; of a request where something is only read; "" for none."""
        if not BY_NAME[command.name].ref:
            return ""
        named = _named(command)
        if command.name == "cancel":
            return self._of_claims(named, self._known(live=True))
        if changes(command.name):
            return self._to_build(named)
        return self._to_read(named)

    def _to_read(self, named: str | None) -> str | Refuse:
        known, heads = self._known(live=False), self._heads()
        if named is None and len(heads) == 1:
            return heads[0]
        if named is None and not heads:
            return known[0] if known else ""
        return self._of_claims(named, known if named else heads)

    def _of_claims(self, named: str | None, keys: list[str]) -> str | Refuse:
        """One of the keys, by its name or by itself."""
        if named is not None:
            return named if named in keys else self._at_head(named)
        keys = [key for key in keys if not key.startswith("request/")]
        if len(keys) > 1:
            return Refuse(answers.ambiguous(self._sha, keys))
        return keys[0] if keys else ""

    def _to_build(self, named: str | None) -> str | Refuse:
        heads = [named] if named else self._heads()
        if len(heads) > 1:
            return Refuse(answers.ambiguous(self._sha, heads))
        repository = self._row.repository
        if not heads and repository.default_branch is None:
            return Refuse(answers.not_contained("the default branch", self._sha))
        key = heads[0] if heads else f"refs/heads/{repository.default_branch}"
        if not key.startswith("refs/heads/"):
            return self._at_head(key)
        head = self._host.resolve_ref(repository, key)
        if head is None:
            return Refuse(answers.not_head(key, self._sha, head))
        if contains(self._host, repository, head, self._sha):
            return key
        return Refuse(answers.not_contained(key, self._sha))

    def _at_head(self, key: str) -> str | Refuse:
        head = self._host.resolve_ref(self._row.repository, key)
        return key if head == self._sha else Refuse(answers.not_head(key, self._sha, head))

    def _heads(self) -> list[str]:
        """Branches and tags that the commit was last seen as the head of."""
        refs = self._store.repository_state(self._row.id).refs
        return [k for k, row in refs.items() if row.sha == self._sha and k.startswith("refs/")]

    def _known(self, *, live: bool) -> list[str]:
        """What claimed the commit, the newest first."""
        claims = self._store.claims_at(self._row.id, self._sha)
        chosen = [
            one
            for one in claims
            if one.kind is not ClaimKind.MERGE_GROUP and (one.state == "live" or not live)
        ]
        return list(dict.fromkeys(ref_key(one.kind, one.name) for one in chosen))


def _named(command: Command) -> str | None:
    for word, start in (("branch", "refs/heads/"), ("tag", "refs/tags/")):
        if word in command.options:
            return f"{start}{command.options[word]}"
    return None
