"""The command: which checks there are, and how their findings are shown."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from bot.clock import SystemClock
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.findings import About, Finding, code_of, document
from bot.core.mistakes import Mistake
from bot.core.reports_findings import layout, lines, summary
from bot.doctor import installation
from bot.doctor.checks import Check, run_checks
from bot.doctor.dockerhost import DockerHost
from bot.doctor.githosts import GitHosts
from bot.doctor.registries import Registries
from bot.hosts.factory import Hosts
from bot.ports import HostError
from bot.settings import Settings, SettingsMistake, read_settings

SECONDS, DEEP_SECONDS = 120.0, 1200.0


def doctor(options: argparse.Namespace) -> int:
    """0: nothing fails; 1: something does."""
    found: list[Finding] = []
    shown = layout([], colour=_colour())
    try:
        settings = read_settings()
        config, first = read_config(settings)
    except SettingsMistake as mistake:
        config, first = None, [About("machine", "settings").fail(str(mistake), _SETTINGS)]
    wanted: Sequence[Check] = ()
    if config is not None:
        wanted = checks(settings, config, deep=options.deep)
        shown = layout(_columns(config, wanted), colour=_colour())
    seconds = DEEP_SECONDS if options.deep else SECONDS
    for finding in chain(first, run_checks(wanted, seconds=seconds)):
        found.append(finding)
        if not options.json:
            print("\n".join(lines(finding, shown)), flush=True)
    print(json.dumps(document(found), indent=2) if options.json else summary(found))
    return code_of(found)


_SETTINGS = "see docs/settings.md"


def _columns(config: CentralConfig, wanted: Sequence[Check]) -> list[tuple[str, str]]:
    """What the second and third column will hold, as far as it is known."""
    known = [(check.about.subject, check.about.check) for check in wanted]
    paths = [rule.match.rpartition(":")[2] for rule in config.repositories]
    return [*known, *(("", f"webhook of {path}") for path in paths), ("", "App permissions")]


def checks(settings: Settings, config: CentralConfig, *, deep: bool) -> Sequence[Check]:
    clock = SystemClock()
    hosts = Hosts(config.sources, clock)
    return [
        *installation.checks(settings, config),
        *GitHosts(config, hosts, clock, every=deep).checks(),
        *Registries(config, clock, deep=deep).checks(),
        *_executor(config, clock, deep=deep),
    ]


def _executor(config: CentralConfig, clock: SystemClock, *, deep: bool) -> Iterator[Check]:
    if config.kubernetes is None or config.executor == "docker":
        yield from DockerHost(config).checks()
    else:
        yield Check(About("cluster", "connection"), lambda: connected(config, clock, deep=deep))


def connected(
    config: CentralConfig, clock: SystemClock, *, deep: bool
) -> Iterator[Finding | Check]:
    """The cluster's checks, once there is a way to it."""
    from bot.doctor.cluster import Cluster
    from bot.doctor.surroundings import deep_wishes
    from bot.executors.kubernetes.api import Api
    from bot.executors.kubernetes.connection import Connection

    if config.kubernetes is None:
        return
    about = About("cluster", "connection")
    try:
        connection = Connection(config.kubernetes.kubeconfig, clock)
        wishes = deep_wishes(config, clock) if deep else None
    except HostError as error:
        yield about.fail(str(error), "see docs/install.md")
        return
    api = Api(connection, clock)
    yield about.ok(connection.way().host)
    yield from Cluster(api, config.kubernetes, config.limits.builds, wishes).checks()


def read_config(settings: Settings) -> tuple[CentralConfig | None, list[Finding]]:
    """One finding for each mistake, with its place."""
    about, file = About("machine", "config"), str(settings.config)
    try:
        data = settings.config.read_bytes()
    except OSError as error:
        text = f"{file} can't be read: {error.strerror}"
        return None, [about.fail(text, "set PUSHWRIGHT_CONFIG to the path of the central config")]
    parsed = parse_central(data, file)
    if not isinstance(parsed, CentralConfig):
        remedy = "mend it; every key is in docs/central-config.md"
        return None, [about.fail(_said(one), one.hint or remedy) for one in parsed]
    warnings = [about.warn(_said(one), one.hint or "mend it") for one in parsed.warnings]
    return parsed, [about.ok(file), *warnings]


def _said(mistake: Mistake) -> str:
    """With its place; the hint is the remedy."""
    return str(replace(mistake, hint=None))


def _colour() -> bool:
    """https://no-color.org"""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )
