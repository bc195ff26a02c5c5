"""A CA with no extension but that it is one, as openssl and many clusters make it, is good enough
for whom the administrator names it, and for nobody else."""

from __future__ import annotations

import http.server
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bot.builder import manifests
from bot.hosts.transport import HostSession
from bot.ports import Temporary
from bot.tls import PrivateCaAdapter
from tests.cluster.pki import Authority


class _Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    pair = authority.issue("server", "server", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_such_a_ca_is_refused_by_pythons_newer_rules(authority: Authority, url: str) -> None:
    strict = ssl.create_default_context(cafile=str(authority.certificate))
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(url, context=strict, timeout=10)


def test_hosts_and_registries_take_it(authority: Authority, url: str) -> None:
    with HostSession(url, str(authority.certificate), None) as host:
        assert host.get(url, timeout=10).text == "hello"
        assert not _context_of(host, url, authority).verify_flags & ssl.VERIFY_X509_STRICT
    with HostSession(url, None, None) as host, pytest.raises(requests.exceptions.SSLError):
        host.get(url, timeout=10)


def test_a_file_that_is_gone_is_temporary_and_named(url: str, tmp_path: Path) -> None:
    words = r"`ca-file` .*/none\.pem can't be read"
    with (
        HostSession(url, f"{tmp_path}/none.pem", None) as host,
        pytest.raises(Temporary, match=words),
    ):
        host.get(url, timeout=10)
    (tmp_path / "junk.pem").write_text("no certificate")
    wrong = pytest.raises(requests.exceptions.SSLError)
    with HostSession(url, f"{tmp_path}/junk.pem", None) as host, wrong:
        host.get(url, timeout=10)


def test_builders_take_it(authority: Authority, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = manifests._trust.__wrapped__()
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        assert answer.read() == b"hello"
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def _context_of(session: requests.Session, url: str, authority: Authority) -> ssl.SSLContext:
    """Python before 3.13 would take this CA in any case."""
    adapter = session.get_adapter(url)
    assert isinstance(adapter, PrivateCaAdapter)
    prepared = session.prepare_request(requests.Request("GET", url))
    _, pool = adapter.build_connection_pool_key_attributes(prepared, str(authority.certificate))
    context = pool["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    return context


def test_it_is_trusted_where_it_is_named_and_while_the_file_holds_it(
    authority: Authority, url: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    file = tmp_path / "ca.pem"
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", PrivateCaAdapter())
        file.write_bytes(authority.certificate.read_bytes())
        assert session.get(url, verify=str(file), timeout=10).ok
        with pytest.raises(requests.exceptions.SSLError):
            session.get(url, verify=str(other.certificate), timeout=10)
        file.write_bytes(other.certificate.read_bytes())
        with pytest.raises(requests.exceptions.SSLError):
            session.get(url, verify=str(file), timeout=10)
