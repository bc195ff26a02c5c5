"""A base image without a daemon and without a public registry: static busybox, pushed by HTTP.

Usable outside pytest: `push_base(registry.url, "base/busybox", "1")` gives the reference.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def push_base(url: str, repository: str, tag: str, busybox: Path | None = None) -> str:
    """Push busybox with a link per applet as `repository:tag`; the reference with its host.

    url: of the registry, with scheme. RuntimeError where there is no busybox.
    """
    program = busybox or Path(shutil.which("busybox") or "/bin/busybox")
    if not program.exists():
        raise RuntimeError("busybox is not installed: apt-get install busybox-static")
    host = url.partition("://")[2].rstrip("/")
    push_image(url, repository, tag, busybox_layer(program))
    return f"{host}/{repository}:{tag}"


def push_image(url: str, repository: str, tag: str, layer: bytes) -> str:
    """Push an image of one layer (an uncompressed tar); its manifest's digest."""
    packed = gzip.compress(layer, mtime=0)
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        # One entry for each layer, as in every real image: what lacks one is filled in by BuildKit
        # with words that depend on where the layer came from, and so does the digest then.
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "busybox"}],
    }
    blobs = ((_CONFIG, json.dumps(config).encode()), (_LAYER, packed))
    for _, blob in blobs:
        _upload(url, repository, blob)
    described = [
        {"mediaType": kind, "digest": _digest(blob), "size": len(blob)} for kind, blob in blobs
    ]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described[0],
            "layers": described[1:],
        }
    ).encode()
    _send("PUT", f"{url}/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
    return _digest(manifest)


def busybox_layer(busybox: Path) -> bytes:
    """An uncompressed layer of static busybox with a link per applet."""
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        content = busybox.read_bytes()
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
        for name in applets.stdout.split():
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _upload(url: str, repository: str, blob: bytes) -> None:
    place = _send("POST", f"{url}/v2/{repository}/blobs/uploads/", b"", {})["location"]
    place = urljoin(f"{url}/v2/", place)
    joined = f"{place}{'&' if '?' in place else '?'}digest={_digest(blob)}"
    _send("PUT", joined, blob, {"Content-Type": "application/octet-stream"})


def _send(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=30) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}
