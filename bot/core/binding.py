"""Which rule serves a repository, and which image names it may write. Patterns match whole names.

Paths of repositories are compared in lower case, as both hosts do; image names have no other.
"""

from __future__ import annotations

from bot.core.centralconfig import CentralConfig, RepositoryRule, SecretRule
from bot.core.globs import glob
from bot.core.mistakes import Mistake
from bot.core.naming import default_image_name, split_reference
from bot.core.repoconfig import Image


def repository_matches(pattern: str, source: str, path: str) -> bool:
    """Whether `path` or `source:path` of a rule means this repository."""
    wanted, colon, rest = pattern.partition(":")
    if not colon:
        wanted, rest = "*", pattern
    return wanted in ("*", source) and glob(rest.lower()).matches(path.lower())


def rule_for(config: CentralConfig, source: str, path: str) -> RepositoryRule | None:
    """The first rule that matches. None: the repository is not served."""
    for rule in config.repositories:
        if repository_matches(rule.match, source, path):
            return rule
    return None


def may_write(
    rule: RepositoryRule, config: CentralConfig, repository_path: str, image_name: str
) -> bool:
    """Whether the repository may write this name; a tag or digest behind it does not count.

    Without patterns: `<registry>/<owner>/<repo>` and everything below.
    """
    reference = split_reference(image_name)
    if reference is None:
        return False
    if not rule.images:
        if config.default_registry is None:
            return False
        own = split_reference(default_image_name(config.default_registry, repository_path))
        return own is not None and (
            reference.name == own.name or reference.name.startswith(f"{own.name}/")
        )
    return any(glob(pattern).matches(reference.name) for pattern in rule.images)


def may_use(rule: SecretRule, source: str, path: str, image: str, event: str) -> bool:
    """Whether a trusted build of this image for this kind of event may have the secret."""
    return (
        event in rule.events
        and any(repository_matches(pattern, source, path) for pattern in rule.repositories)
        and any(glob(pattern).matches(image) for pattern in rule.images)
    )


def allowed_patterns(
    rule: RepositoryRule, config: CentralConfig, repository_path: str
) -> tuple[str, ...]:
    """The patterns behind `may_write`, for the builder's own check before it pushes."""
    if rule.images:
        return rule.images
    if config.default_registry is None:
        return ()
    own = default_image_name(config.default_registry, repository_path)
    return own, f"{own}/**"


def allowed_names(rule: RepositoryRule, config: CentralConfig, repository_path: str) -> str:
    """The names that `may_write` takes, for people."""
    if rule.images:
        return ", ".join(rule.images)
    if config.default_registry is None:
        return "none"
    return f"{default_image_name(config.default_registry, repository_path)} and below"


def binding_mistakes(
    config: CentralConfig,
    rule: RepositoryRule,
    repository_path: str,
    names: tuple[tuple[Image, tuple[str, ...]], ...],
    file: str,
) -> tuple[Mistake, ...]:
    """Images and caches that the repository may not write. `names`: each image's, as they came out
    after expressions were filled in."""
    allowed = allowed_names(rule, config, repository_path)
    found = []
    for image, written in names:
        for name in written:
            if not may_write(rule, config, repository_path, name):
                line, column = _place(image, name)
                message = f"this repository may not write `{name}`"
                found.append(Mistake(file, line, column, message, f"allowed: {allowed}"))
        for reference in image.cache_from:
            if not may_write(rule, config, repository_path, reference):
                message = f"this repository may not use the cache `{reference}`"
                found.append(
                    Mistake(file, image.line, image.column, message, f"allowed: {allowed}")
                )
    return tuple(found)


def _place(image: Image, name: str) -> tuple[int, int]:
    """Line and column of the entry that gave the name; without one those of the image."""
    holding = [entry for entry in image.names if name in entry.text.lower()]
    entries = holding or image.names
    if entries:
        return entries[0].line, entries[0].column
    return image.line, image.column
