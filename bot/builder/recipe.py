"""The recipe: one JSON document, parsed once into frozen values. docs/builder.md lists its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed
from bot.builder.references import check_allowed, parse_reference


@dataclass(frozen=True, slots=True)
class Source:
    """Where the tree comes from. The credential is in files, never in the URL. `own_only`: it is
    for this repository alone, not for submodules that lie beside it."""

    url: str
    sha: str
    ref: str | None
    username_file: Path | None
    password_file: Path | None
    submodules: bool
    lfs: bool
    ca_file: Path | None
    proxy: str | None
    own_only: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    id: str
    file: Path


@dataclass(frozen=True, slots=True)
class Build:
    """What is handed to BuildKit."""

    context: str
    dockerfile: str
    target: str | None
    args: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    contexts: Mapping[str, str]
    platform: str | None
    no_cache: bool
    secrets: tuple[Secret, ...]
    network: str
    provenance: str | None
    sbom: bool
    memory: str | None
    cpu: str | None


@dataclass(frozen=True, slots=True)
class Push:
    reference: str
    insecure: bool


@dataclass(frozen=True, slots=True)
class Cache:
    """mode: inline, registry or none. `sources` are read. `to` is written in mode registry; None:
    this build may write no cache."""

    mode: str
    sources: tuple[str, ...]
    to: str | None
    insecure_hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes. The `…_waits` are pauses before each further try: for a commit that is not
    there yet, for a Git host that does not answer, for a registry that is busy."""

    timeout: float
    silence: float
    dockerd: float
    fetch_waits: tuple[float, ...]
    network_waits: tuple[float, ...]
    registry_waits: tuple[float, ...]
    log_bytes: int


@dataclass(frozen=True, slots=True)
class Docker:
    host: str
    config_dir: Path | None
    client: Path | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """`frontends`: patterns of images that may be named as the Dockerfile's; None: any."""

    attempt: str
    workdir: Path
    source: Source
    build: Build
    push: Push | None
    cache: Cache
    limits: Limits
    docker: Docker
    redact_files: tuple[Path, ...]
    result: Path
    frontends: tuple[str, ...] | None = None


