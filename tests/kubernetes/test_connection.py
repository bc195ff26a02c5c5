"""TLS to the API server; tests/cluster has the rest, in an image with Python 3.13 among it."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.executors.kubernetes.connection import Connection, Way
from tests.cluster.pki import Authority
from tests.fakes.loopback import Reply, serve


def _way(folder: Path, server: str, more: dict[str, object]) -> Way:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server, **more}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return Connection(str(path), SystemClock()).way()


def _contexts(way: Way, number: int) -> list[ssl.SSLContext]:
    """Those of as many connections at once."""
    pool = way.pool.connection_from_url(way.host)
    made = [pool._new_conn() for _ in range(number)]
    try:
        for connection in made:
            connection.connect()
        contexts = [vars(connection)["ssl_context"] for connection in made]
    finally:
        for connection in made:
            connection.close()
    return contexts


@pytest.mark.parametrize("verify", [True, False])
def test_verifies_as_kubectl_does(verify: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    pair = authority.issue("server", "server", hosts=["127.0.0.1"])
    trust: dict[str, object] = {"certificate-authority": str(authority.certificate)}
    if not verify:
        trust = {"insecure-skip-tls-verify": True}
    with serve(lambda _: Reply(), (pair.certificate, pair.key)) as server:
        (context,) = _contexts(_way(tmp_path, server.url, trust), 1)
    assert context.verify_mode is (ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    assert context.check_hostname is verify
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_a_ca_that_is_not_the_servers_is_refused(tmp_path: Path) -> None:
    pair = Authority(tmp_path / "pki").issue("server", "server", hosts=["127.0.0.1"])
    other = Authority(tmp_path / "other")
    with serve(lambda _: Reply(), (pair.certificate, pair.key)) as server:
        way = _way(tmp_path, server.url, {"certificate-authority": str(other.certificate)})
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            _contexts(way, 1)


def test_connections_share_no_context_since_connecting_changes_it(tmp_path: Path) -> None:
    """With one for all, threads that connected at once sent freed memory as ALPN."""
    authority = Authority(tmp_path / "pki")
    pair = authority.issue("server", "server", hosts=["127.0.0.1"])
    with serve(lambda _: Reply(), (pair.certificate, pair.key)) as server:
        way = _way(tmp_path, server.url, {"certificate-authority": str(authority.certificate)})
        assert len({id(context) for context in _contexts(way, 3)}) == 3
