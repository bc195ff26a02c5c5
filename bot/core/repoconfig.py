"""What a repository says in `.pushwright.yaml`, read once into values (design: `docs/config.md`).

The parser is `bot.core.repofile`; without a file `zero_config` gives what holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.core.ids import ImageKey
from bot.core.mistakes import Mistake

CONFIG_FILE = ".pushwright.yaml"


@dataclass(frozen=True, slots=True)
class RefFilter:
    """GitHub's filters of one kind of ref. Empty `include` and `ignore`: the kind was not named."""

    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        return bool(self.include or self.ignore)


@dataclass(frozen=True, slots=True)
class PathFilter:
    """`paths` and `paths-ignore`, relative to the repository's root; ignore wins."""

    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        return bool(self.include or self.ignore)


@dataclass(frozen=True, slots=True)
class PushRule:
    branches: RefFilter = RefFilter()
    tags: RefFilter = RefFilter()
    paths: PathFilter = PathFilter()
    default_branch_only: bool = False
    """True without a file: the default branch, whatever its name, and `v*` tags."""


@dataclass(frozen=True, slots=True)
class RequestRule:
    branches: RefFilter = RefFilter()
    """Held against the target branch."""
    paths: PathFilter = PathFilter()
    drafts: bool = True


@dataclass(frozen=True, slots=True)
class Triggers:
    """`on:`. None: the kind was not named and never matches."""

    push: PushRule | None
    pull_request: RequestRule | None


@dataclass(frozen=True, slots=True)
class TagEntry:
    """One line of `tags`, as written, with its place in the file for mistakes found later."""

    text: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A build secret that the administrator offers under the name `source`."""

    id: str
    source: str
    events: tuple[str, ...] = ("push", "tag")


@dataclass(frozen=True, slots=True)
class Need:
    """Another image of the repository that is built first; its digest is handed over as the named
    context `image` (buildx) or as the build argument `arg`."""

    image: ImageKey
    arg: str | None = None


PushOn = Literal["push", "tag", "pull_request"]
CacheMode = Literal["inline", "registry", "none"]


@dataclass(frozen=True, slots=True)
class Image:
    """One image: what to build, when, and under which names. Paths are normalised and relative."""

    key: ImageKey
    names: tuple[TagEntry, ...]
    """`image` entries (`name=…,enable=…` or a bare name); empty: the default name."""
    context: str = "."
    dockerfile: str = "Dockerfile"
    """Relative to the context."""
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    """Values may hold the tag language's global expressions, such as `{{tag}}`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretUse, ...] = ()
    platforms: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    on: Triggers = Triggers(None, None)
    tags: tuple[TagEntry, ...] = ()
    flavor: tuple[TagEntry, ...] = ()
    latest_order: Literal["owned", "pushed"] = "owned"
    push: tuple[PushOn, ...] = ("push", "tag", "pull_request")
    oci_labels: Literal["stable", "full"] = "stable"
    cache: CacheMode = "inline"
    cache_from: tuple[str, ...] = ()
    no_cache: bool = False
    provenance: str | None = None
    sbom: bool = False
    cpu: str | None = None
    memory: str | None = None
    timeout_seconds: int | None = None
    required: bool = False
    line: int = 0
    column: int = 0
    """Of the image's key in the file, for mistakes found at plan time; 0 without a file."""


@dataclass(frozen=True, slots=True)
class Checkout:
    submodules: bool = False
    lfs: bool = False


@dataclass(frozen=True, slots=True)
class Concurrency:
    """`cancel` None: true for pull requests, false for branches and tags."""

    group: str | None = None
    limit: int | None = None
    cancel: bool | None = None


CommentMode = Literal["off", "on-failure", "on-change", "always"]
COMMENT_MODES: tuple[CommentMode, ...] = ("off", "on-failure", "on-change", "always")
"""Each says more than the one before."""


def allowed_comment(asked: CommentMode, least: CommentMode, most: CommentMode) -> CommentMode:
    """What a repository asks for, within what the administrator set."""
    order = COMMENT_MODES.index
    return COMMENT_MODES[max(order(least), min(order(asked), order(most)))]


@dataclass(frozen=True, slots=True)
class RepoConfig:
    images: tuple[Image, ...]
    checkout: Checkout = Checkout()
    concurrency: Concurrency = Concurrency()
    comment: CommentMode = "on-change"
    promote: tuple[str, ...] = ()
    """Patterns of the tags that `/promote` may give; what the default branch says counts."""
    from_file: bool = True
    warnings: tuple[Mistake, ...] = ()
    """What was found and does not stop a build."""

    def image(self, key: ImageKey) -> Image | None:
        return next((image for image in self.images if image.key == key), None)
