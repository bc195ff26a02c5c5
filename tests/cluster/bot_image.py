"""The bot's image, built from the real Dockerfile by a dockerd 29 of our own. Its base comes as a
named context, a Debian of the same suite made by mmdebstrap: so no public registry is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.archives import Image, files_layer, write_archive
from tests.cluster.rootfs import (
    Rootfs,
    cache_folder,
    cached,
    content_key,
    held,
    make_rootfs,
)
from tests.fakes.docker_process import ROOT, DockerDaemon, built_dockerd, tools_folder

_BASE = "localhost/debian:1"
_MACHINE = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""How a build reaches the package index from here; also the certificates of the administrator."""
_CERTIFICATES = Path("/usr/local/share/ca-certificates")
_KEPT = 4
"""Images of other states of the project, 300 MB each: several checkouts share the cache."""
_MOST = "4gb"
"""Of the daemon's layers, which are the cache of the next build."""


def bot_image(name: str) -> Path:
    """The archive with the image of this checkout, from the cache where nothing of it changed."""
    bases = _bases()
    rootfs = Rootfs(bases.suite, "apt", ("ca-certificates",))
    machine = _machine_files()
    parts = [path.read_text() for path in machine.values()]
    key = content_key(name, rootfs.key, tools_folder().parent.name, *parts, *_sources())
    folder = cache_folder()
    made = cached(folder / f"bot-{key}.tar", lambda new: _build(name, bases, rootfs, new))
    made.touch()
    by_use = sorted(folder.glob("bot-*.tar"), key=lambda path: path.stat().st_mtime)
    for old in by_use[:-_KEPT]:
        old.unlink(missing_ok=True)
    return made


@dataclass(frozen=True, slots=True)
class _Bases:
    """The references of the Dockerfile's two bases, and the suite of the one that is a Debian."""

    debian: str
    suite: str
    buildx: str


def _bases() -> _Bases:
    text = (ROOT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    found = {base for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if base not in stages}
    match sorted(found):
        case [debian, buildx] if (
            suite := re.fullmatch(r"debian:([a-z]+)-slim", debian)
        ) and buildx.startswith("docker/buildx-bin:"):
            return _Bases(debian, suite[1], buildx)
        case other:
            raise RuntimeError(f"the Dockerfile's bases are {other}: no context is known for them")


def _sources() -> list[str]:
    """All that the build context holds: .dockerignore names it."""
    names = ["Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "README.md"]
    paths = [ROOT / name for name in names]
    paths += (path for path in (ROOT / "bot").rglob("*") if path.is_file())
    return [
        f"{path.relative_to(ROOT)}\n{path.read_bytes().hex()}"
        for path in sorted(paths)
        if "__pycache__" not in path.parts
    ]


def _machine_files() -> dict[str, Path]:
    files = {name: Path(name) for name in _MACHINE}
    if _CERTIFICATES.is_dir():
        files |= {str(path): path for path in _CERTIFICATES.iterdir() if path.is_file()}
    return {name: path for name, path in files.items() if path.exists()}


def _build(name: str, bases: _Bases, rootfs: Rootfs, target: Path) -> None:
    program = built_dockerd()
    if program is None:
        raise RuntimeError("the bot's image is built by dockerd 29: make tools")
    tar = cached(cache_folder() / f"rootfs-{rootfs.key}.tar", lambda new: make_rootfs(rootfs, new))
    folder = cache_folder() / "daemon"
    with held("daemon"), tempfile.TemporaryDirectory() as scratch:
        folder.mkdir(exist_ok=True)
        base = Path(scratch) / "base.tar"
        machine = files_layer(Path(scratch) / "machine.tar", _machine_files())
        write_archive(base, {_BASE: Image([tar, machine])})
        context = Path(scratch) / "buildx"
        context.mkdir()
        shutil.copy2(program.folder / "docker-buildx", context / "buildx")
        daemon = DockerDaemon(program, folder)
        daemon.start()
        try:
            _docker(daemon, "load", "-i", str(base))
            _docker(
                daemon,
                *("buildx", "build", "--progress=plain", "--network=host"),
                *("--allow=network.host", f"--build-context={bases.buildx}={context}"),
                f"--build-context={bases.debian}=docker-image://{_BASE}",
                *(f"--output=type=docker,dest={target},name={name}", str(ROOT)),
            )
            _docker(daemon, "buildx", "prune", "--force", f"--max-used-space={_MOST}")
        finally:
            daemon.stop()  # what it has built stays


def _docker(daemon: DockerDaemon, command: str, *arguments: str) -> None:
    argv = [shutil.which("docker") or "docker", command, *arguments]
    if command == "buildx":
        argv = [str(daemon.program.folder / "docker-buildx"), *arguments]
    env = {"PATH": os.environ["PATH"], "HOME": str(daemon.folder), "DOCKER_HOST": daemon.host}
    env |= {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv[:3])} failed:\n{done.stderr[-3000:]}")
