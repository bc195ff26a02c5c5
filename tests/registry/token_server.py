"""A token service as registries want it, issuing real signed tokens, and a scripted HTTP server."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """A Content-Length other than the body's."""


Answer = Callable[[Asked], Reply]


@dataclass(slots=True)
class Script:
    """An HTTP server on loopback that answers by a function and keeps what it was asked."""

    url: str
    asked: list[Asked]

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@contextmanager
def serve(answer: Answer, certificate: tuple[Path, Path] | None = None) -> Iterator[Script]:
    """certificate: (certificate file, key file) for TLS."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Asked(
                self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
            )
            asked.append(request)
            reply = answer(request)
            size = len(reply.body) if reply.length is None else reply.length
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
            if size != len(reply.body):
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        scheme = "https" if certificate else "http"
        yield Script(f"{scheme}://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Signer:
    """A key with a self-made certificate; its tokens are what docker-registry checks."""

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        der = certificate.public_bytes(serialization.Encoding.DER)
        self._x5c = [base64.b64encode(der).decode()]

    def token(self, scopes: list[str], *, life: int = 300) -> str:
        """A token for `repository:name:action,action` scopes, `life` seconds from now."""
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {
            "iss": "tests",
            "sub": "robot",
            "aud": "registry",
            "iat": now,
            "nbf": now - 5,
            "exp": now + life,
            "jti": "1",
            "access": access,
        }
        return jwt.encode(claims, self._key, "RS256", headers={"x5c": self._x5c})


def scopes_of(asked: Asked) -> list[str]:
    """The scopes of a token request, in either form."""
    if asked.method == "POST":
        return parse_qs(asked.body.decode()).get("scope", [""])[0].split()
    return parse_qs(urlsplit(asked.path).query).get("scope", [])


def json_reply(document: object, status: int = 200) -> Reply:
    body = json.dumps(document).encode()
    return Reply(status, body, {"Content-Type": "application/json"})
