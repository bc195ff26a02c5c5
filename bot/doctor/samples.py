"""Build pods of no build: as the executor makes them, for dry runs and probes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.ids import BuildId, ImageKey, RepositoryId, Sha, SourceName
from bot.core.podsettings import Kubernetes
from bot.executors.kubernetes.inputs import Credentials, build_secret
from bot.executors.kubernetes.manifest import build_pod
from bot.executors.kubernetes.names import identity_of
from bot.executors.kubernetes.starting import Wanted
from bot.ports import AttemptSpec, Origin

_SHA = Sha("1" * 40)
_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Trial:
    """One of the chained builds: what it pushes, and where its cache comes from."""

    push: str
    cache_from: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    auths: Mapping[str, object] = field(default_factory=dict)


def sample(kubernetes: Kubernetes, *, trusted: bool, trial: Trial | None = None) -> Wanted:
    """A pod and its Secret with a name of their own. Raises PodMistake."""
    name = f"doctor-{secrets.token_hex(8)}"
    spec = _spec(name, trusted=trusted, trial=trial)
    # Not the bot's own instance: the worker would take it for an attempt that it has forgotten.
    identity = identity_of(spec, f"{kubernetes.instance}-doctor")
    credentials = Credentials(trial.auths if trial else {})
    pod = build_pod(spec, kubernetes.pods, identity)
    return Wanted(pod, build_secret(spec, kubernetes.pods, identity, credentials))


def _spec(name: str, *, trusted: bool, trial: Trial | None) -> AttemptSpec:
    push = None
    if trial is not None:
        host = trial.push.partition("/")[0]
        push = {"reference": trial.push, "insecure": host in trial.insecure}
    recipe = {
        "version": 1,
        "source": {"url": "https://doctor.invalid/none.git", "sha": _SHA},
        "build": {"context": ".", "dockerfile": "Dockerfile"},
        "push": push,
        "cache": {
            "mode": "inline",
            "from": list(trial.cache_from) if trial else [],
            "to": None,
            "insecure_hosts": list(trial.insecure) if trial else [],
        },
        "limits": {"timeout_seconds": 300, "silence_seconds": 120, "dockerd_seconds": 60},
        "allowed": [trial.push.rpartition(":")[0]] if trial else [],
    }
    origin = Origin(
        build=BuildId(name),
        attempt=1,
        source=SourceName("doctor"),
        repository=RepositoryId(1),
        path="pushwright/doctor",
        image=ImageKey("doctor"),
        sha=_SHA,
    )
    return AttemptSpec(
        name=name,
        recipe=recipe,
        recipe_hash=_HASH,
        trusted=trusted,
        origin=origin,
        registries=(),
        credential=None,
    )
