"""A registry in memory, with switches that make it misbehave. Satisfies `bot.ports.Registry`;
`tests/contract/test_registry.py` holds it to what the real client does with a real registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.core.ids import Digest
from bot.ports import Manifest, NotFound, TagRefused, Temporary
from bot.registry.manifests import OCI_MANIFEST
from bot.registry.references import digest_of


def nothing() -> None:
    """What happens between two instructions, unless a test says otherwise."""


@dataclass(slots=True)
class Shelf:
    """One image name: its manifests and its tags."""

    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)


@dataclass(slots=True)
class MemoryRegistry:
    """`down`: nothing answers. `refuses`: references (`name:tag`) that it does not let anybody
    overwrite or make. `forgetful`: writes of tags that are confirmed and not kept. `before_move`
    runs when a tag is about to be written: there a test lets somebody else be faster."""

    shelves: dict[str, Shelf] = field(default_factory=dict)
    down: bool = False
    refuses: set[str] = field(default_factory=set)
    before_move: Callable[[], None] = nothing
    writes: list[str] = field(default_factory=list)
    """Each tag that was written, as `name:tag@digest`."""

    def push(self, name: str, tag: str, text: str) -> Digest:
        """What a builder does. The digest follows from `text` alone."""
        self._reach(name)
        body = json.dumps({"schemaVersion": 2, "made-of": text}).encode()
        manifest = Manifest(OCI_MANIFEST, body, digest_of(body))
        shelf = self.shelves.setdefault(name, Shelf())
        shelf.manifests[manifest.digest] = manifest
        shelf.tags[tag] = manifest.digest
        return manifest.digest

    def tags(self, name: str) -> dict[str, Digest]:
        """What people asked for: without the references that attempts write."""
        found = self.shelves.get(name, Shelf()).tags
        return {tag: digest for tag, digest in found.items() if not tag.startswith("git-")}

    def overwrite(self, name: str, tag: str, digest: Digest) -> None:
        """Somebody else, or a writer who woke up too late."""
        self.shelves[name].tags[tag] = digest

    def lose(self, name: str) -> None:
        """Everything under a name is gone."""
        self.shelves.pop(name, None)

    def digest(self, name: str, reference: str) -> Digest | None:
        self._reach(name)
        shelf = self.shelves.get(name, Shelf())
        if reference.startswith("sha256:"):
            return Digest(reference) if reference in shelf.manifests else None
        return shelf.tags.get(reference)

    def manifest(self, name: str, reference: str) -> Manifest:
        digest = self.digest(name, reference)
        if digest is None:
            raise NotFound(f"{name} has no {reference}")
        return self.shelves[name].manifests[digest]

    def size(self, name: str, manifest: Manifest) -> int | None:
        self._reach(name)
        return len(manifest.body)

    def move(self, name: str, tag: str, digest: Digest) -> None:
        self.before_move()
        self._reach(name)
        if self.digest(name, tag) == digest:
            return
        self.manifest(name, digest)
        self._tag(name, tag, digest)

    def copy(self, source: str, digest: Digest, target: str, tag: str) -> None:
        if source == target:
            self.move(target, tag, digest)
            return
        self.before_move()
        self._reach(target)
        if self.digest(target, tag) == digest:
            return
        manifest = self.manifest(source, digest)
        self.shelves.setdefault(target, Shelf()).manifests[digest] = manifest
        self._tag(target, tag, digest)

    def delete_tag(self, name: str, tag: str) -> bool:
        self._reach(name)
        self.shelves.get(name, Shelf()).tags.pop(tag, None)
        return True

    def _tag(self, name: str, tag: str, digest: Digest) -> None:
        if f"{name}:{tag}" in self.refuses:
            raise TagRefused("it exists and the registry forbids overwriting")
        self.writes.append(f"{name}:{tag}@{digest}")
        self.shelves[name].tags[tag] = digest

    def _reach(self, name: str) -> None:
        if self.down:
            raise Temporary(f"the registry of {name} does not answer")
