"""TLS to the API server; tests/cluster has the rest, in an image with Python 3.13 among it."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.executors.kubernetes.connection import Connection


@pytest.mark.parametrize("verify", [True, False])
def test_verifies_as_kubectl_does(verify: bool, tmp_path: Path) -> None:
    cluster = {"server": "https://192.0.2.1", "insecure-skip-tls-verify": not verify}
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    way = Connection(str(path), SystemClock()).way()
    context = way.pool.connection_pool_kw["ssl_context"]
    assert context.verify_mode is (ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    assert context.check_hostname is verify
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
