"""The central config read into a `CentralConfig`, and what it binds: which repository is served by
which rule, and which image names it may write."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from bot.core import centralkeys as keys
from bot.core.binding import may_write, rule_for
from bot.core.centralconfig import (
    App,
    CentralConfig,
    DockerExecutor,
    Limits,
    RegistryRule,
    RepositoryRule,
    Retention,
    SecretRule,
    Source,
    TrustPolicy,
)
from bot.core.centraltext import is_plain_http
from bot.core.commandkeys import BARE, COMMANDS_KEY, RULE_ROLES, command_policy, roles
from bot.core.forms import Fields, Key, T
from bot.core.ids import HostKind, SourceName
from bot.core.kubernetesfile import read_kubernetes
from bot.core.mistakes import Mark, Mistake, Notes, nearest, show
from bot.core.podsettings import SecretKey
from bot.core.yamltree import CENTRAL_LIMITS, read_tree

__all__ = ["may_write", "parse_central", "rule_for"]

URLS = {HostKind.GITHUB: "https://github.com", HostKind.GITLAB: "https://gitlab.com"}
"""Where a kind's own authors run it for all; a Gitea is somebody's, so that `url` is needed."""
_NOTHING = Fields({}, {}, Mark(1, 1))
Place = Callable[[str], str]


def parse_central(text: bytes, file: str) -> CentralConfig | tuple[Mistake, ...]:
    """The config, or its mistakes in the order of the file. No bytes make it raise.

    Relative paths in the file are relative to the folder of `file`; whether they exist is asked by
    `bot.configfile.missing_files`.
    """
    notes = Notes(file)
    root = read_tree(text, notes, CENTRAL_LIMITS)
    if root is None:
        if not notes.mistakes:
            notes.wrong(Mark(1, 1), "the file is empty", "see config/pushwright.example.yaml")
        return notes.mistakes
    fields = keys.CENTRAL_FILE.read(root, notes)
    if fields is None:
        return notes.mistakes
    config = _config(fields, _placed(posixpath.dirname(file)), notes)
    return notes.mistakes or config


def _placed(folder: str) -> Place:
    return lambda path: posixpath.normpath(posixpath.join(folder, path))


def _or(fields: Fields, key: Key[T], default: T) -> T:
    value = fields.get(key)
    return default if value is None else value


def _file(fields: Fields, key: Key[str], place: Place) -> str | None:
    path = fields.get(key)
    return None if path is None else place(path)


def _files(fields: Fields, key: Key[tuple[str, ...]], place: Place) -> tuple[str, ...]:
    return tuple(place(path) for path in fields.get(key) or ())


def _config(fields: Fields, place: Place, notes: Notes) -> CentralConfig:
    sources = {
        SourceName(name): _source(SourceName(name), one, place, notes)
        for name, one in (fields.get(keys.SOURCES) or {}).items()
    }
    if not sources and fields.get(keys.SOURCES) is not None:
        notes.wrong(fields.place(keys.SOURCES), "`sources` names no Git host")
    registry = _or(fields, keys.DEFAULTS_KEY, _NOTHING).get(keys.DEFAULT_REGISTRY)
    found = fields.get(keys.REPOSITORY_RULES) or ()
    rules = tuple(_rule(one, sources, registry, notes) for one in found)
    secrets = {
        name: _secret(name, one, place, sources, notes)
        for name, one in (fields.get(keys.SECRETS_KEY) or {}).items()
    }
    registries = {
        host: _registry(host, one, place)
        for host, one in (fields.get(keys.REGISTRIES) or {}).items()
    }
    section = fields.get(keys.KUBERNETES_KEY)
    executor = _or(fields, keys.EXECUTOR, "docker")
    if executor == "kubernetes" and not fields.has(keys.KUBERNETES_KEY):
        hint = "it names at least namespace and builder-image"
        notes.wrong(fields.place(keys.EXECUTOR), "the section `kubernetes` is missing", hint)
    return CentralConfig(
        public_url=fields.get(keys.PUBLIC_URL) or "",
        sources=sources,
        repositories=rules,
        registries=registries,
        default_registry=registry,
        limits=_limits(_or(fields, keys.LIMITS_KEY, _NOTHING), notes),
        secrets=secrets,
        trust=_trust(_or(fields, keys.TRUST_KEY, _NOTHING)),
        executor=executor,
        commands=command_policy(fields.get(COMMANDS_KEY)),
        docker=_docker(_or(fields, keys.DOCKER_KEY, _NOTHING)),
        kubernetes=read_kubernetes(section, place, registries, secrets, notes) if section else None,
        retention=_retention(_or(fields, keys.RETENTION_KEY, _NOTHING)),
        anonymous_list=_or(fields, keys.ANONYMOUS_LIST, False),
        sweep_seconds=_or(fields, keys.SWEEP, 300),
        pace_seconds=_or(fields, keys.PACE, 1.0),
        warnings=notes.warnings,
    )


def _source(name: SourceName, fields: Fields, place: Place, notes: Notes) -> Source:
    kind = HostKind(fields.get(keys.KIND) or "github")
    url = _or(fields, keys.URL, URLS.get(kind, ""))
    app = fields.get(keys.APP_KEY_RECORD)
    source = Source(
        name=name,
        kind=kind,
        url=url,
        api_url=_or(fields, keys.API_URL, _api_url(kind, url)),
        app=None
        if app is None
        else App(app.get(keys.APP_ID) or "", place(app.get(keys.APP_KEY) or ".")),
        token_file=_file(fields, keys.TOKEN_FILE, place),
        webhook_secret_files=_files(fields, keys.WEBHOOK_SECRETS, place),
        signing_key_files=_files(fields, keys.SIGNING_KEYS, place),
        reports=_or(fields, keys.REPORTS, "statuses"),
        ca_file=_file(fields, keys.CA_FILE, place),
        proxy=fields.get(keys.PROXY),
        bot_login=fields.get(keys.BOT_LOGIN),
        bare_commands=_or(fields, BARE, True),
    )
    if fields.get(keys.KIND) is not None:
        if not url and not fields.has(keys.URL):
            message = f"a {kind} source needs the address of its host"
            notes.wrong(fields.mark, message, "name it: url: https://git.example.com")
        _check_credential(fields, kind, notes)
        _check_webhook(fields, kind, notes)
    for key, said in ((keys.URL, source.url), (keys.API_URL, source.api_url)):
        if fields.has(key) and is_plain_http(said):
            notes.warn(fields.place(key), f"tokens go to {show(said)} unencrypted", "use https")
    return source


def _api_url(kind: HostKind, url: str) -> str:
    """https://docs.github.com/en/enterprise-server@latest/rest, https://docs.gitlab.com/api/rest/,
    https://docs.gitea.com/development/api-usage"""
    match kind:
        case HostKind.GITHUB:
            return "https://api.github.com" if url == URLS[kind] else f"{url}/api/v3"
        case HostKind.GITLAB:
            return f"{url}/api/v4"
        case HostKind.GITEA:
            return f"{url}/api/v1"


