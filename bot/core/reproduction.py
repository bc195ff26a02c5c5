"""The commands that do on anybody's machine what a build did: fetch, build, pull."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any


def build_lines(recipe: Mapping[str, Any], needs: Mapping[str, str]) -> list[str]:
    """For a shell at the root of a clone, from a build's recipe (`bot.core.recipe`). `needs`: the
    references of needed images by key, as far as they are built. Secrets are named, their values
    are whoever runs it to give."""
    source, build = recipe.get("source"), recipe.get("build")
    if not isinstance(source, Mapping) or not isinstance(build, Mapping):
        return []
    sha = str(source.get("sha"))
    checkout = f"git fetch origin {quoted(sha)} && git checkout --detach {quoted(sha)}"
    words = ["docker", "buildx", "build", *_options(build), *_needs(recipe, needs)]
    context = str(build.get("context") or ".")
    dockerfile = str(build.get("dockerfile") or "Dockerfile")
    path = dockerfile if context in (".", "") else f"{context.rstrip('/')}/{dockerfile}"
    where = ["--file", quoted(path), quoted(_folder(context))]
    return [checkout, " ".join([*words, *where])]


def _options(build: Mapping[str, Any]) -> list[str]:
    """Each with its value behind `=`, so that no value can be taken for another option."""
    words: list[str] = []
    if build.get("platform"):
        words.append(f"--platform={quoted(str(build['platform']))}")
    if build.get("target"):
        words.append(f"--target={quoted(str(build['target']))}")
    if build.get("no_cache"):
        words += ["--no-cache", "--pull"]
    for name, key in (("build-arg", "args"), ("label", "labels"), ("build-context", "contexts")):
        pairs = build.get(key)
        if isinstance(pairs, Mapping):
            words += [f"--{name}={quoted(f'{k}={v}')}" for k, v in sorted(pairs.items())]
    for secret in build.get("secrets") or ():
        known = str(secret.get("id")) if isinstance(secret, Mapping) else ""
        words += [f"--secret={quoted(f'id={known}')}"] if known else []
    if build.get("network") not in (None, "default"):
        words.append(f"--network={quoted(str(build['network']))}")
    return words


def _needs(recipe: Mapping[str, Any], needs: Mapping[str, str]) -> list[str]:
    words = []
    for need in recipe.get("needs") or ():
        image, arg = str(need.get("image")), need.get("arg")
        reference = needs.get(image)
        if reference is None:
            continue
        if arg:
            words.append(f"--build-arg={quoted(f'{arg}={reference}')}")
        else:
            words.append(f"--build-context={quoted(f'{image}=docker-image://{reference}')}")
    return words


def _folder(context: str) -> str:
    """A path that no client takes for an option or for the address of a repository."""
    return context if context.startswith((".", "/")) else f"./{context}"


def pull_line(name: str, digest: str) -> str:
    return f"docker pull {quoted(f'{name}@{digest}')}"


def quoted(text: str) -> str:
    """One word of a shell; control characters as escapes, so that it stays one line."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    shown = "".join(c if c.isprintable() else _escape(c) for c in escaped)
    return f"$'{shown}'"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"
