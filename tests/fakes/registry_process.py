"""A real registry (Debian's docker-registry) as a child process, its access log counted.

Usable outside pytest::

    with RegistryProcess(storage=Path("data/registry")) as registry:
        print(registry.host)           # 127.0.0.1:41234
        before = registry.traffic()
        ...
        print(registry.traffic() - before)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.fakes.loopback import free_port

PROGRAM = "docker-registry"
GET = "apt-get install -y --no-install-recommends docker-registry"

_LINE = re.compile(
    r'^\S+ - \S+ \[[^\]]*\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" '
    r"(?P<status>\d{3}) (?P<size>\d+|-)"
)
_KINDS = (
    ("upload", re.compile(r"/blobs/uploads/")),
    ("blob", re.compile(r"/blobs/sha256:")),
    ("manifest", re.compile(r"/manifests/")),
)

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests and response-body bytes by (method, kind, status).

    Kinds are blob, manifest, upload and other. The bytes are those that the registry *sent*
    (pulls). It logs no size for what it received; what a push stored is
    `RegistryProcess.stored_bytes()`.
    """

    requests: Mapping[Key, int] = field(default_factory=dict)
    sent: Mapping[Key, int] = field(default_factory=dict)

    def __sub__(self, earlier: Traffic) -> Traffic:
        def less(now: Mapping[Key, int], then: Mapping[Key, int]) -> dict[Key, int]:
            return {key: n - then.get(key, 0) for key, n in now.items() if n != then.get(key, 0)}

        return Traffic(less(self.requests, earlier.requests), less(self.sent, earlier.sent))

    def count(self, method: str = "", kind: str = "", status: int = 0) -> int:
        """How many requests match; an empty criterion matches all."""
        return sum(n for key, n in self.requests.items() if _matches(key, method, kind, status))

    def bytes(self, method: str = "", kind: str = "", status: int = 0) -> int:
        """Response-body bytes of the requests that match; an empty criterion matches all."""
        return sum(n for key, n in self.sent.items() if _matches(key, method, kind, status))


def _matches(key: Key, method: str, kind: str, status: int) -> bool:
    return method in ("", key[0]) and kind in ("", key[1]) and status in (0, key[2])


def parse_access_log(text: str) -> Traffic:
    """Count the lines of Apache's combined format in `text`; all others are passed over."""
    requests: dict[Key, int] = {}
    sent: dict[Key, int] = {}
    for line in text.splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        path = found["path"].partition("?")[0]
        kind = next((name for name, pattern in _KINDS if pattern.search(path)), "other")
        key = (found["method"], kind, int(found["status"]))
        requests[key] = requests.get(key, 0) + 1
        sent[key] = sent.get(key, 0) + (0 if found["size"] == "-" else int(found["size"]))
    return Traffic(requests, sent)


class RegistryProcess:
    """One docker-registry on `address`; `stop()` (or leaving the `with` block) ends it by its pid.

    port: 0 takes a free one. in_front: words before its command. auth: the `auth` section of the
    registry's own configuration, e.g. `{"htpasswd": {"realm": "test", "path": "/…/htpasswd"}}`.
    certificate: (certificate file, key file) for TLS. `mirror_of`: the address of another registry,
    for a pull-through cache.
    """

    def __init__(
        self,
        storage: Path,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        program: str | None = None,
        auth: Mapping[str, object] | None = None,
        certificate: tuple[Path, Path] | None = None,
        mirror_of: str | None = None,
        in_front: Sequence[str] = (),
    ) -> None:
        self.storage = storage
        self.port = port or free_port()
        self.address = address
        self.host = f"{address}:{self.port}"
        self.scheme = "https" if certificate else "http"
        self.url = f"{self.scheme}://{self.host}"
        self.log_path = storage.parent / f"{storage.name}-{self.port}.log"
        self._program = program or PROGRAM
        self._in_front = tuple(in_front)
        self._settings = self._configuration(auth, certificate, mirror_of)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def _configuration(
        self,
        auth: Mapping[str, object] | None,
        certificate: tuple[Path, Path] | None,
        mirror_of: str | None,
    ) -> dict[str, object]:
        http: dict[str, object] = {
            "addr": self.host,
            "secret": "one process, one secret",
            "relativeurls": True,
        }
        if certificate:
            http["tls"] = {"certificate": str(certificate[0]), "key": str(certificate[1])}
        settings: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage)},
                "delete": {"enabled": True},
            },
            "http": http,
        }
        if auth:
            settings["auth"] = dict(auth)
        if mirror_of:
            settings["proxy"] = {"remoteurl": mirror_of}
        return settings

    def start(self, *, timeout: float = 20.0) -> Self:
        """Start it, wait until it answers, `timeout` s at most; else RuntimeError with its log."""
        if (program := shutil.which(self._program)) is None:
            raise RuntimeError(f"{self._program} is not installed: {GET}")
        self.storage.mkdir(parents=True, exist_ok=True)
        config = self.log_path.with_suffix(".yml")
        config.write_text(json.dumps(self._settings))  # JSON is YAML
        self._log = self.log_path.open("ab")
        self._process = subprocess.Popen(
            [*self._in_front, program, "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OTEL_TRACES_EXPORTER": "none"},
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{PROGRAM} did not start: {self.log_text()[-800:]}")
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        if self.scheme == "https":  # its certificate is the test's own business
            with suppress(OSError), socket.create_connection((self.address, self.port), 1):
                return True
            return False
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.url}/v2/", timeout=2):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return error.code == 401
        except OSError:
            return False

    @property
    def pid(self) -> int | None:
        """The pid of the running registry, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def stop(self) -> None:
        """End it by pid: SIGTERM, after 5 s SIGKILL. A second call does nothing."""
        if (process := self._process) is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def log_text(self) -> str:
        """All that the registry has printed so far, access log included."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def traffic(self) -> Traffic:
        """What went over the wire since the start."""
        return parse_access_log(self.log_text())

    def stored_bytes(self) -> int:
        """Bytes of all blobs (manifests are blobs too) in the storage directory."""
        blobs = self.storage / "docker" / "registry" / "v2" / "blobs"
        return sum(path.stat().st_size for path in blobs.rglob("data"))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
