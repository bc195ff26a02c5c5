"""What `doctor` and `hooks sync` need of a Git host: facts about the credential, and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.core.events import Repository
from bot.core.hookplan import FoundHook, WantedHook
from bot.core.hostfacts import AppFacts, Credential, RepositoryAccess


class HostSetup(Protocol):
    """One source, for one thread. Every method may raise what `bot.ports` names."""

    def credential(self) -> Credential: ...

    def app(self) -> AppFacts | None:
        """None where the source has a token."""

    def access(self, repository: Repository) -> RepositoryAccess:
        """What the credential may do there. A token that lists nothing is tried out by requests
        that change nothing, whatever the answer."""

    def hooks(self, repository: Repository, wanted: WantedHook) -> Sequence[FoundHook]:
        """All of them; those at the wanted address with what became of their last deliveries."""

    def create_hook(self, repository: Repository, wanted: WantedHook, secret: str) -> FoundHook: ...

    def repair_hook(
        self, repository: Repository, hook: FoundHook, wanted: WantedHook, secret: str
    ) -> None:
        """Writes all of it anew: no host shows the secret that it holds. Events that somebody
        added stay."""

    def test_hook(self, repository: Repository, hook: FoundHook) -> str | None:
        """Has the host send something to it, which enables it where it was disabled. None: it was
        sent and nothing went wrong that the host tells at once; else what did."""

    def close(self) -> None: ...
