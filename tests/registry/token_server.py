"""A token service as registries want it: real signed tokens, and how it reads what it is asked."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.fakes.loopback import Asked, Reply


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


def has_password(asked: Asked, user: str, password: str) -> bool:
    """Of a token request, in either form."""
    wanted = base64.b64encode(f"{user}:{password}".encode()).decode()
    given = asked.headers.get("Authorization") == f"Basic {wanted}"
    return given or f"password={password}" in asked.body.decode().split("&")


def json_reply(document: object, status: int = 200) -> Reply:
    body = json.dumps(document).encode()
    return Reply(status, body, {"Content-Type": "application/json"})
