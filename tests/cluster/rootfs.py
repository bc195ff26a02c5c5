"""Debian root file systems, made once by mmdebstrap from the mirror that this machine uses."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.cluster.programs import find_program

_ADDRESS = re.compile(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian)/?(?:\s|$)", re.MULTILINE)
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")


@dataclass(frozen=True, slots=True)
class Rootfs:
    """`variant` is mmdebstrap's: `essential` has no apt, `apt` has. `packages` come on top."""

    suite: str
    variant: str
    packages: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names what is in it, but for Debian's own point releases."""
        return content_key(*map(str, astuple(self)), *_OPTIONS)


_OPTIONS = (
    # A mirror frozen at a date says of itself that it is out of date.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


def cache_folder() -> Path:
    """Where images are kept; the programs of tools/build.sh lie beside it."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("PUSHWRIGHT_CACHE") or f"{home}/pushwright") / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def held(name: str) -> Iterator[None]:
    """Two makers of one thing wait for one another, in different checkouts too."""
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(path: Path, make: Callable[[Path], object]) -> Path:
    """`path`, made now if it is not there: whole or not at all."""
    with held(path.name.partition("-")[0]):
        if not path.exists():
            new = path.with_name(f"{path.name}.new")
            make(new)
            new.rename(path)
    return path


def content_key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def make_rootfs(wanted: Rootfs, target: Path) -> None:
    """Write the tar file `target`; RuntimeError with mmdebstrap's last lines."""
    argv = [str(find_program("mmdebstrap")), "--format=tar", f"--variant={wanted.variant}"]
    argv += [*_OPTIONS, f"--include={','.join(wanted.packages)}", wanted.suite, str(target)]
    argv += [mirror] if (mirror := _mirror()) else []
    done = subprocess.run(["nice", *argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        raise RuntimeError(f"mmdebstrap of {wanted.suite} failed:\n{done.stderr[-2000:]}")


def _mirror() -> str:
    """Debian's mirror of this machine; "" leaves the choice to mmdebstrap."""
    for file in _SOURCES:
        text = file.read_text() if file.exists() else ""
        if found := _ADDRESS.search(text):
            return found[1]
    return ""
