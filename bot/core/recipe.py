"""The recipe of a build: the builder's JSON document (`docs/builder.md`), in three steps.

`recipe_document` is what a plan knows; `final_recipe` puts the digests of needed images in;
`attempt_document` adds what differs between attempts. Names of tags, credentials, cache references,
limits and the attempt's number never count for the hash, so that equal work is one build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.core.ids import Digest, ImageKey, RepositoryId, Sha, SourceName, Trust
from bot.core.naming import cache_tag
from bot.core.repoconfig import Checkout, Image

FORMAT = 1


@dataclass(frozen=True, slots=True)
class RecipeNeed:
    """A needed image as a recipe holds it: by `identity` until it is built, else by reference."""

    image: ImageKey
    arg: str | None
    identity: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class RecipeInput:
    """What a plan worked out for one image, templates expanded. `push` None: check-only."""

    image: Image
    checkout: Checkout
    clone_url: str
    sha: Sha
    push: str | None
    insecure: bool
    args: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    needs: tuple[RecipeNeed, ...] = ()
    network: str = "default"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is one attempt's own. `cache_to`: where mode `registry` writes; None: this build may
    write no cache. `limits`: the builder's `limits` object, counts and seconds. `frontends`: which
    images the Dockerfile may name as its frontend; None: any, as trusted code may."""

    number: int
    cache_mode: str = "inline"
    cache_from: tuple[str, ...] = ()
    cache_to: str | None = None
    limits: Mapping[str, object] = field(default_factory=dict)
    frontends: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LastDigests:
    """The newest proven successes that a build may take cache from, each trusted no less than the
    build itself: of its own ref, of the target branch, of the default branch, and the last one
    that took no step from a cache."""

    ref: Digest | None = None
    target: Digest | None = None
    default: Digest | None = None
    full: Digest | None = None


class NeedMissing(Exception):
    """A needed image has no digest, though its build is said to have succeeded."""

    def __init__(self, image: ImageKey) -> None:
        super().__init__(f"the needed image {image} has no digest")
        self.image = image


def recipe_document(given: RecipeInput) -> dict[str, object]:
    """The part of the builder's document that is known when an event is planned. It holds nothing
    of the ref, so that a push and a pull request of one commit come to one build."""
    document: dict[str, object] = {
        "version": FORMAT,
        "source": {
            "url": given.clone_url,
            "sha": given.sha,
            "submodules": given.checkout.submodules,
            "lfs": given.checkout.lfs,
        },
        "build": _build_part(given),
        "push": None if given.push is None else {"name": given.push, "insecure": given.insecure},
        "needs": [
            {"image": need.image, "arg": need.arg, "identity": need.identity}
            for need in given.needs
            if need.identity is not None
        ],
    }
    for need in given.needs:
        if need.reference is not None:
            _insert_need(document, need.image, need.arg, need.reference)
    return document


def _build_part(given: RecipeInput) -> dict[str, object]:
    image = given.image
    return {
        "context": image.context,
        "dockerfile": image.dockerfile,
        "target": image.target,
        "args": dict(given.args),
        "labels": dict(given.labels),
        "annotations": dict(given.annotations),
        "contexts": dict(image.contexts),
        "platform": image.platforms[0] if image.platforms else None,
        "no_cache": image.no_cache,
        "secrets": [{"id": name} for name in sorted(given.secrets)],
        "network": given.network,
        "provenance": image.provenance,
        "sbom": image.sbom,
        "memory": image.memory,
        "cpu": image.cpu,
    }


def final_recipe(
    recipe: Mapping[str, object], needs: Mapping[ImageKey, tuple[str, Digest]]
) -> dict[str, object]:
    """The recipe at admission: each need that stood in it by identity is there by digest.

    `needs`: image name and digest as the needed builds pushed them. Raises NeedMissing.
    """
    document = _copy(recipe)
    for need in _list(document.pop("needs", [])):
        image = ImageKey(str(need["image"]))
        if image not in needs:
            raise NeedMissing(image)
        name, digest = needs[image]
        arg = need.get("arg")
        _insert_need(document, image, None if arg is None else str(arg), f"{name}@{digest}")
    return document


def attempt_document(final: Mapping[str, object], attempt: Attempt) -> dict[str, object]:
    """The whole document for one attempt, but for credentials and the paths of the executor."""
    document = _copy(final)
    document.pop("needs", None)
    push = document.get("push")
    if isinstance(push, dict):
        sha = str(_mapping(document["source"])["sha"])
        document["push"] = {
            "reference": push_reference(
                str(push["name"]), Sha(sha), recipe_hash(final), attempt.number
            ),
            "insecure": push["insecure"],
        }
    document["cache"] = {
        "mode": attempt.cache_mode,
        "from": list(attempt.cache_from),
        "to": attempt.cache_to,
    }
    document["limits"] = dict(attempt.limits)
    if attempt.frontends is not None:  # the code is not trusted
        document["frontends"] = list(attempt.frontends)
        # A credential often reads all that the bot does: a fork's .gitmodules gets nothing by it.
        _mapping(document["source"])["own_only"] = True
    return document


def push_reference(name: str, sha: Sha, recipe: str, number: int) -> str:
    """The reference that one attempt writes, and nobody else ever."""
    return f"{name}:git-{sha[:12]}-{recipe[:8]}-{number}"


def canonical(value: object) -> bytes:
    """One text for equal values: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def recipe_hash(recipe: Mapping[str, object]) -> str:
    """64 hex digits over what decides the image; equal for a recipe and for its attempts' documents
    is not promised: hash the recipe."""
    kept = {key: value for key, value in recipe.items() if key not in ("cache", "limits")}
    return hashlib.sha256(canonical(kept)).hexdigest()


@dataclass(frozen=True, slots=True)
class BuildOf:
    """Whose build it is. `recipe` is the hash of the plan's recipe."""

    source: SourceName
    repository: RepositoryId
    image: ImageKey
    sha: Sha
    recipe: str
    trust: Trust


def identity(build: BuildOf) -> str:
    """64 hex digits that name a build: equal identity, same build. The generation (`/rebuild`) is
    the store's to add."""
    parts = [
        build.source,
        int(build.repository),
        build.image,
        build.sha,
        build.recipe,
        build.trust.value,
    ]
    return hashlib.sha256(canonical(parts)).hexdigest()


def cache_candidates(name: str, last: LastDigests, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """References to take cache from, best first, each pinned by digest where we know it; `extra`
    are those by name. Older daemons miss every second time without the last full build."""
    known = (last.ref, last.target, last.default, last.full)
    found = [f"{name}@{digest}" for digest in known if digest is not None]
    return tuple(dict.fromkeys([*found, *extra]))


def cache_reference(name: str, image: ImageKey, trust: Trust) -> str:
    """The cache of mode `registry`, beside the image and so within what its repository may write.
    Only builds of that trust write it; whoever is trusted less may read it."""
    return f"{name}:{cache_tag(trust, image)}"


def _insert_need(document: dict[str, object], image: str, arg: str | None, reference: str) -> None:
    build = _mapping(document["build"])
    if arg is None:
        _mapping(build["contexts"])[image] = f"docker-image://{reference}"
    else:
        _mapping(build["args"])[arg] = reference


def _copy(recipe: Mapping[str, object]) -> dict[str, object]:
    copied: dict[str, object] = json.loads(json.dumps(dict(recipe)))
    return copied


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("a recipe's part is not an object")
    return value


def _list(value: object) -> list[dict[str, object]]:
    if not isinstance(value, list):
        raise TypeError("a recipe's needs are not a list")
    return value
