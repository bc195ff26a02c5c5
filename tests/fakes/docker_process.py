"""Real docker daemons as child processes: Debian's 20.10 and the 29 series built by `make tools`.

Usable outside pytest::

    with DockerDaemon(debian_dockerd(), Path("data")) as daemon:
        print(daemon.host)             # unix:///tmp/pw-…/d.sock
        daemon.empty()                 # the same daemon with a fresh data folder

A daemon here has a socket, data root, exec root and pid file of its own, no bridge and no iptables
rules, and touches no other daemon on the machine. Builds use `network: none`.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class DaemonProgram:
    """`name` for people and test ids, `path` of dockerd, `folder` that goes first on its PATH."""

    name: str
    path: Path
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    get: str = "make deps"


def tools_folder() -> Path:
    """Where `make tools` puts its programs, whether they are there or not."""
    script = ROOT / "tests" / "tools" / "build.sh"
    asked = subprocess.run(["sh", script, "--where"], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip())


def debian_dockerd() -> DaemonProgram | None:
    """The distribution's dockerd (20.10 on Debian 12); None where it is not installed."""
    found = shutil.which("dockerd", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))
    if found is None:
        return None
    return DaemonProgram("debian", Path(found), Path(found).parent)


def built_dockerd() -> DaemonProgram | None:
    """dockerd 29 of `make tools`; None where it is not built."""
    folder = tools_folder()
    if not (folder / "dockerd").exists():
        return None
    env = {"DOCKER_MIN_API_VERSION": "1.24"}
    return DaemonProgram("docker29", folder / "dockerd", folder, env, "make tools")