def _check_credential(fields: Fields, kind: HostKind, notes: Notes) -> None:
    app, token = fields.has(keys.APP_KEY_RECORD), fields.has(keys.TOKEN_FILE)
    if app and kind is not HostKind.GITHUB:
        notes.wrong(fields.place(keys.APP_KEY_RECORD), "Apps are GitHub's", "use token-file")
    elif app and token:
        notes.wrong(fields.place(keys.TOKEN_FILE), "`app` and `token-file` exclude one another")
    elif not app and not token:
        hint = "name token-file, or app" if kind is HostKind.GITHUB else "name token-file"
        notes.wrong(fields.mark, "the source has no credential", hint)
    if fields.get(keys.REPORTS) == "checks" and not app:
        message = "check runs are written by GitHub Apps alone"
        notes.wrong(fields.place(keys.REPORTS), message, "use reports: statuses")


def _check_webhook(fields: Fields, kind: HostKind, notes: Notes) -> None:
    secret, signing = fields.has(keys.WEBHOOK_SECRETS), fields.has(keys.SIGNING_KEYS)
    if signing and kind is not HostKind.GITLAB:
        message = "signing keys are GitLab's"
        notes.wrong(fields.place(keys.SIGNING_KEYS), message, "use webhook-secret-files")
    elif signing and secret:
        message = "a source has either secrets or signing keys: with both, the weaker would count"
        notes.wrong(fields.place(keys.SIGNING_KEYS), message, "remove one of the two")
    elif not signing and not secret:
        message = "the source has no webhook secret, so nothing could be believed"
        notes.wrong(fields.mark, message, "name webhook-secret-files")


def _rule(
    fields: Fields, sources: Mapping[SourceName, Source], registry: str | None, notes: Notes
) -> RepositoryRule:
    match = fields.get(keys.MATCH) or ""
    _check_sources(match, fields.place(keys.MATCH), sources, notes)
    if registry is None and not fields.has(keys.MAY_WRITE) and match:
        message = "the repositories may write no image"
        hint = "name images here, or registry under defaults"
        notes.wrong(fields.place(keys.MATCH), message, hint)
    if len(sources) > 1 and ":" not in match and match:
        message = f"{show(match)} matches at every source"
        notes.warn(fields.place(keys.MATCH), message, "write source:path if only one is meant")
    return RepositoryRule(
        match=match,
        images=fields.get(keys.MAY_WRITE) or (),
        mode=_or(fields, keys.MODE, "build"),
        zero_config=_or(fields, keys.ZERO_CONFIG, True),
        commands=roles(fields.get(RULE_ROLES)),
        comment_at_least=_or(fields, keys.COMMENT_LEAST, "off"),
        comment_at_most=_or(fields, keys.COMMENT_MOST, "always"),
    )


