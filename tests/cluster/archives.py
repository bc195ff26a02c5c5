"""Image archives as `ctr images import` and `docker load` read them, written without a daemon."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.programs import find_program
from tests.fakes.base_image import busybox_layer

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """Uncompressed tar files, lowest first, and what a container runs that names nothing else."""

    layers: Sequence[Path]
    command: Sequence[str] = ("/bin/sh",)


def write_archive(target: Path, images: Mapping[str, Image]) -> None:
    """All images in one archive: a layer that several have is in it once."""
    names: dict[Path, str] = {}
    manifest = []
    with tarfile.open(target, "w") as tar:
        for number, (name, image) in enumerate(images.items()):
            for layer in image.layers:
                if layer not in names:
                    names[layer] = f"layer{len(names)}.tar"
                    tar.add(layer, names[layer], recursive=False)
            config = f"config{number}.json"
            _add(tar, config, _config(image))
            layers = [names[layer] for layer in image.layers]
            manifest.append({"Config": config, "RepoTags": [name], "Layers": layers})
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def pause_layer(target: Path) -> Path:
    """The program that holds a pod's namespaces, as a layer."""
    with tarfile.open(target, "w") as tar:
        tar.add(find_program("pause"), "pause", recursive=False, filter=_as_root)
    return target


def busybox_image(target: Path, name: str) -> Path:
    """An archive of static busybox with a link per applet."""
    layer = target.with_suffix(".layer")
    layer.write_bytes(busybox_layer(find_program("busybox")))
    write_archive(target, {name: Image([layer])})
    layer.unlink()
    return target


def pause_image(target: Path, name: str) -> Path:
    layer = pause_layer(target.with_suffix(".layer"))
    write_archive(target, {name: Image([layer], ["/pause"])})
    layer.unlink()
    return target


def files_layer(target: Path, files: Mapping[str, Path]) -> Path:
    """A layer with copies of `files` (path in the image to path here), as root's."""
    with tarfile.open(target, "w") as tar:
        for inside, path in sorted(files.items()):
            tar.add(path.resolve(), inside.lstrip("/"), recursive=False, filter=_as_root)
    return target


def _config(image: Image) -> bytes:
    diffs = [f"sha256:{_hash(layer)}" for layer in image.layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [f"PATH={_PATH}"], "Cmd": list(image.command)},
        "rootfs": {"type": "layers", "diff_ids": diffs},
    }
    return json.dumps(config).encode()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry
