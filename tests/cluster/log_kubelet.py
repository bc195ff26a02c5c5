"""The part of a kubelet that serves logs, over HTTPS: the API server asks it for what a container
printed. Lines are held with the time at which the runtime saw them, and a file may be rotated."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.cluster.control_plane import ControlPlane


class LogKubelet:
    """`logs[pod]` are (time, line without its end). `partial` is a line that has no end yet.
    `asked` are the queries, oldest first; `now` is the node's clock; `broken` refuses to read."""

    def __init__(self, plane: ControlPlane, node: str) -> None:
        self.logs: dict[str, list[tuple[float, bytes]]] = {}
        self.partial = b""
        self.asked: list[dict[str, list[str]]] = []
        self.broken = False
        self.now = 0.0
        self._plane = plane
        self._node = node

    def __enter__(self) -> Self:
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kubelet.serve(self)

            def log_message(self, *args: Any) -> None:
                """Silent."""

        pair = self._plane.authority.issue(f"kubelet-{self._node}", self._node, hosts=["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._plane.api.fake_node(self._node)
        address = [{"type": "InternalIP", "address": "127.0.0.1"}]
        port = {"kubeletEndpoint": {"Port": self._server.server_port}}
        status = {"status": {"addresses": address, "daemonEndpoints": port}}
        self._plane.api.patch(f"/api/v1/nodes/{self._node}/status", status)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._plane.api.delete(f"/api/v1/nodes/{self._node}")

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """/containerLogs/<namespace>/<pod>/<container>"""
        parts = urlsplit(request.path)
        query = parse_qs(parts.query)
        self.asked.append(query)
        since = query.get("sinceSeconds", [""])[0]
        oldest = self.now - int(since) if since else -1e9
        lines = self.logs.get(parts.path.split("/")[3], [])
        body = b"".join(line + b"\n" for at, line in lines if at >= oldest) + self.partial
        request.send_response(500 if self.broken else 200)
        request.send_header("Content-Type", "text/plain")
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = True
