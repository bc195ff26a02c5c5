"""Git hosts: the credential of each source, what it may do, and the webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.core import hookfindings, hostfindings, hostneeds
from bot.core.centralconfig import CentralConfig, Source
from bot.core.events import Repository
from bot.core.findings import About, Finding
from bot.core.hookplan import WantedHook, wanted_hook
from bot.core.hostfacts import AppFacts
from bot.core.ids import HostKind
from bot.doctor.checks import Check
from bot.hosts.factory import Hosts
from bot.hostsetup import HostSetup
from bot.ports import Clock, HostError, Temporary
from bot.served import served

FEW = 10
"""Repositories of a source that are looked at, unless all of them are asked for."""


@dataclass(frozen=True, slots=True)
class GitHosts:
    """`every`: look at all repositories."""

    config: CentralConfig
    hosts: Hosts
    clock: Clock
    every: bool = False

    def checks(self) -> Iterator[Check]:
        for source in self.config.sources.values():
            yield self._check(source)

    def _check(self, source: Source) -> Check:
        return Check(About(source.name, "credential"), lambda: self._look(source))

    def _look(self, source: Source) -> Iterator[Finding | Check]:
        about = About(source.name, "credential")
        try:
            setup = self.hosts.setup(source.name)
        except HostError as error:
            yield about.fail(str(error), "see docs/git-hosts.md")
            return
        try:
            found = setup.credential()
            yield from hostfindings.credential(source, found, self.clock.now())
            yield from self._of_app(source, setup.app())
        except HostError as error:
            yield about.fail(str(error), _remedy(source, error))
            return
        finally:
            setup.close()
        yield Check(About(source.name, "repositories"), lambda: self._repositories(source))

    def _of_app(self, source: Source, facts: AppFacts | None) -> Iterator[Finding]:
        if facts is None:
            return
        yield from hostfindings.app(source, facts)
        # Its events are told with what the App asks for.
        wanted = WantedHook(wanted_hook(self.config, source).url, ())
        yield hookfindings.app_hook(source, wanted, facts.hook)

    def _repositories(self, source: Source) -> Iterator[Finding | Check]:
        about = About(source.name, "repositories")
        try:
            found = served(self.config, source, self.hosts.get(source.name))
        except HostError as error:
            yield about.fail(str(error), _remedy(source, error))
            return
        yield from (hostfindings.missing(source, path, said) for path, said in found.unseen)
        if found.unmatched:
            yield hostfindings.unmatched(source, found.unmatched)
        chosen = found.repositories if self.every else found.repositories[:FEW]
        yield about.ok(_count(len(found.repositories), len(chosen)))
        for repository in chosen:
            yield self._repository(source, repository)

    def _repository(self, source: Source, repository: Repository) -> Check:
        def look() -> Iterator[Finding]:
            setup = self.hosts.setup(source.name)
            try:
                yield from self._looked_at(source, setup, repository)
            finally:
                setup.close()

        return Check(About(source.name, repository.path), look)

    def _looked_at(
        self, source: Source, setup: HostSetup, repository: Repository
    ) -> Iterator[Finding]:
        access = setup.access(repository)
        yield hostfindings.access(source, access)
        if source.app is not None:
            return
        if (hidden := hostfindings.may_see_hooks(source, access)) is not None:
            yield hidden
            return
        wanted = wanted_hook(self.config, source)
        hooks = setup.hooks(repository, wanted)
        yield hookfindings.repository_hooks(source, repository.path, wanted, hooks)


def _count(there: int, looked: int) -> str:
    text = f"{there} served"
    return text if there == looked else f"{text}; {looked} are looked at, --deep looks at all"


def _remedy(source: Source, error: HostError) -> str:
    own = source.app.private_key_file if source.app is not None else source.token_file
    if isinstance(error, Temporary) and str(own) not in str(error):
        return f"see that {source.url} is up and reached from here, by its proxy and ca-file"
    if source.app is not None:
        return "see docs/git-hosts.md, GitHub App: its id, private key and installation"
    match source.kind:
        case HostKind.GITHUB:
            needed = "the scope `repo`"
        case HostKind.GITLAB:
            needed = f"the scope `{hostneeds.GITLAB_SCOPE}`"
        case HostKind.GITEA:
            needed = f"the scopes {hostneeds.scope_names(hostneeds.GITEA_SCOPES)}"
    return f"make a token with {needed} and write it into {source.token_file}"