class DockerDaemon:
    """One dockerd; `stop()` (or leaving the `with` block) ends it and its containerd by pid.

    insecure: registries (host:port) that are asked over plain HTTP. driver: a storage driver; by
    default overlay where the data folder takes it, else vfs (`self.driver` says which). flags:
    further words of its command line.
    """

    def __init__(
        self,
        program: DaemonProgram,
        folder: Path,
        *,
        insecure: Sequence[str] = (),
        driver: str | None = None,
        env: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        self.program = program
        self.folder = folder
        # A unix socket's path has room for 107 bytes, and pytest's folders are long.
        self._short = Path(tempfile.mkdtemp(prefix="pw-", dir="/tmp"))
        self.socket = self._short / "d.sock"
        self.host = f"unix://{self.socket}"
        self.log_path = folder / "dockerd.log"
        self.driver = driver
        self._insecure = tuple(insecure)
        self._flags = tuple(flags)
        self._env = dict(env or {})
        self._generation = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def data_root(self) -> Path:
        return self.folder / f"data{self._generation}"

    @property
    def pid(self) -> int | None:
        """The pid of the running dockerd, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, timeout: float = 60.0) -> Self:
        """Start it and wait until it answers; RuntimeError with its last lines if it does not."""
        self.data_root.mkdir(parents=True, exist_ok=True)
        self._short.mkdir(exist_ok=True)
        shutil.rmtree(self._short / "x", ignore_errors=True)  # what a killed daemon left
        if self.driver is None and not takes_overlay(self.data_root):
            self.driver = "vfs"
        (self._short / "daemon.json").write_text("{}")  # else /etc/docker/daemon.json is read
        self._log = self.log_path.open("ab")
        path = f"{self.program.folder}:/usr/sbin:/usr/bin:/sbin:/bin"
        self._process = subprocess.Popen(
            self._argv(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"PATH": path, "HOME": str(self.folder), **self._log_limits(), **self._env},
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self.log_path.read_text("utf-8", "replace")[-1500:]
                self.stop(keep_socket=True)
                raise RuntimeError(f"{self.program.path} did not start: {tail}")
            time.sleep(0.05)
        return self

    def _argv(self) -> list[str]:
        argv = [str(self.program.path), f"--host={self.host}"]
        argv += [f"--data-root={self.data_root}", f"--exec-root={self._short / 'x'}"]
        argv += [f"--pidfile={self._short / 'd.pid'}", "--bridge=none"]
        argv += ["--iptables=false", "--ip6tables=false"]
        argv += [f"--config-file={self._short / 'daemon.json'}"]
        argv += ["--exec-opt", "native.cgroupdriver=cgroupfs"]
        if self.driver:
            argv += [f"--storage-driver={self.driver}"]
        for host in self._insecure:
            # 20.10: BuildKit honours only the form with http://, push only the other.
            argv += [f"--insecure-registry={host}"]
            if self.program.name == "debian":
                argv += [f"--insecure-registry=http://{host}"]
        return [*argv, *self._flags]

    def _log_limits(self) -> dict[str, str]:
        # -1 means "no limit" from BuildKit 0.9 on; the 0.8 of dockerd 20.10 takes it as "nothing".
        limit = "1073741824" if self.program.name == "debian" else "-1"
        names = ("BUILDKIT_STEP_LOG_MAX_SIZE", "BUILDKIT_STEP_LOG_MAX_SPEED")
        return {**dict.fromkeys(names, limit), **self.program.env}

    def answers(self) -> bool:
        """Whether it says OK to a ping within two seconds."""
        with suppress(OSError, http.client.HTTPException):
            return b" 200 OK" in self._ping()
        return False

    def _ping(self) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(2)
            link.connect(str(self.socket))
            link.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return link.recv(4096)

    def empty(self) -> None:
        """Restart with a fresh data folder: nothing cached, no image, as in a new build pod."""
        self.stop(keep_socket=True)
        old = self.data_root
        self._generation += 1
        remove_tree(old)
        self.start()

    def kill(self) -> None:
        """SIGKILL to dockerd alone, as the kernel's out-of-memory killer does it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def stop(self, *, keep_socket: bool = False) -> None:
        """SIGTERM, after 10 s SIGKILL; then whatever is left of its session. Twice does no harm."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            if process.poll() is None:
                process.kill()
            process.wait(10)
            end_orphans(self.folder, self._short / "x")
        if self._log is not None:
            self._log.close()
            self._log = None
        unmount_below(self._short)
        if not keep_socket:
            unmount_below(self.folder)
            shutil.rmtree(self._short, ignore_errors=True)

    def remove(self) -> None:
        """Stop, and remove the data folder with its mounts."""
        self.stop()
        remove_tree(self.folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()


def end_orphans(folder: Path, exec_root: Path) -> None:
    """SIGKILL to what outlived the dockerd of a data folder and an exec root: its containerd,
    shims, runc, and the steps they ran."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _belongs(entry, folder.resolve(), exec_root):
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)


def _belongs(entry: Path, folder: Path, exec_root: Path) -> bool:
    """Whether a process was started with our exec root, or its root lies in our data folder."""
    with suppress(OSError):
        if f"{exec_root}/".encode() in (entry / "cmdline").read_bytes():
            return True
        for line in (entry / "mountinfo").read_text("utf-8", "replace").splitlines():
            if line.split()[4] == "/":
                return f"{folder}/" in line
    return False


def unmount_below(folder: Path) -> None:
    """Lazily unmount what a killed daemon left mounted below `folder`."""
    real = str(folder.resolve())
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(real + "/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def remove_tree(folder: Path) -> None:
    """Remove a data folder, mounts of a dead daemon first."""
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def takes_overlay(folder: Path) -> bool:
    """Whether an overlay can be mounted in `folder` (overlay on overlay is refused)."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        base = Path(name)
        for part in ("lower", "upper", "work", "merged"):
            (base / part).mkdir()
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, str(base / "merged")],
            check=False,
            capture_output=True,
        )
        if mounted.returncode != 0:
            return False
        subprocess.run(["umount", str(base / "merged")], check=False, capture_output=True)
        return True
