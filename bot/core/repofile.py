"""`.pushwright.yaml` read into a `RepoConfig`, or every mistake in it at once.

The keys stand in `bot.core.repokeys`, `imagekeys` and `triggerkeys`; this module puts their values
together and checks what only shows across keys.
"""

from __future__ import annotations

from bot.core import imagekeys as image
from bot.core import repokeys as keys
from bot.core import triggerkeys as on
from bot.core.forms import Fields, Key
from bot.core.ids import ImageKey
from bot.core.imageneeds import check_needs
from bot.core.mistakes import Mark, Mistake, Notes, show
from bot.core.repoconfig import (
    CONFIG_FILE,
    Checkout,
    Concurrency,
    Image,
    Need,
    PathFilter,
    PushRule,
    RefFilter,
    RepoConfig,
    RequestRule,
    TagEntry,
    Triggers,
)
from bot.core.tags_rules import DEFAULT_TAGS, parse_rules
from bot.core.yamltree import REPOSITORY_LIMITS, read_tree

ZERO_TAGS = tuple(TagEntry(text) for text in DEFAULT_TAGS)
ZERO_TRIGGERS = Triggers(
    push=PushRule(tags=RefFilter(include=("v*",)), default_branch_only=True),
    pull_request=RequestRule(),
)

Patterns = Key[tuple[str, ...]]
SECRET_WORDS = ("TOKEN", "PASSWORD", "PASSWD", "SECRET", "PRIVATE_KEY", "API_KEY", "CREDENTIAL")


def parse_repo_file(text: bytes, file: str = CONFIG_FILE) -> RepoConfig | tuple[Mistake, ...]:
    """The config, or its mistakes in the order of the file. No bytes make it raise."""
    notes = Notes(file)
    root = read_tree(text, notes, REPOSITORY_LIMITS)
    if root is None:
        if not notes.mistakes:
            notes.wrong(Mark(1, 1), "the file is empty", "it needs `version: 1` and `images`")
        return notes.mistakes
    fields = keys.REPOSITORY_FILE.read(root, notes)
    config = _config(fields, notes) if fields is not None else None
    return notes.mistakes if notes.mistakes or config is None else config


def zero_config(repository_path: str) -> RepoConfig:
    """What holds without a file: one image, keyed by the last part of the path, lower-cased."""
    key = ImageKey(repository_path.rstrip("/").rsplit("/", 1)[-1].lower())
    only = Image(key=key, names=(), on=ZERO_TRIGGERS, tags=ZERO_TAGS)
    return RepoConfig(images=(only,), from_file=False)


def _config(fields: Fields, notes: Notes) -> RepoConfig | None:
    found = fields.get(keys.IMAGES)
    if found is None:
        return None
    if not found:
        notes.wrong(fields.place(keys.IMAGES), "`images` names no image")
    defaults = fields.get(keys.DEFAULTS) or on.nothing_written(Mark(1, 1))
    read = {ImageKey(name): own.over(defaults, _MERGED) for name, own in found.items()}
    places = {name: own.mark for name, own in read.items()}
    images = tuple(_image(name, own, places[name], notes) for name, own in read.items())
    check_needs({one.key: _needs(read[one.key]) for one in images}, notes)
    promote = fields.get(keys.PROMOTE_KEY)
    checkout = fields.get(keys.CHECKOUT_KEY) or on.nothing_written(Mark(1, 1))
    return RepoConfig(
        images=images,
        checkout=Checkout(
            submodules=checkout.get(keys.SUBMODULES) or False, lfs=checkout.get(keys.LFS) or False
        ),
        concurrency=_concurrency(fields.get(keys.CONCURRENCY_KEY)),
        comment=fields.get(keys.COMMENT) or "on-change",
        promote=promote.get(keys.ALLOW) or () if promote else (),
        warnings=notes.warnings,
    )


_MERGED = (image.ARGS, image.LABELS, image.ANNOTATIONS)


def _concurrency(fields: Fields | None) -> Concurrency:
    if fields is None:
        return Concurrency()
    return Concurrency(
        group=fields.get(keys.GROUP), limit=fields.get(keys.LIMIT), cancel=fields.get(keys.CANCEL)
    )


def _needs(fields: Fields) -> tuple[tuple[Need, Mark], ...]:
    found = fields.get(image.NEEDS) or ()
    return tuple(
        (
            Need(ImageKey(one.get(image.NEED_IMAGE) or ""), one.get(image.NEED_ARG)),
            one.place(image.NEED_IMAGE),
        )
        for one in found
        if one.get(image.NEED_IMAGE)
    )


def _image(name: ImageKey, own: Fields, mark: Mark, notes: Notes) -> Image:
    _check_args(own, notes)
    _check_across(own, notes)
    _check_lines(own, notes)
    resources = own.get(image.RESOURCES_KEY) or on.nothing_written(mark)
    push = own.get(image.PUSH)
    return Image(
        key=name,
        names=own.get(image.NAMES) or (),
        context=own.get(image.CONTEXT) or ".",
        dockerfile=own.get(image.DOCKERFILE) or "Dockerfile",
        target=own.get(image.TARGET),
        args=own.get(image.ARGS) or {},
        labels=own.get(image.LABELS) or {},
        annotations=own.get(image.ANNOTATIONS) or {},
        contexts=own.get(image.CONTEXTS) or {},
        secrets=own.get(image.SECRETS) or (),
        platforms=own.get(image.PLATFORMS) or (),
        needs=tuple(need for need, _ in _needs(own)),
        on=_triggers(own.get(image.ON), notes),
        tags=own.get(image.TAGS) or ZERO_TAGS,
        flavor=own.get(image.FLAVOR_KEY) or (),
        latest_order=own.get(image.LATEST_ORDER) or "owned",
        push=image.PUSH_ON.values if push is None else push,
        oci_labels=own.get(image.OCI_LABELS) or "stable",
        cache=own.get(image.CACHE_KEY) or "inline",
        cache_from=own.get(image.CACHE_FROM) or (),
        no_cache=own.get(image.NO_CACHE) or False,
        provenance=own.get(image.PROVENANCE) or None,
        sbom=own.get(image.SBOM) or False,
        cpu=resources.get(image.CPU),
        memory=resources.get(image.MEMORY),
        timeout_seconds=own.get(image.TIMEOUT),
        required=own.get(image.REQUIRED) or False,
        line=mark.line,
        column=mark.column,
    )


