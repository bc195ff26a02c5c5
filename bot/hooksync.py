"""`pushwright hooks sync`: every served repository has our webhook, and it works."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.clock import SystemClock
from bot.configfile import ConfigFile
from bot.core import signatures
from bot.core.centralconfig import CentralConfig, Source
from bot.core.events import Repository
from bot.core.hookfindings import reasons
from bot.core.hookplan import (
    Create,
    HookFault,
    HookStep,
    Keep,
    Repair,
    WantedHook,
    plan_hook,
    wanted_hook,
)
from bot.core.ids import SourceName
from bot.core.logtext import plain
from bot.hosts.factory import Hosts
from bot.hostsetup import HostSetup
from bot.ports import HostError
from bot.served import served
from bot.settings import SettingsMistake, read_settings

_MOST = 64 * 1024
"""Bytes of a secret on standard input."""

_SILENT = frozenset({HookFault.DISABLED, HookFault.REFUSED, HookFault.INACTIVE, HookFault.SECRET})
"""After these the host is asked to send something, so that it sees that all is well again."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one webhook. `verb`: created, repaired, kept, skipped or failed."""

    verb: str
    source: SourceName
    path: str
    text: str

    @property
    def failed(self) -> bool:
        return self.verb == "failed"


@dataclass(frozen=True, slots=True)
class Wish:
    """`secret`: write it again whatever the hooks look like; `only`: paths, none means all;
    `source`: only this one; `secret_file`: instead of the config's, - is standard input."""

    dry_run: bool = False
    secret: bool = False
    only: frozenset[str] = frozenset()
    source: str | None = None
    secret_file: str | None = None


def command(options: argparse.Namespace) -> int:
    """Prints one line for each webhook; 1 where one could not be put right."""
    clock = SystemClock()
    config = ConfigFile(read_settings().config, clock).current()
    wish = Wish(
        options.dry_run,
        options.secret,
        frozenset(options.repository or ()),
        options.source,
        options.secret_file,
    )
    if wish.source is not None and wish.source not in config.sources:
        known = ", ".join(config.sources)
        raise SettingsMistake(f"there is no source {wish.source!r}; there are: {known}")
    if wish.secret_file is not None and len(config.sources) > 1 and wish.source is None:
        raise SettingsMistake("--secret-file is one source's: name it with --source")
    hosts = Hosts(config.sources, clock)
    code = 0
    try:
        for change in sync(config, hosts, wish):
            verb = f"would be {change.verb}" if _is_only_said(change, wish) else change.verb
            stream = sys.stderr if change.failed else sys.stdout
            print(plain(f"{verb:<8}  {change.source}  {change.path}  {change.text}"), file=stream)
            code |= change.failed
    finally:
        hosts.close()
    return code


def _is_only_said(change: Change, wish: Wish) -> bool:
    return wish.dry_run and change.verb in ("created", "repaired")


def sync(config: CentralConfig, hosts: Hosts, wish: Wish) -> Iterator[Change]:
    """Source by source; what goes wrong in one repository keeps no other from its turn."""
    for source in config.sources.values():
        if wish.source not in (None, source.name):
            continue
        if source.app is not None:
            text = "a GitHub App has one webhook of its own: `pushwright doctor` looks at it"
            yield Change("skipped", source.name, "-", text)
            continue
        try:
            found = served(config, source, hosts.get(source.name))
            secret = read_hook_secret(source, wish.secret_file)
            setup = hosts.setup(source.name)
        except (HostError, SettingsMistake) as error:
            yield Change("failed", source.name, "-", str(error))
            continue
        try:
            for path, said in found.unseen:
                if not wish.only or path in wish.only:
                    yield Change("failed", source.name, path, f"not seen: {said}")
            for repository in found.repositories:
                if not wish.only or repository.path in wish.only:
                    hook = OneHook(source, setup, wanted_hook(config, source), secret)
                    yield from hook.put_right(repository, wish)
        finally:
            setup.close()


@dataclass(frozen=True, slots=True)
class OneHook:
    """Our webhook in the repositories of a source."""

    source: Source
    setup: HostSetup
    wanted: WantedHook
    secret: str

    def put_right(self, repository: Repository, wish: Wish) -> Iterator[Change]:
        try:
            hooks = self.setup.hooks(repository, self.wanted)
            for step in plan_hook(self.wanted, hooks, secret=wish.secret):
                yield self._done(repository, step, write=not wish.dry_run)
        except HostError as error:
            yield Change("failed", self.source.name, repository.path, str(error))

    def _done(self, repository: Repository, step: HookStep, *, write: bool) -> Change:
        source, path, wanted = self.source.name, repository.path, self.wanted
        match step:
            case Keep():
                return Change("kept", source, path, wanted.url)
            case Create():
                if write:
                    self.setup.create_hook(repository, wanted, self.secret)
                return Change("created", source, path, wanted.url)
            case Repair(hook, why):
                text = "; ".join(reasons(wanted, hook, why)) or "the secret was written again"
                if not write:
                    return Change("repaired", source, path, text)
                self.setup.repair_hook(repository, hook, wanted, self.secret)
                silent = not why or _SILENT & set(why)
                said = self.setup.test_hook(repository, hook) if silent else None
                if said is not None:
                    return Change("failed", source, path, f"{text}; written anew, but {said}")
                return Change("repaired", source, path, text)


def read_hook_secret(source: Source, instead: str | None = None) -> str:
    """What the host is to be given: of several files the last, which is the newest while a secret
    is being changed. Raises SettingsMistake."""
    files = source.signing_key_files or source.webhook_secret_files
    check = signatures.signing_key if source.signing_key_files else signatures.secret
    file = instead or files[-1]
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.buffer.read(_MOST) if file == "-" else Path(file).read_bytes()
        check(text)
        return text.strip().decode()
    except OSError as error:
        hint = "give it with --secret-file where the chart mounts it into web alone"
        raise SettingsMistake(f"{name} can't be read: {error.strerror}; {hint}") from error
    except (signatures.WeakSecret, UnicodeDecodeError) as error:
        raise SettingsMistake(f"{name}: the webhook secret {error}") from error
