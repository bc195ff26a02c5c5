"""From the images that an event wants to builds: templates filled, needs ordered and resolved,
bindings and secrets checked. What is wrong comes out as mistakes with their places, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.core.facts import EventFacts
from bot.core.ids import ImageKey, Trust
from bot.core.labels import RepositoryFacts, oci_labels, stable_labels
from bot.core.mistakes import Mistake
from bot.core.naming import split_reference
from bot.core.planning_checks import binding, image_mistake, secrets_of
from bot.core.planning_choice import Choice, pushes
from bot.core.planning_event import Asked
from bot.core.planning_names import Named, named
from bot.core.plans import PlannedImage, PlannedNeed, SkippedImage
from bot.core.recipe import (
    BuildOf,
    RecipeInput,
    RecipeNeed,
    identity,
    recipe_document,
    recipe_hash,
)
from bot.core.repoconfig import Image, Need, RepoConfig
from bot.core.tags import collisions, fill
from bot.core.tags_faults import Fault

NAMELESS = "every name under `image` is switched off for this event"


@dataclass(frozen=True, slots=True)
class Planned:
    """`images` in build order. With mistakes nothing is to be built. `nameless`: wanted, but each
    of its names is switched off for this event."""

    images: tuple[PlannedImage, ...] = ()
    nameless: tuple[SkippedImage, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


@dataclass(slots=True)
class _Work:
    """One plan under construction."""

    facts: EventFacts
    ask: Asked
    config: RepoConfig
    named: dict[ImageKey, Named] = field(default_factory=dict)
    done: dict[ImageKey, PlannedImage] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def build_all(
    facts: EventFacts, ask: Asked, config: RepoConfig, choices: Sequence[Choice]
) -> Planned:
    """The builds of the chosen images. Names of images whose files did not change are checked as
    well: whether two claim one tag must not depend on what a push touched."""
    work = _Work(facts, ask, config)
    for choice in choices:
        if choice.wanted:
            _name(work, choice.image)
    if any(choice.affected for choice in choices):
        _collide(work)
    order = in_build_order([choice for choice in choices if choice.affected])
    for choice in order:
        _plan(work, choice)
    if work.mistakes:
        return Planned(mistakes=tuple(dict.fromkeys(work.mistakes)))
    nameless = tuple(
        SkippedImage(choice.image.key, NAMELESS, choice.image.required)
        for choice in order
        if choice.image.key not in work.done
    )
    images = (work.done.get(choice.image.key) for choice in order)
    return Planned(tuple(image for image in images if image is not None), nameless)


def in_build_order(choices: Sequence[Choice]) -> list[Choice]:
    """Each after those that it needs, else as in the file. The parser refuses cycles."""
    by_key = {choice.image.key: choice for choice in choices}
    order: dict[ImageKey, Choice] = {}
    open_now: set[ImageKey] = set()

    def visit(choice: Choice) -> None:
        key = choice.image.key
        if key in order or key in open_now:
            return
        open_now.add(key)
        for need in choice.image.needs:
            if need.image in by_key:
                visit(by_key[need.image])
        order[key] = choice

    for choice in choices:
        visit(choice)
    return list(order.values())


def _name(work: _Work, image: Image) -> None:
    found = named(work.facts, work.ask, image)
    work.named[image.key] = found
    work.mistakes += found.mistakes
    work.mistakes += binding(work.facts, image, found.names)


def _collide(work: _Work) -> None:
    claims = {str(key): [wish.reference for wish in one.tags] for key, one in work.named.items()}
    for collision in collisions(claims):
        first = work.config.image(ImageKey(collision.images[0]))
        others = " and ".join(collision.images[1:])
        for key in collision.images[1:]:
            image = work.config.image(ImageKey(key)) or first
            if image is None:
                continue
            message = f"images {collision.images[0]} and {others} both claim {collision.reference}"
            work.mistakes.append(
                image_mistake(image, message, "give one of them another `image` or a `suffix`")
            )
            break


def _plan(work: _Work, choice: Choice) -> None:
    image, names = choice.image, work.named[choice.image.key]
    if not names.names:
        return
    pushed = work.facts.trust is Trust.TRUSTED and pushes(work.ask, image)
    secrets, wrong = secrets_of(work.facts, work.ask, image)
    work.mistakes += wrong
    needs = _needs(work, image)
    args, labels, annotations = _filled(work, image, names)
    timeout = _timeout(work, image)
    document = recipe_document(
        RecipeInput(
            image=image,
            checkout=work.config.checkout,
            clone_url=_clone_url(work.facts),
            sha=work.ask.sha,
            push=names.names[0] if pushed else None,
            insecure=pushed and _insecure(work.facts, names.names[0]),
            args=args,
            labels=labels,
            annotations=annotations,
            secrets=tuple(one for one, _ in secrets),
            needs=tuple(_recipe_need(need) for need in needs),
            network=work.facts.central.docker.network,
        )
    )
    # Built anew is the next generation of the same build, or a replayed push would find the older.
    asked = _without_cache(document) if work.facts.no_cache else document
    of = BuildOf(
        work.facts.source,
        work.facts.repository.id,
        image.key,
        work.ask.sha,
        recipe_hash(document),
        work.facts.trust,
    )
    work.done[image.key] = PlannedImage(
        image=image.key,
        names=names.names,
        tags=names.tags if pushed else (),
        recipe=asked,
        identity=identity(of),
        why=choice.why,
        check_only=not pushed,
        required=image.required,
        needs=needs,
        timeout_seconds=timeout,
        secrets=secrets,
        cache_mode=image.cache,
        cache_from=image.cache_from,
        labels=labels,
        version=names.version,
        renamed=names.renamed,
        refs=work.ask.refs,
        left_out=names.left_out if pushed else (),
        warnings=names.warnings,
    )


def _without_cache(document: Mapping[str, object]) -> Mapping[str, object]:
    build = document.get("build")
    return (
        {**document, "build": {**build, "no_cache": True}} if isinstance(build, dict) else document
    )


def _needs(work: _Work, image: Image) -> tuple[PlannedNeed, ...]:
    found: list[PlannedNeed] = []
    for need in image.needs:
        built = work.done.get(need.image)
        last = work.facts.last_digests.get(need.image)
        if built is not None and not built.check_only:
            found.append(PlannedNeed(need.image, need.arg, built.names[0], built.identity, None))
        elif last is not None:
            found.append(PlannedNeed(need.image, need.arg, last[0], None, last[1]))
        elif not _given_up(work, need):
            work.mistakes.append(_need_mistake(work, image, need, checked=built is not None))
    return tuple(found)


def _given_up(work: _Work, need: Need) -> bool:
    """The needed image has mistakes of its own: that one is said, not this."""
    names = work.named.get(need.image)
    return names is not None and bool(names.mistakes)


def _need_mistake(work: _Work, image: Image, need: Need, *, checked: bool) -> Mistake:
    why = "is only checked here" if checked else "is not built by this event"
    default = work.facts.repository.default_branch or "the default branch"
    return image_mistake(
        image,
        f"{image.key} needs {need.image}, which {why} and was never built before",
        f"build {need.image} on {default} once (`pushwright build`), or widen its `on`",
    )


def _recipe_need(need: PlannedNeed) -> RecipeNeed:
    reference = f"{need.name}@{need.digest}" if need.digest is not None else None
    return RecipeNeed(need.image, need.arg, need.identity, reference)


def _filled(
    work: _Work, image: Image, names: Named
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    own = _fill_all(work, image, "labels", image.labels)
    return (
        _fill_all(work, image, "args", image.args),
        {**_oci(work, image, names), **own},
        _fill_all(work, image, "annotations", image.annotations),
    )


def _fill_all(work: _Work, image: Image, key: str, values: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in values.items():
        value = fill(text, work.ask.context)
        if isinstance(value, Fault):
            message = f"image {image.key}, {key}.{name}: {value.message}"
            work.mistakes.append(image_mistake(image, message, value.hint))
        else:
            found[name] = value
    return found


def _oci(work: _Work, image: Image, names: Named) -> dict[str, str]:
    repository, told = work.facts.repository, work.facts.event.repository
    title = repository.path.rpartition("/")[2]
    labels = oci_labels(
        RepositoryFacts(title, repository.web_url, told.description, told.licenses),
        version=names.version,
        revision=work.ask.sha,
        created=work.facts.commit_date or work.facts.now,
    )
    return labels if image.oci_labels == "full" else stable_labels(labels)


def _timeout(work: _Work, image: Image) -> int:
    limits = work.facts.central.limits
    if image.timeout_seconds is None:
        return min(limits.build_seconds, limits.build_seconds_max)
    if image.timeout_seconds > limits.build_seconds_max:
        allowed = limits.build_seconds_max
        message = f"image {image.key}: `timeout` is over the {allowed} s that are allowed"
        work.mistakes.append(image_mistake(image, message, "shorten it, or ask the administrator"))
    return image.timeout_seconds


def _insecure(facts: EventFacts, name: str) -> bool:
    parts = split_reference(name)
    rule = facts.central.registries.get(parts.host) if parts is not None else None
    return rule is not None and rule.insecure


def pulled_in(facts: EventFacts, choices: Sequence[Choice]) -> list[Choice]:
    """An image whose own files did not change is built all the same where one that is built needs
    it and nothing that was built before can stand in for it."""
    found = {choice.image.key: choice for choice in choices}
    again = True
    while again:
        again = False
        for choice in list(found.values()):
            for need in choice.image.needs if choice.affected else ():
                needed = found.get(need.image)
                if needed is None or needed.affected or not needed.wanted:
                    continue
                if need.image in facts.last_digests:
                    continue
                why = f"needed by {choice.image.key}, and never built before"
                found[need.image] = replace(needed, affected=True, why=why, still=False)
                again = True
    return list(found.values())


def _clone_url(facts: EventFacts) -> str:
    """Where credentials may be sent is the administrator's to say, never a payload's."""
    source = facts.central.sources.get(facts.source)
    if source is None:
        return facts.repository.clone_url
    return f"{source.url.rstrip('/')}/{facts.repository.path}.git"
