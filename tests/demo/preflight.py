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
SYSTEM = ":/usr/sbin:/sbin"
HOSTS = ("github", "gitlab", "gitea")

Row = tuple[str, str]
"""What is missing, and the command or step that mends it."""


def main() -> int:
    missing = [row for check in CHECKS if (row := check())]
    if missing:
        print(table(missing), file=sys.stderr)
        return 2
    return install() if os.geteuid() == 0 else 0


def table(missing: list[Row]) -> str:
    width = max(len(what) for what, _ in missing)
    rows = [f"  {what:<{width}}  {mend}" for what, mend in missing]
    named = os.environ.get("HOST")
    again = f"make demo HOST={named}" if named in HOSTS[1:] else "make demo"
    return "\n".join(["The demo can't run here yet. Missing:", "", *rows, "", f"Then: {again}"])


def machine() -> Row | None:
    if sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}:
        return None
    here = f"{platform.system()} {platform.machine()}"
    return f"Linux on x86-64 or arm64, this is {here}", "run it in a Linux machine or container"


def python() -> Row | None:
    if sys.version_info < (3, 11):  # noqa: UP036  the system's Python, before any is chosen
        here = platform.python_version()
        return f"Python 3.11, this is {here}", "make demo PYTHON=/path/of/a/newer/python3"
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "Python's venv", "apt-get install python3-venv"
    return None


def git() -> Row | None:
    return None if shutil.which("git") else ("git", "apt-get install git")


def make() -> Row | None:
    return None if shutil.which("make") else ("make", "apt-get install make")


def host() -> Row | None:
    wanted = os.environ.get("HOST") or "github"
    if wanted not in HOSTS:
        return f"HOST={wanted} is no Git host", f"make demo HOST={', HOST='.join(HOSTS)}"
    if wanted != "gitea" or gitea_folder():
        return None
    mend = "make gitea (once, about eight minutes; it needs Go 1.26.2 and gcc)"
    return "Gitea, which is built from source", mend


def gitea_folder() -> Path | None:
    """What `make gitea` built; None where it did not."""
    script = ROOT / "tests" / "gitea" / "tools" / "build.sh"
    command = ["/bin/sh", str(script), "--where"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    folder = Path(asked.stdout.strip())
    return folder if asked.returncode == 0 and (folder / "gitea").is_file() else None


def daemon() -> Row | None:
    """As root the demo starts a daemon of its own; else it uses the one that runs."""
    if os.geteuid() != 0:
        if not shutil.which("docker"):
            return (
                "a docker that you may use",
                "apt-get install docker.io (as root), or run as root",
            )
        if _works("docker", "version"):
            return None
        return "a docker daemon that answers you", "start it and join its group, or run as root"
    if _works("unshare", "-m", "true"):
        return None
    return "the capability SYS_ADMIN", "start this container with --privileged"


def client() -> Row | None:
    """BuildKit: buildx, or a docker client that has it built in (18.09 to 22)."""
    if os.geteuid() == 0 or not shutil.which("docker"):
        return None  # as root Debian's client comes with its daemon
    if shutil.which("docker-buildx") or _works("docker", "buildx", "version"):
        return None
    if any(_major(path) < 23 for path in ("/usr/bin/docker", "docker") if shutil.which(path)):
        return None
    return "a docker client with BuildKit", "apt-get install docker-buildx (as root)"


def programs() -> Row | None:
    if os.geteuid() != 0 or not lacking() or shutil.which("apt-get"):
        return None
    return ", ".join(lacking()), "install them with this system's package manager"


def disk() -> Row | None:
    parent = data_folder().parent
    if not parent.is_dir():
        return None
    free = shutil.disk_usage(parent).free
    if free >= DISK:
        return None
    mend = "make room, or name another folder in PUSHWRIGHT_DEMO_DIR"
    return f"3 GB in {parent}, there are {free / 1e9:.1f} GB", mend


def folder() -> Row | None:
    """Only a folder of ours, by its name and its owner, is emptied."""
    data = data_folder()
    parent = data.parent
    if not parent.is_dir():
        return f"the folder {parent}", f"mkdir -p {parent}"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"a folder to write to, {parent} is not", "set PUSHWRIGHT_DEMO_DIR to another one"
    if not data.is_symlink() and (not data.exists() or data.stat().st_uid == os.geteuid()):
        return None
    return f"{data}, it is somebody else's", "set PUSHWRIGHT_DEMO_DIR to a folder of yours"


def sockets() -> Row | None:
    """A socket's path has room for 107 bytes, hence /tmp whatever the data folder is."""
    if os.access("/tmp", os.W_OK | os.X_OK):
        return None
    return "/tmp for sockets, it can't be written to", "mount -t tmpfs tmpfs /tmp"


def port() -> Row | None:
    wanted = os.environ.get("PUSHWRIGHT_DEMO_PORT")
    if not wanted:
        return None
    if not wanted.isdigit() or not 0 < int(wanted) < 65536:
        return f"PUSHWRIGHT_DEMO_PORT={wanted} is no port", "set it to a number, or leave it out"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted)))
        except OSError as error:
            why = "it is in use" if error.errno == 98 else str(error.strerror).lower()
            return f"port {wanted}, {why}", "set PUSHWRIGHT_DEMO_PORT to a free one"
    return None


CHECKS = (machine, python, git, make, host, daemon, client, programs, disk, folder, sockets, port)


def data_folder() -> Path:
    """A folder that is the demo's alone: it is emptied. PUSHWRIGHT_DEMO_DIR is its parent."""
    parent = Path(os.environ.get("PUSHWRIGHT_DEMO_DIR") or "/tmp").absolute()
    return parent / f"pushwright-demo-{os.geteuid()}"


def lacking() -> list[str]:
    """Programs of the demo that neither PATH nor the system's folders have."""
    path = os.environ.get("PATH", "") + SYSTEM
    return [p for p in ("dockerd", "docker-registry", "busybox") if not shutil.which(p, path=path)]


def install() -> int:
    """Root on Debian: what is lacking, from its packages, and nothing that starts or is removed."""
    if not lacking():
        return 0
    print(f"installing {', '.join(lacking())} from this system's packages …", flush=True)
    script = ROOT / "tests" / "tools" / "deps.sh"
    if subprocess.run(["sh", str(script), "demo"], check=False).returncode == 0 and not lacking():
        return 0
    row = (
        ", ".join(lacking()) or "packages",
        "apt-get could not install them: see its words above",
    )
    print(table([row]), file=sys.stderr)
    return 2


def _major(program: str) -> int:
    """First number of a docker client's version; 99 where it does not say."""
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=1, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 99
    number = told.stdout.partition("version ")[2].partition(".")[0]
    return int(number) if number.isdigit() else 99


def _works(*command: str) -> bool:
    try:
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
