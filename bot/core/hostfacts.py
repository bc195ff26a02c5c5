"""What a Git host tells of the credential that asks and of what it may: facts, no judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.core.hookplan import FoundHook


class CredentialKind(StrEnum):
    """How a credential says what it may do: by a list, by scopes, or only by trying."""

    APP = "GitHub App"
    CLASSIC = "classic token"
    FINE_GRAINED = "fine-grained token"
    GITLAB = "token"
    GITEA = "access token"


@dataclass(frozen=True, slots=True)
class Credential:
    """`who`: the login or the App's slug. `scopes` of a classic or GitLab token, None where the
    host does not list them. `expires`: seconds since the epoch. `served`: the host's clock minus
    ours in seconds, None where the answer had no date. `left`, `quota`: requests that are left."""

    kind: CredentialKind
    who: str
    scopes: frozenset[str] | None = None
    expires: float | None = None
    served: float | None = None
    left: int | None = None
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a GitHub App is installed, and what it was granted there."""

    account: str
    suspended: bool
    permissions: Mapping[str, str]
    events: frozenset[str]


@dataclass(frozen=True, slots=True)
class AppFacts:
    """`hook` None: the App has no webhook. `permissions`, `events`: what the App asks for."""

    permissions: Mapping[str, str]
    events: frozenset[str]
    installations: tuple[Installation, ...]
    hook: FoundHook | None


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """`level`: the role in GitLab's numbers (GitHub's pull 20, triage 25, push 30, maintain 40,
    admin 50; Gitea's pull, push and admin the same); None: not told. `refused`: keys of
    `bot.core.hostneeds` that trying showed to be missing; `untold`: those that trying told nothing
    of."""

    path: str
    private: bool
    archived: bool = False
    level: int | None = None
    refused: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()
