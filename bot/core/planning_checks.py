"""What the administrator allows a repository: image names, cache references, build secrets."""

from __future__ import annotations

from bot.core.binding import binding_mistakes, may_use
from bot.core.facts import EventFacts
from bot.core.ids import Trust
from bot.core.mistakes import Mistake
from bot.core.planning_event import Asked
from bot.core.repoconfig import CONFIG_FILE, Image


def image_mistake(image: Image, message: str, hint: str | None = None) -> Mistake:
    """At the image's key in the file; without a file at none."""
    return Mistake(CONFIG_FILE, image.line, image.column, message, hint)


def binding(facts: EventFacts, image: Image, names: tuple[str, ...]) -> tuple[Mistake, ...]:
    """Names and cache references that the repository may not use."""
    if facts.rule is None:
        return (image_mistake(image, f"image {image.key}: the repository is not served"),)
    return binding_mistakes(
        facts.central, facts.rule, facts.repository.path, ((image, names),), CONFIG_FILE
    )


def secrets_of(
    facts: EventFacts, ask: Asked, image: Image
) -> tuple[tuple[tuple[str, str], ...], tuple[Mistake, ...]]:
    """(id, name in the central config) of the secrets that the build gets, and what is wrong.
    Untrusted code gets none, whatever the file says. Whether a secret exists is told to nobody whom
    it is not offered to."""
    if facts.trust is Trust.UNTRUSTED:
        return (), ()
    given: list[tuple[str, str]] = []
    wrong: list[Mistake] = []
    path = facts.repository.path
    for use in image.secrets:
        if ask.word not in use.events:
            continue
        rule = facts.central.secrets.get(use.source)
        if rule is not None and may_use(rule, facts.source, path, image.key, ask.word):
            given.append((use.id, use.source))
            continue
        message = (
            f"the secret `{use.source}` of image `{image.key}` is not offered to this repository"
            f" for {ask.word} events"
        )
        hint = "the administrator offers it in the central config (`secrets`)"
        wrong.append(image_mistake(image, message, hint))
    return tuple(given), tuple(wrong)
