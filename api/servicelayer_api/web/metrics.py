"""Prometheus metrics under the guide's names, in a registry of this process.

Invariant: a label comes from a closed set (route templates, known methods, module names), never
from what a caller wrote, and nothing is formatted per request: the children are looked up by tuple.
With `WEB_WORKERS` above 1 each process has its own figures and a scrape sees one of them: leave it
at 1 and scale by replicas where exact sums matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

from servicelayer_api.web.modules import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from servicelayer_api.web.modules import ModuleRegistry

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NO_ROUTE = "unmatched"
_OTHER = "OTHER"


class HttpMetrics:
    """Counts requests; one call at the start and one at the end of each."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the instruments."""
        self._requests = Counter(
            "http_requests",
            "Requests answered, by route template.",
            ("method", "path", "status"),
            registry=registry,
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Seconds from the first byte of a request to the last byte of its answer.",
            ("method", "path"),
            buckets=_BUCKETS,
            registry=registry,
        )
        inflight = Gauge(
            "http_inflight_requests", "Requests that are being answered now.", registry=registry
        )
        self.inflight = 0
        inflight.set_function(lambda: self.inflight)
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    def observe(self, method: str, template: str | None, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            method: As the caller wrote it; unknown ones are counted together.
            template: The route's path with its parameters in braces; `None` when no route matched.
            status: Of the answer.
            seconds: It took.
        """
        key = (method, template or _NO_ROUTE, status)
        counter = self._counters.get(key)
        if counter is None:
            key = (method if method in _METHODS else _OTHER, key[1], status)
            counter = self._counters.get(key) or self._new_counter(key)
        counter.inc()
        self._timers[key[0], key[1]].observe(seconds)

    def _new_counter(self, key: tuple[str, str, int]) -> Counter:
        method, path, status = key
        counter = self._counters[key] = self._requests.labels(method, path, str(status))
        self._timers[method, path] = self._durations.labels(method, path)
        return counter


class ModuleCollector:
    """The state of the modules, read when a scrape asks, so that it is never stale."""

    def __init__(self, modules: ModuleRegistry) -> None:
        """Read from a registry of modules."""
        self._modules = modules

    def collect(self) -> Iterable[Metric]:
        """Give one gauge a module and status, 1 for the status it has."""
        status = GaugeMetricFamily(
            "service_module_status", "Lifecycle of a module: 1 for the status it has.",
            labels=("module", "status"),
        )  # fmt: skip
        ready = GaugeMetricFamily(
            "service_module_ready", "1 when the module is ready.", labels=("module",)
        )
        for state in self._modules.states():
            for value in STATUSES:
                status.add_metric((state.module.name, value), float(state.status == value))
            ready.add_metric((state.module.name,), float(state.ready == "ready"))
        yield status
        yield ready


class PoolCollector:
    """The pool's figures, read when a scrape asks."""

    def __init__(self, figures: Callable[[], Mapping[str, int]]) -> None:
        """Read from a pool."""
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Give the pool's gauges."""
        figures = self._figures()
        for name, key, text in (
            ("db_connections_active", "active", "Connections in use."),
            ("db_connections_open", "open", "Connections open."),
            ("db_pool_size", "max", "Connections at most."),
        ):
            yield GaugeMetricFamily(name, text, value=float(figures[key]))


def register(
    registry: CollectorRegistry,
    modules: ModuleRegistry,
    pool: Callable[[], Mapping[str, int]],
) -> HttpMetrics:
    """Register everything that the frame itself measures."""
    # A `_created` series beside every counter doubles the exposition and is read by nobody here.
    disable_created_metrics()
    ProcessCollector(registry=registry)
    registry.register(ModuleCollector(modules))
    registry.register(PoolCollector(pool))
    return HttpMetrics(registry)
