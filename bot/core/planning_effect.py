"""What a request's own config would change, while the target branch's is in force: both are planned
and laid side by side. It only informs, and is told in the comment on the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.core.facts import EventFacts, NoConfig
from bot.core.ids import ImageKey, Trust
from bot.core.mistakes import Mistake
from bot.core.planning_builds import build_all, pulled_in
from bot.core.planning_choice import choose
from bot.core.planning_event import Asked
from bot.core.plans import PlannedImage
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import zero_config

_VALUE = 80
_LINE = 500
_MISTAKES = 10

Config = RepoConfig | NoConfig | tuple[Mistake, ...]
Planned = dict[ImageKey, PlannedImage] | tuple[Mistake, ...]


def effect(facts: EventFacts, ask: Asked) -> tuple[str, ...]:
    """Line by line, as `+`, `-`, `~` and `!` (a mistake) with the image. As if the change were
    trusted: it will be once it is merged."""
    if facts.proposed is None:
        return ()
    merged = replace(facts, trust=Trust.TRUSTED, only=())
    now, then = _planned(merged, ask, facts.config), _planned(merged, ask, facts.proposed)
    if isinstance(then, tuple):
        return tuple(f"! {one}" for one in then[:_MISTAKES])
    before = now if isinstance(now, dict) else {}
    lines = [line for key in _ordered(before, then) for line in _line(key, before, then)]
    return tuple(line if len(line) <= _LINE else f"{line[: _LINE - 1]}…" for line in lines)


def _planned(facts: EventFacts, ask: Asked, config: Config) -> Planned:
    if isinstance(config, NoConfig):
        if not config.dockerfile:
            return {}
        config = zero_config(facts.repository.path)
    if not isinstance(config, RepoConfig):
        return config
    facts = replace(facts, config=config)
    choices = pulled_in(facts, [choose(facts, ask, image) for image in config.images])
    planned = build_all(facts, ask, config, choices)
    return planned.mistakes or {image.image: image for image in planned.images}


def _ordered(
    before: Mapping[ImageKey, PlannedImage], then: Mapping[ImageKey, PlannedImage]
) -> list[ImageKey]:
    return list(dict.fromkeys([*then, *before]))


def _line(
    key: ImageKey, before: Mapping[ImageKey, PlannedImage], then: Mapping[ImageKey, PlannedImage]
) -> list[str]:
    old, new = before.get(key), then.get(key)
    if old is None and new is not None:
        return [f"+ {key}: built as {_names(new)}"]
    if old is not None and new is None:
        return [f"- {key}: not built any more"]
    if old is None or new is None:
        return []
    changes = _changes(old, new)
    return [f"~ {key}: {'; '.join(changes)}"] if changes else []


def _names(image: PlannedImage) -> str:
    tags = [tag.reference for tag in image.tags if tag.withheld is None]
    return ", ".join(tags[:3]) if tags else "a check only"


def _changes(old: PlannedImage, new: PlannedImage) -> list[str]:
    was, becomes = _settings(old), _settings(new)
    return [
        f"{key} {_value(was.get(key))} -> {_value(becomes.get(key))}"
        for key in sorted({*was, *becomes}, key=lambda key: (key != "names", key))
        if was.get(key) != becomes.get(key)
    ]


def _settings(image: PlannedImage) -> Mapping[str, Any]:
    return {
        "names": _names(image),
        **_build(image),
        "timeout": f"{image.timeout_seconds} s",
        "required": image.required,
        "cache": image.cache_mode,
    }


def _build(image: PlannedImage) -> Mapping[str, Any]:
    """The builder's settings, arguments and labels one by one."""
    build = image.recipe.get("build")
    flat: dict[str, Any] = {}
    for key, value in build.items() if isinstance(build, Mapping) else ():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": one for name, one in value.items()}
        else:
            flat[key] = value
    return flat


def _value(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"
