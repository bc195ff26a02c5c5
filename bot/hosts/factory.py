"""Clients of the configured sources, one per thread, with what they may share.

https://github.com/PyGithub/PyGithub/issues/1257: two threads on one client lose and double writes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, assert_never
from weakref import WeakSet

from bot.core.centralconfig import Source
from bot.core.ids import HostKind, SourceName
from bot.hostsetup import HostSetup
from bot.ports import Clock, GitHost, Permanent

if TYPE_CHECKING:
    from bot.hosts.github.client_credentials import AppTokens


class Hosts:
    """Satisfies `HostFactory`. The vendor libraries are imported when a client is first made."""

    def __init__(self, sources: Mapping[SourceName, Source], clock: Clock) -> None:
        self._clock = clock
        self._sources = dict(sources)
        self._shared: dict[SourceName, tuple[Source, AppTokens]] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self._clients: WeakSet[GitHost] = WeakSet()

    def replace(self, sources: Mapping[SourceName, Source]) -> None:
        """A new config is in force: clients of sources that changed are made anew."""
        with self._lock:
            for name, source in self._sources.items():
                if sources.get(name) != source:
                    self._shared.pop(name, None)
            self._sources = dict(sources)

    def get(self, source: SourceName) -> GitHost:
        """The calling thread's client. Raises Permanent for a source that is not configured."""
        wanted = self._wanted(source)
        mine = self._mine()
        held = mine.get(source)
        if held is not None and held[0] == wanted:
            return held[1]
        if held is not None:
            held[1].close()
        client = self._make(wanted)
        mine[source] = (wanted, client)
        with self._lock:
            self._clients.add(client)
        return client

    def _wanted(self, source: SourceName) -> Source:
        with self._lock:
            wanted = self._sources.get(source)
        if wanted is None:
            raise Permanent(f"there is no source {source!r} in the central config")
        return wanted

    def _mine(self) -> dict[SourceName, tuple[Source, GitHost]]:
        """The calling thread's clients."""
        if not hasattr(self._local, "clients"):
            self._local.clients = {}
        clients: dict[SourceName, tuple[Source, GitHost]] = self._local.clients
        return clients

    def _make(self, source: Source) -> GitHost:
        match source.kind:
            case HostKind.GITHUB:
                return self._github(source)
            case HostKind.GITLAB:
                from bot.hosts.gitlab.client import GitLabHost

                return GitLabHost(source)
            case HostKind.GITEA:
                from bot.hosts.gitea.client import GiteaHost

                return GiteaHost(source)
            case _:
                assert_never(source.kind)

    def _github(self, source: Source) -> GitHost:
        from bot.hosts.github.client import GitHubHost

        return GitHubHost(source, self._tokens(source))

    def _tokens(self, source: Source) -> AppTokens | None:
        """What the threads of an App share; None for a token."""
        from bot.hosts.github.client_credentials import AppTokens

        if source.app is None:
            return None
        with self._lock:
            held = self._shared.get(source.name)
            if held is None or held[0] != source:  # of another config, which a thread still had
                held = self._shared[source.name] = source, AppTokens(source.app, self._clock)
        return held[1]

    def setup(self, source: SourceName) -> HostSetup:
        """A new one, for the calling thread to use and to close. Raises Permanent."""
        wanted = self._wanted(source)
        match wanted.kind:
            case HostKind.GITHUB:
                from bot.hosts.github.client_setup import GitHubSetup

                return GitHubSetup(wanted, self._tokens(wanted))
            case HostKind.GITLAB:
                from bot.hosts.gitlab.client_setup import GitLabSetup

                return GitLabSetup(wanted)
            case HostKind.GITEA:
                from bot.hosts.gitea.client_setup import GiteaSetup

                return GiteaSetup(wanted)
            case _:
                assert_never(wanted.kind)

    def close(self) -> None:
        """Close every client; call it once all threads that use them have ended."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close()
