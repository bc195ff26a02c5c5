"""The small languages of single fields: durations, sizes, paths, names.

Text goes in, the value or a `Problem` comes out.

Everything here is held against an allow-list of characters: these values become arguments of git
and docker, so none begins with a dash and none holds a control character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from bot.core.naming import split_reference


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text can not be taken, and what to write instead."""

    message: str
    hint: str | None = None


UNIT_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
SIZE_BYTES = {
    "": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip

DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|h|m|s))+")
DURATION_PART = re.compile(r"([0-9.]+)(ms|h|m|s)")
SIZE = re.compile(r"([0-9]{1,15})([kKMGT]?i?B?)")
CPU = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?|[0-9]{1,7}m")
IMAGE_KEY = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
LEVEL = r"(?:manifest|index|manifest-descriptor|index-descriptor)"
ANNOTATION = re.compile(rf"(?:{LEVEL}(?:,{LEVEL})*:)?[A-Za-z0-9][A-Za-z0-9._/-]*")
STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
CONTEXT_NAME = re.compile(r"[a-z0-9]+(?:[._:/@-]+[a-z0-9]+)*")
SECRET_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
PLATFORM = re.compile(r"linux/[a-z0-9]+(?:/v[0-9]+)?")


def plain(text: str) -> str | Problem:
    """Any text of one line."""
    if not text:
        return Problem("the value is empty")
    if any(not c.isprintable() for c in text):
        return Problem("control characters are not allowed here", "write it on one line")
    return text


def value(text: str) -> str | Problem:
    """The value of an argument or label: one line, may be empty, at most 4,096 characters."""
    if len(text) > 4096:
        return Problem(f"the value has {len(text)} characters, more than 4096")
    return plain(text) if text else text


def argument_value(text: str) -> str | Problem:
    """Arguments can be read in the image's history by whoever can pull it."""
    if "${{" in text and "secrets." in text:
        hint = "name it under `secrets` and mount it in the Dockerfile"
        return Problem("this would put a secret into the image", hint)
    return value(text)


def duration(text: str) -> float | Problem:
    """`90s`, `30m`, `1h30m`, `500ms` as seconds, at most 30 days."""
    words = Problem("a duration is written 90s, 30m or 1h30m")
    if not DURATION.fullmatch(text):
        return words
    units = [unit for _, unit in DURATION_PART.findall(text)]
    if units != sorted(set(units), key=("h", "m", "s", "ms").index):
        return words
    total = sum(Decimal(n) * UNIT_SECONDS[unit] for n, unit in DURATION_PART.findall(text))
    if total > 30 * 86400:
        return Problem("longer than 30 days")
    return float(total)


def whole_seconds(text: str) -> int | Problem:
    """A duration of at least a second, without fractions of it."""
    seconds = duration(text)
    if isinstance(seconds, Problem):
        return seconds
    if seconds < 1 or seconds != int(seconds):
        return Problem("a duration here is whole seconds, at least one")
    return int(seconds)


def size(text: str) -> int | Problem:
    """`512Mi`, `4Gi`, `20GB` as bytes."""
    found = SIZE.fullmatch(text)
    factor = SIZE_BYTES.get(found[2]) if found else None
    if found is None or factor is None or not int(found[1]):
        return Problem("a size is written 512Mi, 4Gi or 20GB")
    return int(found[1]) * factor


def memory(text: str) -> str | Problem:
    """`512Mi`, `4Gi`, kept as written: docker and Kubernetes read decimal units differently."""
    found = size(text)
    if isinstance(found, Problem) or not text.endswith("i"):
        return Problem("memory is written 512Mi or 4Gi")
    return text if found >= 4 * 2**20 else Problem("less than 4Mi of memory")


def cpu(text: str) -> str | Problem:
    """`2`, `0.5` or `500m`, as decimal processors: `500m` is `0.5`."""
    number = Decimal(text.rstrip("m")) if CPU.fullmatch(text) else Decimal(0)
    if not number:
        return Problem("processors are written 2, 0.5 or 500m")
    return f"{(number / 1000 if text.endswith('m') else number).normalize():f}"


