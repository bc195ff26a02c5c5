"""The docker daemon over its socket: is it there, what is it, is it still there."""

from __future__ import annotations

import http.client
import json
import re
import socket
from dataclasses import dataclass
from typing import Any

from bot.builder.budget import Budget
from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed

_POLL_SECONDS = 0.05
_PROBE_SECONDS = 2.0
_ANSWER_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """`containerd`: images are in the containerd store; only then can it write a registry cache.

    `lazy`: images can be pushed without storing them, so a full hit pulls no layer. That needs
    Docker 29.0.1 (https://github.com/moby/moby/pull/51494) with this store.
    """

    version: str
    numbers: tuple[int, int, int]
    containerd: bool

    @property
    def lazy(self) -> bool:
        return self.containerd and self.numbers >= (29, 0, 1)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    def __init__(self, host: str) -> None:
        self.host = host
        self._path = host.removeprefix("unix://")

    def answers(self) -> bool:
        """Within two seconds."""
        try:
            return self._get("/_ping", _PROBE_SECONDS).strip() == b"OK"
        except (OSError, http.client.HTTPException):
            return False

    def wait(self, seconds: float, budget: Budget) -> DaemonFacts:
        """Raises BuildFailed (dockerd-down, cancelled, timeout)."""
        tries = max(1, round(seconds / _POLL_SECONDS))
        for _ in range(tries):
            if self.answers():
                return self._facts()
            budget.sleep(_POLL_SECONDS)
        raise BuildFailed(
            BuildClass.DOCKERD_DOWN,
            f"dockerd did not start: nothing answers at {self.host} after {seconds:g} s",
        )

    def _facts(self) -> DaemonFacts:
        try:
            info = self._json("/info")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BuildFailed(BuildClass.DOCKERD_DOWN, f"dockerd answers with {error}") from error
        version = str(info.get("ServerVersion", ""))
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
        numbers = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
        store = {
            str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or [] if len(pair) > 1
        }
        containerd = store.get("driver-type", "").startswith("io.containerd.snapshotter")
        return DaemonFacts(version, numbers, containerd)

    def _json(self, path: str) -> dict[str, Any]:
        answer: Any = json.loads(self._get(path, 10.0))
        if not isinstance(answer, dict):
            raise ValueError("something that is no JSON object")  # noqa: TRY004 (an answer, no type)
        return answer

    def _get(self, path: str, timeout: float) -> bytes:
        connection = _UnixConnection(self._path, timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read(_ANSWER_LIMIT)
        finally:
            connection.close()