def _check_args(own: Fields, notes: Notes) -> None:
    """Arguments can be read in the image's history by whoever can pull it."""
    hint = "name it under `secrets` and mount it in the Dockerfile"
    for name in own.get(image.ARGS) or {}:
        if any(word in name.upper() for word in SECRET_WORDS):
            notes.warn(own.place(image.ARGS), f"argument {show(name)} looks like a secret", hint)


def _check_across(own: Fields, notes: Notes) -> None:
    platforms = own.get(image.PLATFORMS) or ()
    if len(platforms) > 1:
        message = f"{len(platforms)} platforms, but builds are for one native platform yet"
        notes.wrong(own.place(image.PLATFORMS), message, "name one, or leave the key out")
    ids = [use.id for use in own.get(image.SECRETS) or ()]
    for double in sorted({one for one in ids if ids.count(one) > 1}):
        notes.wrong(own.place(image.SECRETS), f"the secret id {show(double)} is given twice")
    given = own.get(image.ARGS) or {}
    for need, mark in _needs(own):
        if need.arg is not None and need.arg in given:
            notes.wrong(mark, f"`args` gives {show(need.arg)} already", "remove one of the two")
        if need.arg is None and need.image in (own.get(image.CONTEXTS) or {}):
            notes.wrong(
                mark, f"`contexts` gives {show(need.image)} already", "remove one of the two"
            )


def _check_lines(own: Fields, notes: Notes) -> None:
    """What the tag language itself says of `tags`, `flavor` and `image`."""
    lists = {
        "tags": own.get(image.TAGS) or ZERO_TAGS,
        "flavor": own.get(image.FLAVOR_KEY) or (),
        "image": own.get(image.NAMES) or (),
    }
    texts = {field: [entry.text for entry in entries] for field, entries in lists.items()}
    parsed = parse_rules(texts["tags"], texts["flavor"], texts["image"])
    for mistake in parsed.mistakes:
        entries = lists[mistake.field]
        entry = entries[min(mistake.entry, len(entries) - 1)]
        mark = Mark(entry.line, entry.column + mistake.column - 1)
        notes.wrong(mark, mistake.message, mistake.hint)


def _triggers(fields: Fields | None, notes: Notes) -> Triggers:
    if fields is None:
        return ZERO_TRIGGERS
    if not fields.marks:
        notes.wrong(fields.mark, "`on` names no event", "name push, pull_request or both")
    push, request = fields.get(on.PUSH_EVENT), fields.get(on.REQUEST_EVENT)
    return Triggers(
        push=None if push is None else _push_rule(push, notes),
        pull_request=None if request is None else _request_rule(request, notes),
    )


def _push_rule(fields: Fields, notes: Notes) -> PushRule:
    return PushRule(
        branches=_refs(fields, on.BRANCHES, on.BRANCHES_IGNORE, notes),
        tags=_refs(fields, on.TAGS_FILTER, on.TAGS_IGNORE, notes),
        paths=_paths(fields, notes),
    )


def _request_rule(fields: Fields, notes: Notes) -> RequestRule:
    drafts = fields.get(on.DRAFTS)
    return RequestRule(
        branches=_refs(fields, on.TARGETS, on.TARGETS_IGNORE, notes),
        paths=_paths(fields, notes),
        drafts=True if drafts is None else drafts,
    )


def _refs(fields: Fields, include: Patterns, ignore: Patterns, notes: Notes) -> RefFilter:
    if fields.has(include) and fields.has(ignore):
        message = f"`{include.name}` and `{ignore.name}` exclude one another"
        hint = f"write what is to be left out into `{include.name}` with ! in front"
        notes.wrong(fields.place(ignore), message, hint)
    return RefFilter(
        include=_included(fields, include, notes), ignore=_ignored(fields, ignore, notes)
    )


def _paths(fields: Fields, notes: Notes) -> PathFilter:
    return PathFilter(
        include=_included(fields, on.PATHS, notes), ignore=_ignored(fields, on.PATHS_IGNORE, notes)
    )


def _included(fields: Fields, key: Patterns, notes: Notes) -> tuple[str, ...]:
    patterns = fields.get(key) or ()
    if patterns and patterns[0].startswith("!"):
        message = f"the first of `{key.name}` excludes, but nothing is included yet"
        notes.wrong(fields.place(key), message, "begin with a pattern without !, such as '**'")
    return patterns


def _ignored(fields: Fields, key: Patterns, notes: Notes) -> tuple[str, ...]:
    patterns = fields.get(key) or ()
    if any(pattern.startswith("!") for pattern in patterns):
        hint = f"write patterns with ! into `{key.name.removesuffix('-ignore')}`"
        notes.wrong(fields.place(key), f"`{key.name}` takes no pattern with !", hint)
    return patterns
