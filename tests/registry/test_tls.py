"""Registries with TLS: the administrator's own authority, and nothing secret by plain HTTP."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.ports import Forbidden, Permanent, Temporary
from bot.registry.transport import Endpoint
from tests.fakes.loopback import Script, serve
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need
from tests.registry.conftest import MakeClient, Time
from tests.registry.test_auth import auth_file
from tests.registry.token_server import Signer, json_reply


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """(certificate, key) for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = tmp_path / "tls.pem", tmp_path / "tls.key"
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture
def service() -> Iterator[Script]:
    """A token service that speaks plain HTTP."""
    with serve(lambda _: json_reply({"token": "x"})) as script:
        yield script


def test_an_own_authority(
    certificate: tuple[Path, Path], make_client: MakeClient, tmp_path: Path
) -> None:
    need(PROGRAM, GET)
    with RegistryProcess(tmp_path / "tls", certificate=certificate) as process:
        host = process.host
        make_client(Endpoint(host, ca_file=str(certificate[0]))).ping(host)
        with pytest.raises(Temporary, match="ca-file"):
            make_client(Endpoint(host)).ping(host)
        with pytest.raises(Permanent, match="ca-file"):
            make_client(Endpoint(host, ca_file=str(tmp_path / "none.pem"))).ping(host)


def test_no_credentials_to_a_token_service_by_plain_http(
    certificate: tuple[Path, Path],
    service: Script,
    make_client: MakeClient,
    clock: Time,
    tmp_path: Path,
) -> None:
    need(PROGRAM, GET)
    token = {
        "realm": f"{service.url}/token",
        "service": "registry",
        "issuer": "tests",
        "rootcertbundle": str(Signer(tmp_path).bundle),
    }
    with RegistryProcess(
        tmp_path / "tls", certificate=certificate, auth={"token": token}
    ) as process:
        host = process.host
        entry = {"username": "robot", "password": "canary"}
        file = auth_file(tmp_path / "config.json", clock, host, entry)
        client = make_client(Endpoint(host, credentials=file, ca_file=str(certificate[0])))
        with pytest.raises(Forbidden, match="plain HTTP"):
            client.digest(f"{host}/api", "v1")
    assert not service.asked


def test_a_proxy_of_the_environment_is_not_used_on_loopback(
    registry: RegistryProcess, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    make_client(Endpoint(registry.host, insecure=True)).ping(registry.host)


def test_a_proxy_is_used_where_one_is_named(make_client: MakeClient) -> None:
    with serve(lambda _: json_reply({})) as proxy:
        endpoint = Endpoint("registry.example:5000", insecure=True, proxy=proxy.url)
        make_client(endpoint).ping("registry.example:5000")
    assert [asked.path for asked in proxy.asked] == ["http://registry.example:5000/v2/"]
