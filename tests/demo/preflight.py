"""What the demo needs of the machine, looked at in two seconds, all at once. Standard library only:
it runs before the environment is made. Exit 2 with a table of what is missing and how to mend it.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path

DISK = 3_000_000_000
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    missing = [row for check in CHECKS if (row := check())]
    if missing:
        width = max(len(what) for what, _ in missing)
        print("The demo can't run here yet:\n", file=sys.stderr)
        for what, mend in missing:
            print(f"  {what:<{width}}  {mend}", file=sys.stderr)
        print("\nThen: make demo", file=sys.stderr)
        return 2
    return install() if os.geteuid() == 0 else 0


def machine() -> tuple[str, str] | None:
    if sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}:
        return None
    here = f"{platform.system()} {platform.machine()}"
    return f"Linux on x86-64 or arm64, this is {here}", "run it in a Linux machine or container"


def python() -> tuple[str, str] | None:
    if sys.version_info < (3, 11):  # noqa: UP036  the system's Python, before any is chosen
        return f"Python 3.11, this is {platform.python_version()}", "install a newer python3"
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "Python's venv", "apt-get install python3-venv"
    return None


def git() -> tuple[str, str] | None:
    return None if shutil.which("git") else ("git", "apt-get install git")


def daemon() -> tuple[str, str] | None:
    """As root the demo starts a daemon of its own; else it uses the one that runs."""
    if os.geteuid() != 0:
        client = shutil.which("docker")
        if client and _works(client, "version"):
            return None
        return "a docker daemon that you may use", "start docker and join its group, or run as root"
    unshare = shutil.which("unshare")
    if unshare and _works(unshare, "-m", "true"):
        return None
    return "the capability SYS_ADMIN", "start this container with --privileged"


def programs() -> tuple[str, str] | None:
    if os.geteuid() != 0 or not lacking() or shutil.which("apt-get"):
        return None
    return ", ".join(lacking()), "install them with this system's package manager"


def disk() -> tuple[str, str] | None:
    folder = data_folder().parent
    free = shutil.disk_usage(folder).free
    if free >= DISK:
        return None
    mend = "make room, or name another folder in PUSHWRIGHT_DEMO_DIR"
    return f"3 GB in {folder}, there are {free / 1e9:.1f} GB", mend


def folder() -> tuple[str, str] | None:
    parent = data_folder().parent
    if os.access(parent, os.W_OK):
        return None
    return f"a folder to write to, {parent} is not", "set PUSHWRIGHT_DEMO_DIR to another one"


def port() -> tuple[str, str] | None:
    wanted = os.environ.get("PUSHWRIGHT_DEMO_PORT")
    if not wanted:
        return None
    if not wanted.isdigit():
        return f"PUSHWRIGHT_DEMO_PORT={wanted} is no port", "set it to a number, or leave it out"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted)))
        except OSError:
            return f"port {wanted}, it is in use", "set PUSHWRIGHT_DEMO_PORT to a free one"
    return None


CHECKS = (machine, python, git, daemon, programs, disk, folder, port)


def data_folder() -> Path:
    """Short: sockets are in it, and their paths hold 107 bytes. Its parent must exist."""
    given = os.environ.get("PUSHWRIGHT_DEMO_DIR")
    return Path(given) if given else Path(f"/tmp/pushwright-demo-{os.geteuid()}")


def lacking() -> list[str]:
    """Programs of the demo that neither PATH nor the system's folders have."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [p for p in ("dockerd", "docker-registry", "busybox") if not shutil.which(p, path=path)]


def install() -> int:
    """Root on Debian: what is lacking, from its packages, and nothing that starts or is removed."""
    if not lacking():
        return 0
    print(f"installing {', '.join(lacking())} from this system's packages …", flush=True)
    script = ROOT / "tests" / "tools" / "deps.sh"
    return subprocess.run(["sh", str(script), "demo"], check=False).returncode


def _works(*command: str) -> bool:
    try:
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=2, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
