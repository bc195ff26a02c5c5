"""The composition root of the worker: the one place that knows which adapters are used."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from bot.clock import SystemClock
from bot.configfile import ConfigFile, credential_files
from bot.core.centralconfig import CentralConfig
from bot.core.ids import HostKind, SourceName
from bot.core.podsettings import Kubernetes
from bot.executors.docker.executor import DockerExecutor, Surroundings
from bot.flow import Ports
from bot.hosts.factory import Hosts
from bot.hosts.gitea import codec as gitea_codec
from bot.hosts.github import codec as github_codec
from bot.hosts.gitlab import codec as gitlab_codec
from bot.housekeeping import Housekeeper
from bot.intake import Codec, Intake
from bot.logreading import LogReading
from bot.loops import Bell, Loop, Worker
from bot.ports import Clock, Executor, GitHost, Permanent
from bot.promoting import PromotionKeeper
from bot.reconcile import Sweeper
from bot.registry.client import RegistryClient
from bot.registry.configured import ConfiguredRegistries
from bot.reporting import Reporter, StatusWriter, Tagger
from bot.scheduling import Scheduler
from bot.settings import Settings, SettingsMistake
from bot.store import open_store
from bot.talking import Talker

if TYPE_CHECKING:
    from bot.executors.kubernetes.executor import KubernetesExecutor

CODECS: Mapping[HostKind, Codec] = {
    HostKind.GITHUB: github_codec.parse,
    HostKind.GITLAB: gitlab_codec.parse,
    HostKind.GITEA: gitea_codec.parse,
}


_SCHEDULE = "schedule"
_LOG_THREADS = 4
"""Readings of logs at once: 500 running builds need 25 a second, and each takes some 30 ms."""


class LiveHosts:
    """Clients of the sources of the config in force. Satisfies `bot.ports.HostFactory`."""

    def __init__(self, config: Callable[[], CentralConfig], clock: SystemClock) -> None:
        self._config = config
        self._seen = config()
        self._hosts = Hosts(self._seen.sources, clock)
        self._lock = threading.Lock()

    def get(self, source: SourceName) -> GitHost:
        with self._lock:  # else a thread that stood still in here puts an older config in force
            config = self._config()
            if config is not self._seen:
                self._hosts.replace(config.sources)
                self._seen = config
        return self._hosts.get(source)


def make_worker(settings: Settings) -> Worker:
    """Raises SettingsMistake, SchemaTooNew or Temporary, in words for an administrator."""
    clock = SystemClock()
    config = ConfigFile(settings.config, clock, credential_files)
    store = open_store(settings.database_url)
    registries = ConfiguredRegistries(config.current, clock)
    registry = RegistryClient(registries.endpoint, clock)
    bell = Bell()
    executor: Executor
    watches: Sequence[Loop] = ()
    if config.current().executor == "kubernetes":
        executor = _kubernetes(config, registries, clock, lambda: bell.ring(_SCHEDULE))
        watches = [
            Loop(f"watch-{n}", watch.step, 5.0, awaited=False)
            for n, watch in enumerate(executor.watches, 1)
        ]
    else:
        executor = _docker(settings, config, registries, clock)
    hosts = LiveHosts(config.current, clock)
    ports = Ports(store, hosts, executor, clock, config.current)
    logs = LogReading(ports, _LOG_THREADS, lambda: bell.ring(_SCHEDULE))
    loops = (*_loops(ports, registry, logs), *watches)
    return Worker(loops, store.wait, clock, _beat(settings.heartbeat), bell)


def _docker(
    settings: Settings, config: ConfigFile, registries: ConfiguredRegistries, clock: Clock
) -> DockerExecutor:
    return DockerExecutor(
        Surroundings(
            folder=settings.attempts,
            docker=lambda: config.current().docker,
            auths=registries.plain_auths,
            secret_file=lambda name: _secret_file(config, name),
        ),
        clock,
    )


def _kubernetes(
    config: ConfigFile,
    registries: ConfiguredRegistries,
    clock: Clock,
    wake: Callable[[], None],
) -> KubernetesExecutor:
    """Imports late: where one docker daemon builds, the cluster's library is not needed. `wake` is
    called when pods changed."""
    from bot.executors.kubernetes.api import Api
    from bot.executors.kubernetes.connection import Connection
    from bot.executors.kubernetes.executor import KubernetesExecutor, Surroundings

    first = config.current().kubernetes

    def section() -> Kubernetes:
        """In force; the last one, where a changed file has none any more."""
        nonlocal first
        first = config.current().kubernetes or first
        if first is None:
            raise SettingsMistake("`executor: kubernetes` needs the section `kubernetes`")
        return first

    try:
        connection = Connection(section().kubeconfig, clock)
    except Permanent as error:
        raise SettingsMistake(str(error)) from error
    return KubernetesExecutor(
        Surroundings(
            kubernetes=section,
            auths=lambda hosts, trusted: registries.plain_auths(hosts, trusted=trusted),
            secret_file=lambda name: _secret_file(config, name),
        ),
        Api(connection, clock),
        clock,
        wake=wake,
    )


def _beat(file: Path | None) -> Callable[[], None] | None:
    if file is None:
        return None

    def beat() -> None:
        with suppress(OSError):  # the file grows old, and whoever probes it ends the process
            file.touch()

    return beat


def _loops(ports: Ports, registry: RegistryClient, logs: LogReading) -> Sequence[Loop]:
    writers = StatusWriter(ports), StatusWriter(ports)
    return (
        Loop("decide-1", Intake(ports, CODECS, registry).step, 1.0),
        Loop("decide-2", Intake(ports, CODECS, registry).step, 1.0),
        Loop(_SCHEDULE, Scheduler(ports, registry, logs).step, 0.1),
        Loop("report", Reporter(ports).step, 1.0),
        *(Loop(f"status-{n}", one.step, 0.5, due=one.due) for n, one in enumerate(writers, 1)),
        Loop("talk", Talker(ports).step, 0.5),
        Loop("tag", Tagger(ports, registry).step, 0.5),
        Loop("promoted", PromotionKeeper(ports, registry).step, 5.0, rung=False),
        Loop("sweep", Sweeper(ports).step, 5.0, stuck=3600.0, rung=False),
        Loop("house", Housekeeper(ports, registry).step, 1.0, rung=False),
    )


def _secret_file(config: ConfigFile, name: str) -> str | None:
    rule = config.current().secrets.get(name)
    return rule.file if rule else None


def run(settings: Settings) -> int:
    """Until SIGTERM or SIGINT; 70 when a loop broke."""
    worker = make_worker(settings)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return 0 if worker.run() else 70
