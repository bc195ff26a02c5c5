"""The images of the cluster tests: two dind images, the bot's, busybox; `make cluster-images`.

Both dind images have one Debian below. The one has its dockerd 20.10, the other our dockerd 29 on
top, where PATH finds it first.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.cluster.archives import Image, busybox_image, files_layer, write_archive
from tests.cluster.bot_image import bot_image
from tests.cluster.rootfs import Rootfs, cache_folder, cached, content_key, make_rootfs
from tests.fakes.docker_process import tools_folder

BOT = "localhost/pushwright:e2e"
BUSYBOX = "localhost/busybox:1"
DIND29 = "localhost/dind:29"
DIND20 = "localhost/dind:20.10"

_DEBIAN = Rootfs("bookworm", "essential", ("ca-certificates", "docker.io", "iptables"))


def dind_images() -> Path:
    """The archive of both. RuntimeError where `make tools` has not run."""
    tools = tools_folder()
    if not (tools / "dockerd").exists():
        raise RuntimeError("the image with dockerd 29 needs: make tools")
    key = content_key(_DEBIAN.key, tools.parent.name)  # which is the programs' own key

    def make(target: Path) -> None:
        rootfs, programs = target.with_suffix(".rootfs"), target.with_suffix(".programs")
        make_rootfs(_DEBIAN, rootfs)
        files = {f"usr/local/bin/{path.name}": path for path in tools.iterdir()}
        files_layer(programs, files)
        write_archive(target, {DIND20: Image([rootfs]), DIND29: Image([rootfs, programs])})
        rootfs.unlink()
        programs.unlink()

    return cached(cache_folder() / f"dind-{key}.tar", make)


def busybox_archive() -> Path:
    """Static busybox with a link per applet."""
    return cached(cache_folder() / "busybox.tar", lambda new: busybox_image(new, BUSYBOX))


def build_archives() -> list[Path]:
    """All that a node needs, from the cache where it is there."""
    return [busybox_archive(), dind_images(), bot_image(BOT)]


if __name__ == "__main__":
    began = time.monotonic()
    for archive in build_archives():
        print(f"{archive} ({archive.stat().st_size / 1e6:.0f} MB)")
    print(f"{time.monotonic() - began:.1f} s")
