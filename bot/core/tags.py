"""Which names an event gives an image: docker/metadata-action's language, for both Git hosts.

Facts: https://github.com/docker/metadata-action. Two differences (`docs/tags.md`): what a pull
request yields begins with `pr-<N>`, and a name over 128 characters is cut. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.core import naming
from bot.core.handlebars import compile_template
from bot.core.tags_context import TagContext
from bot.core.tags_entries import compact
from bot.core.tags_evaluation import Scope, TagName, names_of
from bot.core.tags_faults import EntryMistake, Fault
from bot.core.tags_lines import EVERYWHERE, GLOBALS, VERSIONED
from bot.core.tags_rules import Parsed, Rules, image_names, parse_rules
from bot.core.tags_templates import Template, unescaped
from bot.core.versions import Version


@dataclass(frozen=True, slots=True)
class TagSet:
    """`references` are full, images in their order, within each the names in theirs.

    `left_out`: what a line gave that no registry takes as a name, and why.
    """

    images: tuple[str, ...]
    references: tuple[str, ...]
    names: tuple[TagName, ...]
    version: str
    renamed: Mapping[str, str]
    warnings: tuple[EntryMistake, ...]
    mistakes: tuple[EntryMistake, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rival:
    """A git tag of the repository that gives a name by some line, with the version it gives."""

    git_tag: str
    version: Version


@dataclass(frozen=True, slots=True)
class Collision:
    """One full reference that several images claim."""

    reference: str
    images: tuple[str, ...]


def compute(
    tags: Sequence[str], flavor: Sequence[str], images: Sequence[str], context: TagContext
) -> TagSet:
    """Entries as written, and what they give for one event. Mistakes of both kinds are in it."""
    return apply(parse_rules(tags, flavor, images), context)


def apply(parsed: Parsed, context: TagContext) -> TagSet:
    """What parsed rules give for one event."""
    found = names_of(parsed.rules, context)
    images, faults = image_names(parsed.rules.images, context)
    names = [name.name for name in found.names]
    references = tuple(f"{image}:{name}" for image in images for name in names)
    mistakes = (*parsed.mistakes, *found.mistakes, *faults)
    return TagSet(
        images,
        references,
        found.names,
        found.version,
        found.renamed,
        found.warnings,
        mistakes,
        found.left_out,
    )


def tags_json(found: TagSet, labels: Mapping[str, str]) -> dict[str, Any]:
    """What `pushwright tags --json` prints. Without images the tags are bare names."""
    tags = found.references or (() if found.images else tuple(n.name for n in found.names))
    return {
        "tags": list(tags),
        "labels": dict(labels),
        "version": found.version,
        "renamed": dict(found.renamed),
    }


def highest_rivals(
    rules: Rules, context: TagContext, git_tags: Iterable[str]
) -> dict[tuple[int, str], Rival]:
    """For each line and name, the git tag of the repository with the highest version giving it.

    `git_tags` are short names (`v1.2.3`). A version of our own withholds the name where the rival's
    is greater: `rivals[(name.line, name.name)].version > name.version`.
    """
    highest: dict[tuple[int, str], Rival] = {}
    if not any(line.type in VERSIONED for line in rules.lines):
        return highest
    for git_tag in git_tags:
        for name in names_for_git_tag(rules, context, git_tag):
            if name.version is None:
                continue
            known = highest.get((name.line, name.name))
            if known is None or known.version < name.version:
                highest[name.line, name.name] = Rival(git_tag, name.version)
    return highest


def names_for_git_tag(rules: Rules, context: TagContext, git_tag: str) -> tuple[TagName, ...]:
    """The names that a push of that git tag gives. Its commit is not known: `sha` gives nothing."""
    other = TagContext(
        kind="tag",
        ref=f"refs/tags/{git_tag}",
        sha="",
        repository=context.repository,
        event_name="push",
        now=context.now,
        default_branch=context.default_branch,
        short_sha=context.short_sha,
    )
    return names_of(rules, other).names


def collisions(claims: Mapping[str, Iterable[str]]) -> tuple[Collision, ...]:
    """References that more than one image (by its key) claims; `app` is `docker.io/library/app`."""
    claimed: dict[str, dict[str, None]] = {}
    for image, references in claims.items():
        for reference in references:
            parts = naming.split_reference(reference)
            full = f"{parts.name}:{parts.tag or 'latest'}" if parts else reference
            claimed.setdefault(full, {})[image] = None
    return tuple(
        Collision(reference, tuple(images))
        for reference, images in claimed.items()
        if len(images) > 1
    )


def parse_value(text: str) -> Template | Fault:
    """A label's, annotation's or build argument's value, with `{{ }}` and `${{ … }}` in it."""
    short = compact(text)
    if isinstance(short, Fault):
        return short
    template = compile_template(short.text, GLOBALS, EVERYWHERE, short.expressions)
    if isinstance(template, Fault):
        return replace(template, offset=short.original(template.offset))
    return unescaped(template)


def fill(text: str, context: TagContext) -> str | Fault:
    """The value for one event."""
    template = parse_value(text)
    return template if isinstance(template, Fault) else template.render(Scope(context))
