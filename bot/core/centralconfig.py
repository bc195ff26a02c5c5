"""The administrator's config, read once into values. The parser is `bot.core.centralfile`.

Files of secrets are named here and read elsewhere, by who needs them: this module holds no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.core.commands import start_of
from bot.core.ids import HostKind, Role, SourceName, Trust
from bot.core.mistakes import Mistake
from bot.core.podsettings import Kubernetes, SecretKey
from bot.core.repoconfig import CommentMode


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App: its id (or client id) and the file of its private key (PEM)."""

    id: str
    private_key_file: str


@dataclass(frozen=True, slots=True)
class Source:
    """One Git host as one installation or bot user sees it.

    `url` is the host's web address (`https://github.com`), `api_url` the REST address where it
    differs from the kind's rule. `bot_login`, when given, is whose comments are our own besides
    those of the credential's user, and a name that mentions of us may use.
    """

    name: SourceName
    kind: HostKind
    url: str
    api_url: str
    app: App | None = None
    token_file: str | None = None
    webhook_secret_files: tuple[str, ...] = ()
    signing_key_files: tuple[str, ...] = ()
    reports: Literal["statuses", "checks"] = "statuses"
    ca_file: str | None = None
    proxy: str | None = None
    bot_login: str | None = None
    bare_commands: bool = True
    """Whether `/build` alone is for us, or belongs to another bot."""

    @property
    def start(self) -> str:
        """What commands begin with in texts for people."""
        return start_of(bare=self.bare_commands)


@dataclass(frozen=True, slots=True)
class RepositoryRule:
    """First match wins. `match` is `source:path` or `path` with globs; `images` are patterns of
    image names that the repository may write (`<registry>/<owner>/<repo>` and below when empty)."""

    match: str
    images: tuple[str, ...] = ()
    mode: Literal["observe", "build"] = "build"
    zero_config: bool = True
    commands: Mapping[str, Role] = field(default_factory=dict)
    """Roles that commands need there; they only raise what holds for all."""
    comment_at_least: CommentMode = "off"
    comment_at_most: CommentMode = "always"


@dataclass(frozen=True, slots=True)
class RegistryRule:
    """How to reach one registry host, and with which Docker `config.json` documents."""

    host: str
    bot_auth_file: str | None = None
    pod_auth_file: str | None = None
    untrusted_auth_file: str | None = None
    insecure: bool = False
    mirrors: tuple[str, ...] = ()
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts are of builds that run at once; times are seconds."""

    builds: int = 4
    builds_per_repository: int = 2
    queue_seconds: int = 900
    build_seconds: int = 1800
    build_seconds_max: int = 7200
    silence_seconds: int = 1200
    new_refs: int = 20


@dataclass(frozen=True, slots=True)
class SecretRule:
    """A build secret that repositories may ask for by its name: where it is, and who may. `key`: in
    a Kubernetes Secret of the build namespace, whose value the bot never sees."""

    name: str
    file: str | None
    repositories: tuple[str, ...] = ()
    images: tuple[str, ...] = ("*",)
    events: tuple[str, ...] = ("push", "tag")
    key: SecretKey | None = None


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """Who may command in comments. `roles`: by command, where the usual one does not hold; `bots`:
    logins that are obeyed; `per_minute`: comments with commands of one person."""

    roles: Mapping[str, Role] = field(default_factory=dict)
    bots: tuple[str, ...] = ()
    per_minute: int = 10


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """`frontends`: patterns of images that untrusted Dockerfiles may name by `# syntax=`."""

    forks: Literal["approval", "writers"] = "approval"
    frontends: tuple[str, ...] = ("docker.io/docker/dockerfile",)

    def frontends_of(self, trust: Trust) -> tuple[str, ...] | None:
        """None: any."""
        return None if trust is Trust.TRUSTED else self.frontends


@dataclass(frozen=True, slots=True)
class DockerExecutor:
    """One machine's daemon. `dedicated` daemons are kept within `cache_limit_bytes`."""

    host: str = "unix:///var/run/docker.sock"
    dedicated: bool = False
    cache_limit_bytes: int = 20_000_000_000
    network: Literal["default", "host", "none"] = "default"


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after which housekeeping removes things."""

    bodies: int = 14
    deliveries: int = 90
    logs: int = 30
    builds: int = 180


@dataclass(frozen=True, slots=True)
class CentralConfig:
    public_url: str
    sources: Mapping[SourceName, Source]
    repositories: tuple[RepositoryRule, ...]
    registries: Mapping[str, RegistryRule] = field(default_factory=dict)
    default_registry: str | None = None
    limits: Limits = Limits()
    secrets: Mapping[str, SecretRule] = field(default_factory=dict)
    trust: TrustPolicy = TrustPolicy()
    executor: Literal["docker", "kubernetes"] = "docker"
    commands: CommandPolicy = CommandPolicy()
    docker: DockerExecutor = DockerExecutor()
    kubernetes: Kubernetes | None = None
    """Always there where `executor` says so."""
    retention: Retention = Retention()
    anonymous_list: bool = False
    sweep_seconds: int = 300
    pace_seconds: float = 1.0
    """Between two writes with one credential at a host (GitHub asks for a second)."""
    warnings: tuple[Mistake, ...] = ()
    """What was found and does not keep the config from being used."""
