"""Versions that names are made of, and the order in which they own a name.

`semver` is node-semver's strict reading (https://github.com/npm/node-semver), `pep440` that of
PEP 440 (https://peps.python.org/pep-0440/), `loose` anything that starts with dotted numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, cast

Scheme = Literal["semver", "pep440", "loose"]

MAX_LENGTH = 256
_MAX_SAFE = 2**53 - 1
_NUMBER = r"(0|[1-9][0-9]*)"
_ID = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][a-zA-Z0-9-]*)"
_SEMVER = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_ID}(?:\.{_ID})*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_LOOSE = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)(?:[-._]?([A-Za-z][A-Za-z0-9._-]*))?(?:\+.*)?")
_RUN = re.compile(r"[0-9]+|[^0-9._-]+")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version as an ordering key. Only versions of one line, hence one scheme, are compared.

    `text` suffices to make the key again: `version_of(scheme, text)`.
    """

    scheme: Scheme
    key: tuple[Any, ...]
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a pattern's variables show. `final` is false for pre-, post- and dev-releases."""

    raw: str
    text: str
    """What `{{version}}` shows."""
    major: int
    minor: int
    patch: int
    final: bool
    version: Version
    prerelease: str = ""
    build: str = ""


def parse_semver(raw: str) -> Parsed | None:
    """A version as node-semver's `valid` takes it, or None."""
    found = _SEMVER.fullmatch(raw) if len(raw) <= MAX_LENGTH else None
    if found is None:
        return None
    # Bounded by MAX_LENGTH, hence far below the interpreter's limit for int().
    numbers = (int(found[1]), int(found[2]), int(found[3]))
    if max(numbers) > _MAX_SAFE:
        return None
    prerelease, build = found[4] or "", found[5] or ""
    text = "{}.{}.{}".format(*numbers) + (f"-{prerelease}" if prerelease else "")
    key = (*numbers, _prerelease_key(prerelease))
    version = Version("semver", key, text)
    comma = prerelease.replace(".", ",")
    return Parsed(raw, text, *numbers, not prerelease, version, comma, build.replace(".", ","))


def parse_pep440(raw: str) -> Parsed | None:
    """A version as PEP 440 takes it, normalised, or None."""
    from packaging.version import Version as Pep440

    if len(raw) > MAX_LENGTH:
        return None
    try:
        found = Pep440(raw)
    except ValueError:
        return None
    if max(found.release) > _MAX_SAFE:
        return None
    final = not (found.is_prerelease or found.is_postrelease or found.is_devrelease)
    version = Version("pep440", _pep440_key(found), str(found))
    # The action's library writes the parts of a local version with commas: 1.2+b.7 gives 1.2-b-7.
    text = f"{found.public}+{found.local.replace('.', ',')}" if found.local else str(found)
    return Parsed(raw, text, found.major, found.minor, found.micro, final, version)


def parse_loose(raw: str) -> Version | None:
    """An ordering key for what a `match` line matched: dotted numbers, then perhaps a word."""
    found = _LOOSE.fullmatch(raw) if len(raw) <= MAX_LENGTH else None
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    words = tuple(
        (0, int(run), "") if run.isdecimal() else (1, 0, run.lower())
        for run in _RUN.findall(found[2] or "")
    )
    after = bool(words) and words[0][2] in ("post", "p", "r", "patch", "sp")
    return Version("loose", (tuple(numbers), 2 if after else 0 if words else 1, words), raw)


def version_of(scheme: Scheme, text: str) -> Version | None:
    """The key of a text that was kept with its scheme, or None where it is no such version."""
    match scheme:
        case "semver":
            parsed = parse_semver(text)
        case "pep440":
            parsed = parse_pep440(text)
        case "loose":
            return parse_loose(text)
    return parsed.version if parsed else None


def _prerelease_key(prerelease: str) -> tuple[Any, ...]:
    if not prerelease:
        return (1,)
    ids = prerelease.split(".")
    return (0, *((0, int(i), "") if i.isdecimal() else (1, 0, i) for i in ids))


def _pep440_key(found: object) -> tuple[Any, ...]:
    """PEP 440's order, from public attributes: dev < pre < final < post, local last."""
    version = cast("Any", found)
    release = list(version.release)
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    if version.pre is not None:
        pre: tuple[Any, ...] = (0, *version.pre)
    elif version.post is None and version.dev is not None:
        pre = (-1,)
    else:
        pre = (1,)
    post = -1 if version.post is None else version.post
    dev = (1, 0) if version.dev is None else (0, version.dev)
    local = tuple(
        (1, int(part), "") if part.isdecimal() else (0, 0, part)
        for part in (version.local or "").split(".")
        if part
    )
    return (version.epoch, tuple(release), pre, post, dev, local)
