"""How the API server is reached: its address, TLS, and the token, from a kubeconfig or the pod."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from kubernetes.client.configuration import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.utils.keepalive import tcp_keepalive_socket_options
from yaml import YAMLError

from bot import tls
from bot.ports import Clock, Permanent

_RELOAD_AFTER = 5.0
"""Seconds between two readings of the credentials, however many calls were refused."""


@dataclass(frozen=True, slots=True)
class Way:
    """One reading of the configuration."""

    host: str
    pool: urllib3.PoolManager
    configuration: Configuration

    def headers(self) -> dict[str, str]:
        """The bound token of a pod is read again every minute by the library's own hook."""
        token = self.configuration.get_api_key_with_prefix("BearerToken", "authorization")
        return {"Authorization": token.strip()} if token else {}


class _Https(urllib3.connection.HTTPSConnection):
    """Each connection makes its own TLS context, of the files as they are now.

    urllib3 sets ALPN, CA and client certificate of the context whenever it connects, which frees
    what a connection of another thread may be copying: https://github.com/python/cpython/issues/141012
    """

    def connect(self) -> None:
        # The CAs of older EKS and microk8s clusters lack what Python 3.13 wants of them:
        # https://github.com/kubernetes-client/python/issues/2394
        self.ssl_context = tls.context(verify=self.cert_reqs != ssl.CERT_NONE)
        super().connect()


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


class Connection:
    """Thread-safe. `kubeconfig` None: the service account of the pod that we run in."""

    def __init__(self, kubeconfig: str | None, clock: Clock) -> None:
        """Raises Permanent where there is no configuration, in words for an administrator."""
        self._kubeconfig = kubeconfig
        self._clock = clock
        self._lock = threading.Lock()
        self._way = self._read()
        self._read_at = clock.monotonic()

    def way(self) -> Way:
        return self._way

    def refused(self) -> bool:
        """The server did not accept our credential. True: it was read anew, ask again."""
        with self._lock:
            if self._clock.monotonic() - self._read_at < _RELOAD_AFTER:
                return False
            self._read_at = self._clock.monotonic()
            try:
                found = self._read()
            except Permanent:
                return False
            before, self._way = self._way, found
            before.pool.clear()
            return True

    def close(self) -> None:
        self._way.pool.clear()

    def _read(self) -> Way:
        configuration = Configuration()
        try:
            if self._kubeconfig is None:
                load_incluster_config(client_configuration=configuration)
                configuration.proxy = None  # the cluster's own address, never behind a proxy
            else:
                load_kube_config(self._kubeconfig, client_configuration=configuration)
        except (ConfigException, OSError, YAMLError, ValueError, TypeError, KeyError) as error:
            raise Permanent(self._unreadable(error)) from error
        configuration.retries = urllib3.Retry(0, redirect=False)
        configuration.connection_pool_maxsize = 8
        # Half a minute of silence, three unanswered probes: a dead peer is known within a minute.
        configuration.socket_options = tcp_keepalive_socket_options(30, 10, 3)
        pool = RESTClientObject(configuration).pool_manager
        pool.pool_classes_by_scheme = {**pool.pool_classes_by_scheme, "https": _HttpsPool}
        return Way(configuration.host.rstrip("/"), pool, configuration)

    def _unreadable(self, error: Exception) -> str:
        if self._kubeconfig is None:
            return (
                f"the cluster can't be reached: {error}; set `kubernetes.kubeconfig` in the "
                "central config, or run the bot in a pod that has a service account token"
            )
        return f"the kubeconfig {self._kubeconfig} can't be used: {error}"


def json_headers(way: Way, more: Mapping[str, str]) -> dict[str, str]:
    return {"Accept": "application/json", "User-Agent": "pushwright", **way.headers(), **more}
