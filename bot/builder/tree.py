"""Which folder and which file of the checkout the build takes, and that they lie inside it."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed

_LOOK = 5000


@dataclass(frozen=True, slots=True)
class Inputs:
    """Absolute paths, and the Dockerfile's path within the repository for people."""

    context: Path
    dockerfile: Path
    dockerfile_name: str


def locate(root: Path, context: str, dockerfile: str) -> Inputs:
    """`dockerfile` counts from `context`. Raises BuildFailed (context, dockerfile)."""
    folder = _inside(root, _relative("context", context), "context")
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist in this commit"
        raise BuildFailed(
            BuildClass.CONTEXT,
            f"the context {context!r} {what}{_hint(root, context, folders=True)}",
        )
    name = _relative("context", context) / _relative("dockerfile", dockerfile)
    file = _inside(root, name, "dockerfile")
    if not file.is_file():
        raise BuildFailed(
            BuildClass.DOCKERFILE,
            f"there is no Dockerfile at {name}{_hint(root, str(name), folders=False)}",
        )
    ignore = folder / ".dockerignore"
    if ignore.is_symlink():
        _inside(root, ignore.relative_to(root), "context")
    return Inputs(folder, file, str(name))


def _relative(key: str, text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or "\0" in text:
        raise BuildFailed(
            BuildClass.CONTEXT,
            f"`{key}: {text}` must be a path inside the repository, without `..`",
        )
    return path


def _inside(root: Path, relative: PurePosixPath | Path, key: str) -> Path:
    """Symbolic links may lead anywhere within the checkout, but not out of it."""
    path = root / relative
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise BuildFailed(
            BuildClass.CONTEXT, f"`{key}`: {relative} is a symbolic link out of the repository"
        )
    return path


def _hint(root: Path, wanted: str, *, folders: bool) -> str:
    """The nearest names that do exist."""
    names: list[str] = []
    for parent, inner, files in os.walk(root):
        here = Path(parent).relative_to(root)
        inner[:] = sorted(name for name in inner if name != "node_modules")
        found = inner if folders else [name for name in files if "dockerfile" in name.lower()]
        names += [str(here / name) for name in sorted(found)]
        if len(names) > _LOOK:
            break
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    near = near or ([] if folders else names[:3])
    return f"; did you mean {', '.join(near)}?" if near else ""