_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+/[^\s\x00-\x1f\x7f@?#]+")
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NETWORKS = ("default", "none", "host")
_MODES = ("inline", "registry", "none")


def _wrong(where: str, why: str) -> BuildFailed:
    return BuildFailed(BuildClass.CONFIG, f"recipe: {where}: {why}")


class _Reader:
    """Typed access to one object of the document; each mistake names its key."""

    def __init__(self, document: Any, where: str) -> None:
        if not isinstance(document, dict):
            raise _wrong(where, "must be an object")
        self._document: dict[str, Any] = document
        self._where = where

    def _get(self, key: str, kinds: tuple[type, ...], default: Any) -> Any:
        value = self._document.get(key)
        if value is None:
            if default is ...:
                raise _wrong(f"{self._where}.{key}", "is required")
            return default
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _wrong(f"{self._where}.{key}", f"must be a {kinds[0].__name__}")
        return value

    def text(self, key: str, default: Any = ...) -> Any:
        value = self._get(key, (str,), default)
        if isinstance(value, str) and "\0" in value:
            raise _wrong(f"{self._where}.{key}", "holds a NUL character")
        return value

    def flag(self, key: str) -> bool:
        return bool(self._get(key, (bool,), False))

    def number(self, key: str, default: float) -> float:
        value = float(self._get(key, (int, float), default))
        if not 0 <= value < 1e12:
            raise _wrong(f"{self._where}.{key}", "must be a positive number")
        return value

    def numbers(self, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        items = self._get(key, (list,), list(default))
        if not all(isinstance(item, (int, float)) and 0 <= item < 1e6 for item in items):
            raise _wrong(f"{self._where}.{key}", "must be a list of numbers")
        return tuple(float(item) for item in items)

    def amount(self, key: str) -> str | None:
        """A number or a text such as 4g; docker's own parser has the last word."""
        value = self._get(key, (str, int, float), None)
        return None if value is None else str(value)

    def path(self, key: str, default: Any = ...) -> Any:
        value = self.text(key, default)
        if isinstance(value, str):
            if not value.startswith("/"):
                raise _wrong(f"{self._where}.{key}", "must be an absolute path")
            return Path(value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        items = self._get(key, (list,), [])
        if not all(isinstance(item, str) for item in items):
            raise _wrong(f"{self._where}.{key}", "must be a list of strings")
        return tuple(items)

    def table(self, key: str, names: re.Pattern[str] | None = None) -> Mapping[str, str]:
        items = self._get(key, (dict,), {})
        for name, value in items.items():
            if not isinstance(value, str) or "\0" in value:
                raise _wrong(f"{self._where}.{key}.{name}", "must be a string without NUL")
            if not name or name[0] == "-" or "=" in name or "\0" in name:
                raise _wrong(f"{self._where}.{key}", f"{name!r} is not a name")
            if names and not names.fullmatch(name):
                raise _wrong(f"{self._where}.{key}", f"{name!r} is not a name")
        return dict(items)

    def chosen(self, key: str, among: tuple[str, ...]) -> str:
        value = str(self.text(key, among[0]))
        if value not in among:
            raise _wrong(f"{self._where}.{key}", f"{value!r} is none of {', '.join(among)}")
        return value

    def inner(self, key: str) -> _Reader:
        return _Reader(self._document.get(key, {}), f"{self._where}.{key}")

    def inners(self, key: str) -> list[_Reader]:
        items = self._get(key, (list,), [])
        return [_Reader(item, f"{self._where}.{key}[{n}]") for n, item in enumerate(items)]

    def has(self, key: str) -> bool:
        return self._document.get(key) is not None


def parse(data: bytes) -> Recipe:
    """Raises BuildFailed (config) naming the key that is wrong."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _wrong("document", f"is not JSON: {error}") from error
    top = _Reader(document, "recipe")
    if top.number("version", 0) != 1:
        raise _wrong("version", "this builder reads version 1")
    push = _push(top.inner("push")) if top.has("push") else None
    build = _build(top.inner("build"))
    cache = _cache(top.inner("cache"), read=not build.no_cache)
    wanted = [push.reference] if push else []
    check_allowed(
        [*wanted, *cache.sources, *([cache.to] if cache.to else [])], top.texts("allowed")
    )
    return Recipe(
        attempt=top.text("attempt"),
        workdir=top.path("workdir"),
        source=_source(top.inner("source")),
        build=build,
        push=push,
        cache=cache,
        limits=_limits(top.inner("limits")),
        docker=_docker(top.inner("docker")),
        redact_files=tuple(Path(item) for item in top.texts("redact_files")),
        result=top.path("result"),
        frontends=top.texts("frontends") if top.has("frontends") else None,
    )


def result_path(data: bytes) -> Path | None:
    """Where the result belongs, even if the rest of the recipe is wrong."""
    try:
        path: Any = _Reader(json.loads(data), "recipe").path("result")
    except (BuildFailed, ValueError, RecursionError):
        return None
    return path if isinstance(path, Path) else None


def _source(reader: _Reader) -> Source:
    url, sha, ref = reader.text("url"), reader.text("sha"), reader.text("ref", None)
    if not _URL.fullmatch(url):
        raise _wrong("source.url", "must be an http(s) URL without user, query and fragment")
    if not _SHA.fullmatch(sha):
        raise _wrong("source.sha", "must be a full commit id (40 or 64 hex digits)")
    if ref is not None and (not _REF.fullmatch(ref) or ".." in ref or "@{" in ref):
        raise _wrong("source.ref", f"{ref!r} is not a full Git reference name")
    return Source(
        url=url,
        sha=sha,
        ref=ref,
        username_file=reader.path("username_file", None),
        password_file=reader.path("password_file", None),
        submodules=reader.flag("submodules"),
        lfs=reader.flag("lfs"),
        ca_file=reader.path("ca_file", None),
        proxy=reader.text("proxy", None),
        own_only=reader.flag("own_only"),
    )


def _build(reader: _Reader) -> Build:
    secrets = tuple(Secret(item.text("id"), item.path("file")) for item in reader.inners("secrets"))
    for secret in secrets:
        if not _NAME.fullmatch(secret.id):
            raise _wrong("build.secrets", f"{secret.id!r} is not a secret id")
    contexts = reader.table("contexts", _NAME)
    for name, value in contexts.items():
        if not value.startswith("docker-image://"):
            raise _wrong(f"build.contexts.{name}", "must begin with docker-image://")
    return Build(
        context=reader.text("context", "."),
        dockerfile=reader.text("dockerfile", "Dockerfile"),
        target=reader.text("target", None),
        args=reader.table("args", _NAME),
        labels=reader.table("labels"),
        annotations=reader.table("annotations"),
        contexts=contexts,
        platform=reader.text("platform", None),
        no_cache=reader.flag("no_cache"),
        secrets=secrets,
        network=reader.chosen("network", _NETWORKS),
        provenance=reader.text("provenance", None),
        sbom=reader.flag("sbom"),
        memory=reader.amount("memory"),
        cpu=reader.amount("cpu"),
    )


def _push(reader: _Reader) -> Push:
    reference = reader.text("reference")
    if parse_reference(reference).tag is None:
        raise _wrong("push.reference", f"{reference!r} has no tag")
    return Push(reference, reader.flag("insecure"))


def _cache(reader: _Reader, *, read: bool) -> Cache:
    sources = reader.texts("from")
    for reference in (*sources, *filter(None, [reader.text("to", None)])):
        parse_reference(reference)
    mode = reader.chosen("mode", _MODES)
    to = reader.text("to", None)
    return Cache(
        mode=mode,
        sources=sources if read and mode != "none" else (),
        to=to if mode == "registry" else None,
        insecure_hosts=frozenset(reader.texts("insecure_hosts")),
    )


def _limits(reader: _Reader) -> Limits:
    return Limits(
        timeout=reader.number("timeout_seconds", 1800),
        silence=reader.number("silence_seconds", 1200),
        dockerd=reader.number("dockerd_seconds", 60),
        fetch_waits=reader.numbers("fetch_waits", (2.0, 5.0, 10.0, 18.0, 25.0)),
        network_waits=reader.numbers("network_waits", (1.0, 3.0, 9.0)),
        registry_waits=reader.numbers("registry_waits", (2.0, 6.0, 15.0)),
        log_bytes=int(reader.number("log_bytes", 16 << 20)),
    )


def _docker(reader: _Reader) -> Docker:
    host = reader.text("host")
    if not host.startswith("unix:///"):
        raise _wrong("docker.host", "must be unix:///path/of/the/socket")
    return Docker(host, reader.path("config_dir", None), reader.path("client", None))
