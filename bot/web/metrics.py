"""What the web process counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_EVENTS_MAX: Final = 64
"""Event names come from outside; more kinds than that are counted together."""


class Metrics:
    """One registry for each application, none for the whole process."""

    def __init__(self, gauges: Callable[[], Mapping[str, float]]) -> None:
        """`gauges` gives numbers such as the length of the store's queues."""
        self._registry = CollectorRegistry()
        self._events: set[str] = set()
        self._deliveries = Counter(
            "pushwright_webhook_deliveries",
            "Webhook requests by how they were answered; the event is told of genuine ones only.",
            ["source", "event", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pushwright_webhook_seconds",
            "Time from the first byte of a webhook request to its answer.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self._registry,
        )
        self._bytes = Histogram(
            "pushwright_webhook_bytes",
            "Size of the bodies of accepted deliveries.",
            buckets=(1e3, 1e4, 1e5, 1e6, 1e7, 2.5e7),
            registry=self._registry,
        )
        self._registry.register(_Gauges(gauges))

    def accepted(self, source: str, event: str, size: int) -> None:
        if event not in self._events and len(self._events) >= _EVENTS_MAX:
            event = "other"
        self._events.add(event)
        self._deliveries.labels(source, event, "accepted").inc()
        self._bytes.observe(size)

    def refused(self, source: str, outcome: str) -> None:
        self._deliveries.labels(source, "", outcome).inc()

    def took(self, seconds: float) -> None:
        self._seconds.observe(seconds)

    def page(self) -> bytes:
        return generate_latest(self._registry)


class _Gauges(Collector):
    """Numbers that are asked for when somebody looks."""

    def __init__(self, ask: Callable[[], Mapping[str, float]]) -> None:
        self._ask = ask

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing ahead of time: registering must not ask the store."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in sorted(self._ask().items()):
            yield GaugeMetricFamily(f"pushwright_{name}", f"{name}, as the store has it.", value)
