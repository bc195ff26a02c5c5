"""The names and tags of one image for one event, in what order they are owned, and what is wrong
with them at its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core.facts import EventFacts
from bot.core.mistakes import Mistake
from bot.core.naming import default_image_name
from bot.core.planning_event import Asked
from bot.core.plans import SequenceOrder, TagWish, VersionOrder
from bot.core.repoconfig import CONFIG_FILE, Image, RepoConfig, TagEntry
from bot.core.tags import TagSet, apply, highest_rivals
from bot.core.tags_evaluation import TagName
from bot.core.tags_faults import EntryMistake
from bot.core.tags_rules import Rules, parse_rules
from bot.core.versions import Version


@dataclass(frozen=True, slots=True)
class Named:
    """`names` and `tags` are empty where there are mistakes."""

    names: tuple[str, ...]
    tags: tuple[TagWish, ...]
    version: str
    renamed: dict[str, str] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()
    left_out: tuple[TagWish, ...] = ()


def named(facts: EventFacts, ask: Asked, image: Image) -> Named:
    """The image's names and the tags that it gets under each, images in their order."""
    entries = [entry.text for entry in image.names]
    default = None
    if not entries:
        default = default_name(facts, image)
        if default is None:
            return Named((), (), "", {}, (_no_name(image),))
    parsed = parse_rules(
        [entry.text for entry in image.tags], [entry.text for entry in image.flavor], entries
    )
    found = apply(parsed, ask.context)
    names = found.images if default is None else (default,)
    mistakes = tuple(_placed(image, mistake) for mistake in found.mistakes)
    withheld = _withheld(facts, ask, image, parsed.rules, found)
    wishes = [
        TagWish(name, tag.name, _order(image, tag), withheld.get(tag.name))
        for name in names
        for tag in found.names
    ]
    left_out = tuple(
        TagWish(name, text, SequenceOrder(), why)
        for name in names[:1]
        for text, why in found.left_out.items()
    )
    return Named(
        names,
        tuple(wishes),
        found.version,
        dict(found.renamed),
        mistakes,
        tuple(_placed(image, warning) for warning in found.warnings),
        left_out,
    )


def default_name(facts: EventFacts, image: Image) -> str | None:
    """`<registry>/<owner>/<repo>`, and `/<key>` behind where the file has several images."""
    registry = facts.central.default_registry
    if registry is None:
        return None
    several = isinstance(facts.config, RepoConfig) and len(facts.config.images) > 1
    return default_image_name(registry, facts.repository.path, image.key if several else None)


def _no_name(image: Image) -> Mistake:
    return Mistake(
        CONFIG_FILE,
        image.line,
        image.column,
        f"image {image.key} has no name, and there is no default registry",
        "add `image: <registry>/<name>`, or `defaults.registry` to the central config",
    )


def _withheld(
    facts: EventFacts, ask: Asked, image: Image, rules: Rules, found: TagSet
) -> dict[str, str]:
    """Names of versions that belong to a higher git tag of the repository, built by us or not."""
    if image.latest_order == "pushed" or all(tag.version is None for tag in found.names):
        return {}
    rivals = highest_rivals(rules, ask.context, facts.git_tags)
    kept: dict[str, str] = {}
    for tag in found.names:
        rival = rivals.get((tag.line, tag.name))
        if tag.version is None or rival is None or not tag.version < rival.version:
            continue
        kept[tag.name] = f"{tag.name} stays at {rival.version.text}"
    return kept


def _order(image: Image, tag: TagName) -> VersionOrder | SequenceOrder:
    if tag.version is None or image.latest_order == "pushed":
        return SequenceOrder()
    return VersionOrder(tag.version.text, sort_text(tag.version))


def sort_text(version: Version) -> str:
    """A text that compares as the versions of one scheme do."""
    return f"{version.scheme}:{_sortable(version.key)}"


def _sortable(value: object) -> str:
    """Tuples of numbers, texts and tuples. The end of a tuple and of a text sort below whatever
    could follow there; numbers carry their length."""
    if isinstance(value, tuple):
        return f"({''.join(_sortable(one) for one in value)}!"
    if isinstance(value, int):
        if value < 0:
            return f"a{10**6 + value:07d}"
        digits = str(value)
        return f"b{len(digits):03d}{digits}"
    return f"c{str(value).encode('utf-8', 'surrogatepass').hex()}."


def _placed(image: Image, mistake: EntryMistake) -> Mistake:
    """In the file: the entry's own place, else the image's line."""
    lists: dict[str, Sequence[TagEntry]] = {
        "tags": image.tags,
        "flavor": image.flavor,
        "image": image.names,
    }
    entries = lists[mistake.field]
    entry = entries[mistake.entry] if mistake.entry < len(entries) else None
    if entry is None or not entry.line:
        text = f"image {image.key}, {mistake.field}: {mistake.message}"
        return Mistake(CONFIG_FILE, image.line, image.column, text, mistake.hint)
    column = entry.column + mistake.column - 1
    return Mistake(CONFIG_FILE, entry.line, column, mistake.message, mistake.hint)
