"""The few calls to the docker daemon's own API that keep its disk within limits.

Over the socket, without a client: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlencode

from bot.ports import NotFound, Permanent, Temporary

_TIMEOUT = 120.0


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    """A docker daemon by its host, `unix:///…` or `tcp://…`."""

    def __init__(self, host: str) -> None:
        self._host = host

    def version(self) -> str:
        """Raises Temporary when it does not answer."""
        return str(self._ask("GET", "/version").get("Version", "unknown"))

    def info(self) -> Mapping[str, object]:
        """https://docs.docker.com/reference/api/engine/version/v1.47/#tag/System/operation/SystemInfo"""
        return self._ask("GET", "/info")

    def cache_bytes(self) -> int:
        """What the build cache and the images hold on disk. Cache that is shared with an image is
        counted with the image."""
        usage = self._ask("GET", "/system/df")
        records = usage.get("BuildCache")
        cache = records if isinstance(records, list) else []
        own = [r for r in cache if isinstance(r, dict) and not r.get("Shared")]
        return sum(int(r.get("Size") or 0) for r in own) + _image_bytes(usage)

    def prune_cache(self, keep_bytes: int) -> None:
        """Oldest records first until at most `keep_bytes` are left. Daemons before 28 read
        `keep-storage`, later ones `reserved-space` and `max-used-space`."""
        query = {
            "all": "1",
            "keep-storage": str(keep_bytes),
            "reserved-space": str(keep_bytes),
            "max-used-space": str(keep_bytes),
        }
        self._ask("POST", "/build/prune?" + urlencode(query))

    def prune_images(self) -> None:
        """All images that nothing uses, for a daemon that is ours alone. Not the youngest: one that
        a build is about to push is in nobody's use yet."""
        filters = {"dangling": ["false"], "until": ["1h"]}
        self._ask("POST", "/images/prune?filters=" + quote(json.dumps(filters)))

    def remove_image(self, reference: str) -> None:
        """Take this one name away; the image goes where it has no other. Missing is fine."""
        with contextlib.suppress(NotFound):
            self._ask("DELETE", "/images/" + quote(reference, safe="/:@"))

    def _ask(self, method: str, path: str) -> dict[str, object]:
        connection = self._connection()
        try:
            connection.request(method, path, headers={"Host": "docker"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Temporary(
                f"the docker daemon at {self._host} does not answer: {error}"
            ) from error
        finally:
            connection.close()
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotFound(f"the docker daemon has no {path}")
        if answer.status >= HTTPStatus.BAD_REQUEST:
            text = body[:300].decode(errors="replace")
            raise Permanent(f"the docker daemon refused {method} {path}: {text}")
        try:
            document = json.loads(body or b"{}")
        except ValueError as error:
            raise Permanent(f"the docker daemon answered no JSON to {path}") from error
        return document if isinstance(document, dict) else {}

    def _connection(self) -> http.client.HTTPConnection:
        if self._host.startswith("unix://"):
            return _SocketConnection(self._host.removeprefix("unix://"))
        address = self._host.removeprefix("tcp://").removeprefix("http://")
        return http.client.HTTPConnection(address, timeout=_TIMEOUT)


def _image_bytes(usage: dict[str, object]) -> int:
    """`LayersSize` up to Docker 28; `ImageUsage` since 29, empty where there is no image."""
    layers, images = usage.get("LayersSize"), usage.get("ImageUsage")
    if isinstance(images, dict):
        layers = images.get("TotalSize", layers)
    return layers if isinstance(layers, int) else 0
