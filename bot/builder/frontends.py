"""Which frontends a Dockerfile names (`# syntax=`): programs that would run inside BuildKit, where
no step's limits hold. Untrusted builds may name those that the recipe lists.

The reader takes no less for a frontend's name than any BuildKit does (DetectSyntax in
https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/directives.go): a line of
its leading comments, with `#` or `//`, or a key of a Dockerfile that is JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed, Position
from bot.builder.recipe import Recipe
from bot.builder.references import is_allowed
from bot.builder.tree import Inputs

ARGUMENT = "BUILDKIT_SYNTAX"
"""The build argument that names one, whatever the Dockerfile says."""

_LIMIT = 4 << 20
_SHOWN = 300
_DIRECTIVE = re.compile(rb"\s*(?:#|//)\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")


def check_frontends(recipe: Recipe, inputs: Inputs) -> None:
    """Raises BuildFailed (config, dockerfile) at the first that is not allowed."""
    allowed = recipe.frontends
    if allowed is None:
        return
    argument = recipe.build.args.get(ARGUMENT)
    if argument is not None and not _named_in(allowed, argument):
        what = f"the build argument {ARGUMENT}={argument}"
        raise BuildFailed(BuildClass.CONFIG, _refusal(what, allowed))
    name = inputs.dockerfile_name
    with inputs.dockerfile.open("rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise BuildFailed(BuildClass.DOCKERFILE, f"{name} is larger than 4 MiB: make it smaller")
    for line, value in frontends(data):
        if not _named_in(allowed, value):
            what = f"{name}:{line}: `{value}`"
            raise BuildFailed(
                BuildClass.DOCKERFILE, _refusal(what, allowed), Position(name, line, "syntax")
            )


def frontends(data: bytes) -> Iterator[tuple[int, str]]:
    """(line, value) of each. Lines end at LF alone, as in BuildKit: what ends one elsewhere could
    hide the next from us."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        yield 1, "{ (JSON)"
    for number, line in enumerate(lines, 1):
        found = _DIRECTIVE.fullmatch(line)
        if found is None:
            if number == 1 and line.startswith(b"#!"):
                continue
            return
        if found[1].lower() == b"syntax":
            yield number, found[2][:_SHOWN].decode("utf-8", "replace")


def _named_in(allowed: Sequence[str], value: str) -> bool:
    """Options may follow the image's name."""
    words = value.split()
    return bool(words) and is_allowed(_spelt_out(words[0]), allowed)


def _spelt_out(text: str) -> str:
    """With the host, as Docker reads names that have none."""
    head, slash, _ = text.partition("/")
    if not slash:
        return f"docker.io/library/{text}"
    return text if "." in head or ":" in head or head == "localhost" else f"docker.io/{text}"


def _refusal(what: str, allowed: Sequence[str]) -> str:
    return (
        f"{what} names a frontend, a program that would run inside BuildKit; a build of code that "
        f"is not trusted may name {', '.join(allowed)} only. Leave it out (the daemon has a "
        "frontend of its own), or ask the administrator to list it (central config, "
        "`trust.frontends`)"
    )
