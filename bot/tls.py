"""HTTPS to a host whose certificate a private CA signed, verified as git, docker and kubectl do.

Python 3.13, which the bot's image has, also wants extensions that many private CAs do not have
(openssl's own defaults among them): https://docs.python.org/3/whatsnew/3.13.html#ssl
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import create_urllib3_context


def context(*, verify: bool = True) -> ssl.SSLContext:
    """Chain, name and dates are verified; no certificate is trusted yet."""
    made = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return made


class PrivateCaAdapter(HTTPAdapter):
    """`verify=<file>` trusts that file's certificates besides the system's. Not thread-safe."""

    def __init__(self, **options: Any) -> None:
        self._contexts: dict[tuple[str, int], ssl.SSLContext] = {}
        super().__init__(**options)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:  # of types that requests' stubs keep to themselves
        """Connections of one CA never serve another: the context is part of a pool's key."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        # Reading the system's certificates takes 30 ms, which plain HTTP need not wait for.
        if host["scheme"] == "https" and isinstance(verify, str) and Path(verify).is_file():
            pool["ssl_context"] = self._of(verify)
        return host, pool

    def _of(self, file: str) -> ssl.SSLContext:
        """Of the file as it is now: what a changed one no longer holds is no longer trusted."""
        key = (file, Path(file).stat().st_mtime_ns)
        if key not in self._contexts:
            made = context()
            made.load_default_certs()
            self._contexts[key] = made
        return self._contexts[key]
