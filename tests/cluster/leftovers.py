"""One node at a time on a machine, and the end of what a killed one left.

The programs of a node end with the process that started them (`programs.Component`), and its
namespaces with their first process: the kernel sees to both. What stays after a SIGKILL are empty
cgroups, kernel settings that kubelet changed, and the folder. They stand in a file, and the next
run takes them away.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_FILE = Path("/run/pushwright-cluster.json")

# kubelet sets these for the whole machine; they are put back.
_KERNEL = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


class Claim:
    """`take()` ends what a killed run left, `release()` what this one has. Root only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cgroup = f"pushwright-{os.getpid()}"
        self._descriptor: int | None = None

    def take(self) -> None:
        """RuntimeError where another node runs on this machine, or this is not root."""
        if os.geteuid() != 0:
            raise RuntimeError("a node needs root: run as root")
        descriptor = os.open(_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = os.pread(descriptor, 65536, 0).decode()
            os.close(descriptor)
            raise RuntimeError(f"another test node runs on this machine: {left}") from None
        self._descriptor = descriptor
        with suppress(ValueError):
            _clean(json.loads(os.pread(descriptor, 65536, 0)), folder=True)
        settings = {name: _read(name) for name in _KERNEL}
        self._left = {
            "pid": os.getpid(),
            "cgroup": self.cgroup,
            "kernel": {name: value for name, value in settings.items() if value is not None},
            "folder": str(self.folder),
        }
        self._write(json.dumps(self._left))
        _make_cgroups(self.cgroup)

    def release(self) -> None:
        """Once every process of the node has ended. A second call does nothing."""
        if self._descriptor is not None:
            _clean(self._left, folder=False)
            self._write("")
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: str) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)


def controllers() -> list[Path]:
    """The top of each cgroup hierarchy: one on cgroup v2, one per controller on v1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def _make_cgroups(name: str) -> None:
    for controller in controllers():
        made = controller / name
        made.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # cgroup v1: empty means none at all
            if (controller / file).exists() and (made / file).exists():
                (made / file).write_text((controller / file).read_text())


def _clean(left: dict[str, object], *, folder: bool) -> None:
    name = str(left.get("cgroup", ""))
    deadline = time.monotonic() + 10
    while name.startswith("pushwright-") and not _cgroups_gone(name):
        if time.monotonic() > deadline:
            print(f"cgroups {CGROUPS}/*/{name} are still in use")
            break
        time.sleep(0.1)
    kernel = left.get("kernel")
    for setting, value in kernel.items() if isinstance(kernel, dict) else ():
        if setting in _KERNEL and _read(setting) != value:
            (Path("/proc/sys") / setting).write_text(str(value))
    if folder and (old := Path(str(left.get("folder") or "/nonexistent"))).is_dir():
        shutil.rmtree(old, ignore_errors=True)


def _cgroups_gone(name: str) -> bool:
    roots = [controller / name for controller in controllers()]
    for root in roots:
        for folder, _, _ in os.walk(root, topdown=False):
            with suppress(OSError):  # busy while a process is still on its way out
                Path(folder).rmdir()
    return not any(root.exists() for root in roots)


def _read(setting: str) -> str | None:
    with suppress(OSError):
        return (Path("/proc/sys") / setting).read_text()
    return None
