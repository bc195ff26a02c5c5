"""Names, labels and annotations of pods: enough to find them, and to rebuild a build's row.

Limits: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.ids import BuildId, ImageKey, RepositoryId, Sha, SourceName, Trust
from bot.executors.kubernetes.reading import mapping, text_of
from bot.ports import AttemptSpec

PREFIX = "pushwright.dev/"
MANAGED_BY = "app.kubernetes.io/managed-by"
FORMAT = "1"
"""Of the annotations; a bot that does not know it leaves the pod alone."""

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_HASHED = re.compile(r".*-[0-9a-f]{10}", re.DOTALL)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,50}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose attempt a pod is. `instance` names the installation, so that two can share a namespace;
    `attempt` counts from 1."""

    instance: str
    build: BuildId
    attempt: int
    source: SourceName
    repository: RepositoryId
    path: str
    image: ImageKey
    sha: Sha
    trust: Trust
    recipe_hash: str
    generation: int = 0


def identity_of(spec: AttemptSpec, instance: str) -> Identity:
    origin = spec.origin
    return Identity(
        instance=instance,
        build=origin.build,
        attempt=origin.attempt,
        source=origin.source,
        repository=origin.repository,
        path=origin.path,
        image=origin.image,
        sha=origin.sha,
        trust=Trust.TRUSTED if spec.trusted else Trust.UNTRUSTED,
        recipe_hash=spec.recipe_hash,
        generation=origin.generation,
    )


def object_name(attempt: str) -> str:
    """Of the pod and of its Secret. `attempt` is `AttemptSpec.name`, which is the lock."""
    name = attempt if _NAME.fullmatch(attempt) else hashlib.sha256(_bytes(attempt)).hexdigest()[:40]
    return f"pushwright-{name}"


def label_value(text: str) -> str:
    """At most 63 characters that a label may hold; the hash keeps different texts different."""
    if _LABEL.fullmatch(text) and not _HASHED.fullmatch(text):
        return text
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:50].strip("-_.")
    return f"{readable or 'x'}-{hashlib.sha256(_bytes(text)).hexdigest()[:10]}"


def labels(identity: Identity) -> dict[str, str]:
    """What selects pods: for the watch, for the network policies (trust) and for people."""
    return {
        "app.kubernetes.io/name": "pushwright-build",
        MANAGED_BY: "pushwright",
        PREFIX + "instance": label_value(identity.instance),
        PREFIX + "build": label_value(identity.build),
        PREFIX + "attempt": str(identity.attempt),
        PREFIX + "repository": str(int(identity.repository)),
        PREFIX + "image": label_value(identity.image),
        PREFIX + "trust": identity.trust.value,
    }


def notes(identity: Identity, attempt: str) -> dict[str, str]:
    """The exact values, whatever characters they have."""
    return {
        PREFIX + "format": FORMAT,
        PREFIX + "name": attempt,
        PREFIX + "instance": identity.instance,
        PREFIX + "build": identity.build,
        PREFIX + "attempt": str(identity.attempt),
        PREFIX + "source": identity.source,
        PREFIX + "repository-id": str(int(identity.repository)),
        PREFIX + "repository": identity.path,
        PREFIX + "image": identity.image,
        PREFIX + "commit": identity.sha,
        PREFIX + "trust": identity.trust.value,
        PREFIX + "recipe": identity.recipe_hash,
        PREFIX + "generation": str(identity.generation),
        # An autoscaler that removes the node loses the build, however little the pod uses.
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }


def selector(instance: str) -> str:
    """The label selector of all that this installation made."""
    return f"{MANAGED_BY}=pushwright,{PREFIX}instance={label_value(instance)}"


def attempt_name(found: Mapping[str, object]) -> str | None:
    """The attempt's name that a pod or Secret of ours tells; None: it isn't ours."""
    metadata = mapping(found.get("metadata"))
    if mapping(metadata.get("labels")).get(MANAGED_BY) != "pushwright":
        return None
    return text_of(mapping(metadata.get("annotations")).get(PREFIX + "name")) or None


def read_identity(found: Mapping[str, object]) -> Identity | None:
    """From the annotations of a pod or Secret; None: it is not ours, or of a later format."""
    told = mapping(mapping(found.get("metadata")).get("annotations"))

    def note(key: str) -> str:
        return text_of(told.get(PREFIX + key))

    if attempt_name(found) is None or note("format") != FORMAT:
        return None
    try:
        return Identity(
            instance=note("instance"),
            build=BuildId(note("build")),
            attempt=int(note("attempt")),
            source=SourceName(note("source")),
            repository=RepositoryId(int(note("repository-id"))),
            path=note("repository"),
            image=ImageKey(note("image")),
            sha=Sha(note("commit")),
            trust=Trust(note("trust")),
            recipe_hash=note("recipe"),
            generation=int(note("generation")),
        )
    except ValueError:
        return None


def foreign(found: Mapping[str, object], wanted: Mapping[str, object]) -> str | None:
    """Why an object that has our name already is not the one we want; None: it is, adopt it."""
    if attempt_name(found) is None:
        return "it is not labelled as pushwright's"
    there, ours = read_identity(found), read_identity(wanted)
    if there is None or ours is None:
        return "its annotations can't be read"
    for field in ("instance", "build", "attempt", "recipe_hash"):
        if getattr(there, field) != getattr(ours, field):
            return f"its {field.replace('_', ' ')} is another"
    return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
