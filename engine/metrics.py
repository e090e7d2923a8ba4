"""What Prometheus may ask: counters and times, no names and no prompts."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.executor import Health

_WAIT_BUCKETS = (0.1, 1, 5, 15, 60, 300, 900, 3600)
_STEP_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Metrics:
    """The engine's own registry. `waiting`, `running` (in jobs) and `health` are asked at each scrape."""

    def __init__(
        self, *, waiting: Callable[[], int], running: Callable[[], int], health: Callable[[], Health]
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Live(waiting, running, health))
        self.jobs = Counter("darkroom_jobs", "Jobs that ended, by how.", ["outcome"], registry=self._registry)
        self.wait = Histogram(
            "darkroom_wait_seconds",
            "From acceptance to the worker.",
            buckets=_WAIT_BUCKETS,
            registry=self._registry,
        )
        self.step = Histogram(
            "darkroom_step_seconds",
            "Seconds per step of one image.",
            buckets=_STEP_BUCKETS,
            registry=self._registry,
        )

    def page(self) -> bytes:
        """Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)


class _Live(Collector):
    def __init__(
        self, waiting: Callable[[], int], running: Callable[[], int], health: Callable[[], Health]
    ) -> None:
        self._waiting = waiting
        self._running = running
        self._health = health

    def collect(self) -> Iterator[Metric]:
        health = self._health()
        yield GaugeMetricFamily("darkroom_queue_jobs", "Jobs that wait.", value=self._waiting())
        yield GaugeMetricFamily("darkroom_running_jobs", "Jobs that the worker has.", value=self._running())
        yield GaugeMetricFamily("darkroom_worker_ready", "1 while the worker can draw.", value=health.ready)
        yield CounterMetricFamily(
            "darkroom_worker_restarts", "Workers that died or were killed.", value=health.restarts
        )
