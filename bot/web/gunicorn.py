"""gunicorn's settings of the web process: `gunicorn -c python:bot.web.gunicorn bot.wsgi:app`.

This module is gunicorn's to load, in its form: names are settings, functions are hooks.

One worker with threads: it shares one writer to the inbox, whose commits carry many deliveries.
More throughput comes from more replicas, not from more workers (and SQLite has one writer anyway).
"""

import gc
from typing import Any

from bot.settings import read_settings

_settings = read_settings()

bind = [_settings.listen]
workers = 1
threads = _settings.web_threads
worker_class = "bot.web.server.PatientWorker"
worker_connections = 1000
backlog = 1024
keepalive = 15
"""Seconds; proxies keep connections open and hate to lose a request on one."""
timeout = 60
graceful_timeout = 20
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
forwarded_allow_ips = "127.0.0.1,::1"
"""Nothing of what proxies say about the client decides anything; this keeps it so."""
preload_app = True
"""The arbiter and the worker share the memory of what is imported."""
accesslog = None
loglevel = _settings.log_level
control_socket_disable = True


def when_ready(_server: Any) -> None:
    """Before the first fork: keep the shared memory shared (collections write to every object)."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    worker.app.wsgi().start()


def worker_exit(_server: Any, worker: Any) -> None:
    worker.app.wsgi().stop()
