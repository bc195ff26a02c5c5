"""`tags`, `flavor` and `image` as they hold for every event: parsed once, all mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core.expressions import evaluate, text_of
from bot.core.handlebars import compile_template
from bot.core.mistakes import nearest
from bot.core.naming import name_fault
from bot.core.tags_context import TagContext
from bot.core.tags_entries import ENTRIES, Entry, parse_entry
from bot.core.tags_faults import EntryMistake, Fault, Field, placed, said
from bot.core.tags_lines import EVERYWHERE, GLOBALS, TagLine, parse_line
from bot.core.tags_templates import Insert, Template

DEFAULT_TAGS = (
    "type=ref,event=branch",
    "type=ref,event=pr",
    "type=semver,pattern={{version}}",
    "type=sha",
)
"""What holds where the config has no `tags`."""

ACTION_DEFAULT_TAGS = (
    "type=schedule",
    "type=ref,event=branch",
    "type=ref,event=tag",
    "type=ref,event=pr",
)
"""What docker/metadata-action takes where its `tags` are empty."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """`latest` renders to auto, true or false."""

    latest: Template = field(default=Template(("auto",)))
    latest_entry: int = 0
    prefix: Template | None = None
    prefix_on_latest: bool = False
    suffix: Template | None = None
    suffix_on_latest: bool = False


@dataclass(frozen=True, slots=True)
class ImageLine:
    entry: int
    name: Template
    enable: Template


@dataclass(frozen=True, slots=True)
class Rules:
    """Lines are in the order in which they are asked: highest priority first, then as written."""

    lines: tuple[TagLine, ...]
    flavor: Flavor
    images: tuple[ImageLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """With mistakes the rules hold what could be read."""

    rules: Rules
    mistakes: tuple[EntryMistake, ...]


def parse_rules(
    tags: Sequence[str], flavor: Sequence[str] = (), images: Sequence[str] = ()
) -> Parsed:
    """The three lists, one entry each (`tags_entries.lines_of` splits a block of text).

    `tags` are taken as given: whoever has none passes `DEFAULT_TAGS`.
    """
    mistakes: list[EntryMistake] = []
    for where, entries in _fields(tags, flavor, images):
        if len(entries) > ENTRIES:
            message = f"`{where}` has at most {ENTRIES} entries"
            mistakes.append(said(ENTRIES, message, None, where))
    lines: list[TagLine] = []
    for index, text in enumerate(tags[:ENTRIES]):
        line = parse_line(text, index)
        if isinstance(line, Fault):
            mistakes.append(placed(line, index, "tags"))
        else:
            lines.append(line)
    lines.sort(key=lambda line: -line.priority)
    parsed_flavor = _parse_flavor(flavor[:ENTRIES], mistakes)
    parsed_images = _parse_images(images[:ENTRIES], mistakes)
    return Parsed(Rules(tuple(lines), parsed_flavor, parsed_images), tuple(mistakes))


def image_names(
    images: Sequence[ImageLine], context: TagContext
) -> tuple[tuple[str, ...], tuple[EntryMistake, ...]]:
    """The names of the enabled images in lower case and in order, each once; and what is wrong."""
    names: dict[str, None] = {}
    mistakes = []
    for line in images:
        enable, name = _fill(line.enable, context), _fill(line.name, context).lower()
        if enable not in ("true", "false"):
            message = f"`enable` is true or false, not `{enable[:80]}`"
            mistakes.append(said(line.entry, message, None, "image"))
        elif fault := name_fault(name):
            mistakes.append(said(line.entry, fault, None, "image"))
        elif enable == "true":
            names[name] = None
    return tuple(names), tuple(mistakes)


def _fields(
    tags: Sequence[str], flavor: Sequence[str], images: Sequence[str]
) -> tuple[tuple[Field, Sequence[str]], ...]:
    return (("tags", tags), ("flavor", flavor), ("image", images))


def _fill(template: Template, context: TagContext) -> str:
    """A text with `${{ … }}` only."""
    if template.constant is not None:
        return template.constant
    names = context.names()
    return "".join(
        text_of(evaluate(node.expression, names)) if isinstance(node, Insert) else str(node)
        for node in template.nodes
    )


def _parse_flavor(entries: Sequence[str], mistakes: list[EntryMistake]) -> Flavor:
    found: dict[str, object] = {}
    for index, text in enumerate(entries):
        entry = parse_entry(text)
        fault = entry if isinstance(entry, Fault) else _read_flavor(entry, index, found)
        if fault is not None:
            mistakes.append(placed(fault, index, "flavor"))
    return Flavor(**found)  # type: ignore[arg-type]  # keys and types are _read_flavor's


def _read_flavor(entry: Entry, index: int, found: dict[str, object]) -> Fault | None:
    last = ""
    for attribute in entry.attributes:
        value, at = attribute.value, attribute.value_offset
        match attribute.key:
            case "latest":
                if not attribute.dynamic and value not in ("auto", "true", "false"):
                    return Fault(at, f"`latest` is auto, true or false, not `{value[:80]}`")
                found |= {"latest": entry.template(value), "latest_entry": index}
            case "prefix" | "suffix":
                last = attribute.key
                template = compile_template(value, GLOBALS, EVERYWHERE, entry.expressions)
                if isinstance(template, Fault):
                    where = entry.original(attribute.compact_offset + template.offset)
                    return Fault(where, template.message, template.hint)
                found[last] = template if value else None
            case "onlatest":
                if value not in ("true", "false"):
                    return Fault(at, f"`onlatest` is true or false, not `{value[:80]}`")
                if last:
                    found[f"{last}_on_latest"] = value == "true"
            case None:
                return Fault(at, f"`{value[:80]}` is no flavor", "write latest=auto")
            case other:
                hint = nearest(other, ("latest", "prefix", "suffix", "onlatest"))
                return Fault(attribute.key_offset, f"unknown flavor `{other[:80]}`", hint)
    return None


def _parse_images(entries: Sequence[str], mistakes: list[EntryMistake]) -> tuple[ImageLine, ...]:
    lines: list[ImageLine] = []
    for index, text in enumerate(entries):
        entry = parse_entry(text)
        found = entry if isinstance(entry, Fault) else _read_image(entry, index, len(entries) == 1)
        if isinstance(found, Fault):
            mistakes.append(placed(found, index, "image"))
        else:
            lines += found
    return tuple(lines)


def _read_image(entry: Entry, index: int, alone: bool) -> list[ImageLine] | Fault:
    if alone and all(attribute.key is None for attribute in entry.attributes):
        parts = [(attribute.value, attribute.value_offset) for attribute in entry.attributes]
    else:
        parts = [("", 0)]
    enable = Template(("true",))
    for attribute in entry.attributes:
        value, at = attribute.value, attribute.value_offset
        match attribute.key:
            case None | "name":
                if len(parts) == 1:
                    parts = [(value, at)]
            case "enable":
                if not attribute.dynamic and value not in ("true", "false"):
                    return Fault(at, f"`enable` is true or false, not `{value[:80]}`")
                enable = entry.template(value)
            case other:
                hint = nearest(other, ("name", "enable"))
                return Fault(attribute.key_offset, f"unknown attribute `{other[:80]}`", hint)
    lines = []
    for name, at in parts:
        template = entry.template(name)
        static = not any(isinstance(node, Insert) for node in template.nodes)
        if static and (fault := name_fault(name.lower())):
            return Fault(at, fault)
        lines.append(ImageLine(index, Template((name,)) if static else template, enable))
    return lines
