"""The Secret of one attempt: the recipe, credentials, and dockerd's registry files."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.core.ids import Trust
from bot.core.podsettings import PodMistake, PodSettings, refusal
from bot.executors.dockerconfig import secret_values
from bot.executors.kubernetes import dockerd
from bot.executors.kubernetes.names import Identity, labels, notes, object_name
from bot.executors.kubernetes.reading import mapping
from bot.ports import AttemptSpec

FOLDER = "/run/pushwright"
"""Where the builder finds the whole Secret, and nothing else does."""
RESULT = "/dev/termination-log"
WORK = "/work"
CA_FILE = "/etc/pushwright-ca/ca.crt"
SOURCE_CA = "source-ca.crt"
LOG_BYTES = 5 << 20
"""Printed besides the last 4 MiB: a kubelet rotates at 10 MiB and serves the newest file."""
_LIMIT = 1_000_000
"""Bytes; the API server takes 1 MiB: https://kubernetes.io/docs/concepts/configuration/secret/"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Values that the bot holds. `auths`: a Docker config document with plain credentials, for the
    attempt's own trust level. `secrets`: build secrets by id, those that no Kubernetes Secret of
    `PodSettings.secrets` holds. `source_ca`: certificates (PEM) by which the Git host is known."""

    auths: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    source_ca: str | None = None

    def __repr__(self) -> str:
        return "Credentials(<hidden>)"


def build_secret(
    spec: AttemptSpec, settings: PodSettings, identity: Identity, credentials: Credentials
) -> dict[str, object]:
    """Raises PodMistake."""
    check_trust(spec, settings, identity)
    files = _private_files(spec, settings, credentials)
    redacted = sorted(name for name in files if name not in {"config.json", "username", SOURCE_CA})
    outside = [_outside(n) for n, name in _names(spec) if name in settings.secrets]
    redacted = [f"{FOLDER}/{name}" for name in [*redacted, *outside]]
    recipe = _recipe(spec, settings, redacted, own_ca=SOURCE_CA in files)
    files["recipe.json"] = json.dumps(recipe)
    for host, mirrors in settings.network.mirrors.items():
        plain = host in settings.network.insecure
        files[hosts_key(host)] = dockerd.hosts_toml(host, mirrors, insecure=plain)
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    if sum(map(len, encoded.values())) > _LIMIT:
        raise PodMistake("recipe and credentials are over the 1 MiB that a Secret holds")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": object_name(spec.name),
            "namespace": namespace(settings, trusted=spec.trusted),
            "labels": labels(identity),
            "annotations": notes(identity, spec.name),
        },
        "type": "Opaque",
        "immutable": True,
        "data": encoded,
    }


def owner_patch(pod: Mapping[str, object]) -> dict[str, object]:
    """A merge patch that lets the Secret go with its pod, once the pod exists."""
    metadata = mapping(pod.get("metadata"))
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata.get("name"),
        "uid": metadata.get("uid"),
        "controller": False,
        "blockOwnerDeletion": False,
    }
    return {"metadata": {"ownerReferences": [owner]}}


def namespace(settings: PodSettings, *, trusted: bool) -> str:
    if trusted or settings.untrusted is None:
        return settings.namespace
    return settings.untrusted.namespace


def check_trust(spec: AttemptSpec, settings: PodSettings, identity: Identity) -> None:
    """Untrusted code and credentials do not meet, whatever asked for it. Raises PodMistake."""
    if spec.trusted is not (identity.trust is Trust.TRUSTED):
        raise PodMistake("the attempt and its identity do not agree on trust")
    why = refusal(settings, trusted=spec.trusted)
    if why:
        raise PodMistake(why)
    if not spec.trusted:
        cache = mapping(spec.recipe.get("cache"))
        if spec.secrets or spec.recipe.get("push") is not None or cache.get("to") is not None:
            raise PodMistake("an untrusted build takes no secret, pushes nothing, writes no cache")


def external_sources(spec: AttemptSpec, settings: PodSettings) -> list[dict[str, object]]:
    """The administrator's Secrets as further sources of the builder's volume: their values never
    pass through the bot."""
    found: list[dict[str, object]] = []
    for number, name in _names(spec):
        key = settings.secrets.get(name)
        if key is not None:
            items = [{"key": key.key, "path": _outside(number)}]
            found.append({"secret": {"name": key.secret, "items": items}})
    return found


def hosts_key(host: str) -> str:
    return "hosts-" + host.replace(":", "_")


def _names(spec: AttemptSpec) -> list[tuple[int, str]]:
    return [(number, name) for number, (_, name) in enumerate(spec.secrets)]


def _outside(number: int) -> str:
    return f"outside-secret-{number}"


def _private_files(
    spec: AttemptSpec, settings: PodSettings, credentials: Credentials
) -> dict[str, str]:
    files = {"config.json": json.dumps(dict(credentials.auths))}
    clone = spec.credential
    if clone is not None and (spec.trusted or (settings.untrusted and settings.untrusted.clone)):
        files |= {"username": clone.username, "password": clone.password}
    if credentials.source_ca is not None:
        files[SOURCE_CA] = credentials.source_ca
    for number, value in enumerate(secret_values(credentials.auths)):
        files[f"redact-{number}"] = value
    for number, (secret_id, name) in enumerate(spec.secrets):
        if name in settings.secrets:
            continue
        if secret_id not in credentials.secrets:
            raise PodMistake(
                f"the build secret {name!r} is not in the central config, or has no value; "
                "ask the administrator to add it under `secrets`"
            )
        files[f"build-secret-{number}"] = credentials.secrets[secret_id]
    return files


def _recipe(
    spec: AttemptSpec, settings: PodSettings, redacted: list[str], *, own_ca: bool
) -> dict[str, object]:
    """The builder's document. Memory and processors are the pod's to limit, not the client's."""
    source = dict(mapping(spec.recipe.get("source")))
    build = dict(mapping(spec.recipe.get("build")))
    if f"{FOLDER}/password" in redacted:
        source |= {"username_file": f"{FOLDER}/username", "password_file": f"{FOLDER}/password"}
    everything = CA_FILE if settings.network.ca_config_map else None
    source["ca_file"] = f"{FOLDER}/{SOURCE_CA}" if own_ca else everything
    source["proxy"] = source.get("proxy") or _proxy(source, settings.network.proxies)
    secrets = []
    for number, (secret_id, name) in enumerate(spec.secrets):
        inside = f"build-secret-{number}"
        file = _outside(number) if name in settings.secrets else inside
        secrets.append({"id": secret_id, "file": f"{FOLDER}/{file}"})
    build |= {"secrets": secrets, "network": "default", "memory": None, "cpu": None}
    return dict(spec.recipe) | {
        "attempt": spec.name,
        "recipe_hash": spec.recipe_hash,
        "workdir": WORK,
        "result": RESULT,
        "source": source,
        "build": build,
        "limits": {**mapping(spec.recipe.get("limits")), "log_bytes": LOG_BYTES},
        "docker": {"host": f"unix://{dockerd.SOCKET}", "config_dir": FOLDER, "client": None},
        "redact_files": redacted,
    }


def _proxy(source: Mapping[str, object], proxies: Mapping[str, str]) -> str | None:
    """For git, which gets an environment of its own: by the rules of NO_PROXY."""
    address = urlsplit(str(source.get("url") or ""))
    host = address.hostname or ""
    for word in proxies.get("NO_PROXY", "").split(","):
        rule = word.strip().lstrip("*").lstrip(".").lower()
        if word.strip() == "*" or (rule and (host == rule or host.endswith("." + rule))):
            return None
    return proxies.get("HTTPS_PROXY" if address.scheme == "https" else "HTTP_PROXY")