def repository_path(text: str) -> str | Problem:
    """A relative path inside of the repository, without `.`, `..` and doubled slashes."""
    if isinstance(problem := plain(text), Problem):
        return problem
    parts = [part for part in text.split("/") if part not in ("", ".")]
    path = "/".join(parts) or "."
    inside = "write a path inside of the repository"
    refusals = (
        ("://" in text or text.startswith("git@"), "an address is not allowed here", inside),
        (text.startswith("/"), "the path is absolute", inside),
        ("\\" in text, "a path is written with /, not with \\", None),
        (".." in parts, "the path leaves its folder by ..", inside),
        (path.startswith("-"), "a path must not begin with -", "rename the folder or file"),
        (len(text) > 1024, "the path has more than 1024 characters", None),
    )
    refused = next((Problem(why, hint) for holds, why, hint in refusals if holds), None)
    return refused or path


def stage(text: str) -> str | Problem:
    return _grammar(text, STAGE, "a stage's name", "letters, digits, '.', '_' and '-'")


def image_key(text: str) -> str | Problem:
    if text != text.lower() and IMAGE_KEY.fullmatch(text.lower()):
        return Problem("an image's key is lower case", f"write {text.lower()}")
    words = "lower-case letters and digits with single '.', '_' or '-' between"
    return _grammar(text, IMAGE_KEY, "an image's key", words, 63)


def secret_id(text: str) -> str | Problem:
    return _grammar(text, SECRET_ID, "a secret's name", "letters, digits, '.', '_' and '-'")


def argument_name(text: str) -> str | Problem:
    if text.upper().startswith("BUILDKIT_"):
        return Problem("arguments that begin with BUILDKIT_ steer the builder and are reserved")
    return _grammar(text, ARGUMENT, "an argument's name", "letters, digits and '_'")


def label_name(text: str) -> str | Problem:
    if text.lower().startswith("pushwright.dev/"):
        return Problem("labels that begin with pushwright.dev/ are reserved")
    return _grammar(text, LABEL, "a label's name", "letters, digits, '.', '_', '-' and '/'", 255)


def annotation_name(text: str) -> str | Problem:
    words = "letters, digits, '.', '_', '-' and '/', with manifest: or index: in front"
    return _grammar(text, ANNOTATION, "an annotation's name", words, 255)


def context_name(text: str) -> str | Problem:
    return _grammar(text, CONTEXT_NAME, "a context's name", "lower-case letters and digits")


def context_value(text: str) -> str | Problem:
    """`docker-image://<reference>` or a folder of the repository."""
    scheme, mark, rest = text.partition("://")
    if mark and scheme == "docker-image":
        found = reference(rest)
        return found if isinstance(found, Problem) else f"docker-image://{found}"
    if mark or text.startswith(("target:", "git@", "input:", "oci-layout:")):
        hint = "images of this file are named with `needs`"
        return Problem("a context is docker-image://<image> or a folder of the repository", hint)
    return repository_path(text)


def platform(text: str) -> str | Problem:
    return _grammar(text, PLATFORM, "a platform", "linux/<architecture>, such as linux/amd64")


def group(text: str) -> str | Problem:
    """Any line: it is only compared, once `{{…}}` and `${{ … }}` are filled in."""
    return Problem("a group's name has at most 256 characters") if len(text) > 256 else plain(text)


def reference(text: str) -> str | Problem:
    if split_reference(text) is None:
        return Problem("this is no image reference", "a reference is written ghcr.io/acme/api:main")
    return text


def cache_reference(text: str) -> str | Problem:
    """A reference, bare or as buildx writes it (`type=registry,ref=…`)."""
    if text.startswith("type="):
        kind, _, rest = text.partition(",")
        if kind != "type=registry" or not rest.startswith("ref="):
            return Problem("only caches in a registry are read", "write type=registry,ref=<image>")
        return reference(rest.removeprefix("ref="))
    return reference(text)


def _grammar(
    text: str, pattern: re.Pattern[str], what: str, words: str, longest: int = 128
) -> str | Problem:
    if len(text) > longest:
        return Problem(f"{what} has at most {longest} characters")
    return text if pattern.fullmatch(text) else Problem(f"{what} is written with {words}")