def _check_sources(
    match: str, mark: Mark, sources: Mapping[SourceName, Source], notes: Notes
) -> None:
    source, colon, _ = match.partition(":")
    if colon and source != "*" and source not in sources and sources:
        notes.wrong(mark, f"no source is named {show(source)}", nearest(source, sources))


def _registry(host: str, fields: Fields, place: Place) -> RegistryRule:
    return RegistryRule(
        host=host,
        bot_auth_file=_file(fields, keys.BOT_AUTH, place),
        pod_auth_file=_file(fields, keys.POD_AUTH, place),
        untrusted_auth_file=_file(fields, keys.UNTRUSTED_AUTH, place),
        insecure=_or(fields, keys.INSECURE, False),
        mirrors=fields.get(keys.MIRRORS) or (),
        ca_file=_file(fields, keys.CA_FILE, place),
    )


def _secret(
    name: str, fields: Fields, place: Place, sources: Mapping[SourceName, Source], notes: Notes
) -> SecretRule:
    patterns = fields.get(keys.SECRET_REPOSITORIES) or ()
    for pattern in patterns:
        _check_sources(pattern, fields.place(keys.SECRET_REPOSITORIES), sources, notes)
    return SecretRule(
        name=name,
        file=_file(fields, keys.SECRET_FILE, place),
        key=_secret_key(fields, notes),
        repositories=patterns,
        images=fields.get(keys.SECRET_IMAGES) or ("*",),
        events=fields.get(keys.SECRET_EVENTS) or ("push", "tag"),
    )


def _secret_key(fields: Fields, notes: Notes) -> SecretKey | None:
    secret, key = fields.get(keys.SECRET_OBJECT), fields.get(keys.SECRET_KEY)
    inside = fields.has(keys.SECRET_OBJECT) or fields.has(keys.SECRET_KEY)
    if inside == fields.has(keys.SECRET_FILE):
        notes.wrong(fields.mark, "a secret is either a `file`, or a `secret` and its `key`")
    elif inside and not (fields.has(keys.SECRET_OBJECT) and fields.has(keys.SECRET_KEY)):
        notes.wrong(fields.mark, "`secret` and `key` belong together")
    return SecretKey(secret, key) if secret and key else None


def _limits(fields: Fields, notes: Notes) -> Limits:
    usual = Limits()
    limits = Limits(
        builds=_or(fields, keys.BUILDS, usual.builds),
        builds_per_repository=_or(fields, keys.PER_REPOSITORY, usual.builds_per_repository),
        queue_seconds=_or(fields, keys.QUEUE, usual.queue_seconds),
        build_seconds=_or(fields, keys.BUILD, usual.build_seconds),
        build_seconds_max=_or(fields, keys.BUILD_MOST, usual.build_seconds_max),
        silence_seconds=_or(fields, keys.SILENCE, usual.silence_seconds),
        new_refs=_or(fields, keys.NEW_REFS, usual.new_refs),
    )
    if limits.build_seconds > limits.build_seconds_max:
        place = fields.place(keys.BUILD if fields.has(keys.BUILD) else keys.BUILD_MOST)
        message = "`build-timeout` is longer than `build-timeout-max`"
        notes.wrong(place, message, "raise build-timeout-max (2h unless given)")
    return limits


def _docker(fields: Fields) -> DockerExecutor:
    usual = DockerExecutor()
    return DockerExecutor(
        host=_or(fields, keys.HOST, usual.host),
        dedicated=_or(fields, keys.DEDICATED, usual.dedicated),
        cache_limit_bytes=_or(fields, keys.CACHE_LIMIT, usual.cache_limit_bytes),
        network=_or(fields, keys.NETWORK, usual.network),
    )


def _trust(fields: Fields) -> TrustPolicy:
    usual = TrustPolicy()
    return TrustPolicy(
        _or(fields, keys.FORKS, usual.forks), _or(fields, keys.FRONTENDS, usual.frontends)
    )


def _retention(fields: Fields) -> Retention:
    usual = Retention()
    return Retention(
        bodies=_or(fields, keys.BODIES, usual.bodies),
        deliveries=_or(fields, keys.DELIVERIES, usual.deliveries),
        logs=_or(fields, keys.LOGS, usual.logs),
        builds=_or(fields, keys.BUILDS_KEPT, usual.builds),
    )
