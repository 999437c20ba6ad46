"""Prometheus metrics under the guide's names, in a registry of this process.

Invariant: a label comes from a closed set (route templates, known methods, module names), never
from what a caller wrote, and nothing is formatted per request: the figures are looked up by tuple.
With `WEB_WORKERS` above 1 each process has its own figures and a scrape sees one of them: leave it
at 1 and scale by replicas where exact sums matter.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from prometheus_client import Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from servicelayer_api.web.modules import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from servicelayer_api.web.modules import ModuleRegistry

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BUCKET_NAMES = (*map(str, _BUCKETS), "+Inf")
_NO_ROUTE = "unmatched"
_OTHER = "OTHER"


class _Timer:
    """Durations of one method and route: how many fell into each bucket, and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0


class Connections(Protocol):
    """What knows the connections of the listener for everybody."""

    @property
    def open(self) -> int:
        """How many there are."""
        ...

    def figures(self) -> Mapping[str, int]:
        """How many were ended before their time, by the reason."""
        ...


class HttpMetrics:
    """Counts requests; one call at the start and one at the end of each.

    Plain numbers of its own, put into Prometheus' forms when a scrape asks: the library's
    instruments take a lock and a search for each number. Everything here runs in the loop's thread.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register what is counted."""
        inflight = Gauge(
            "http_inflight_requests", "Requests that are being answered now.", registry=registry
        )
        self.inflight = 0
        self.connections: Connections | None = None
        inflight.set_function(lambda: self.inflight)
        self._counts: dict[tuple[str, str | None, int], int] = {}
        self._timers: dict[tuple[str, str | None], _Timer] = {}
        registry.register(self)

    def observe(self, method: str, template: str | None, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            method: As the caller wrote it; unknown ones are counted together.
            template: The route's path with its parameters in braces; `None` when no route matched.
            status: Of the answer.
            seconds: It took.
        """
        if method not in _METHODS:
            method = _OTHER
        key = (method, template, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        timer = self._timers.get((method, template))
        if timer is None:
            timer = self._timers[method, template] = _Timer()
        timer.counts[bisect_left(_BUCKETS, seconds)] += 1
        timer.total += seconds

    def collect(self) -> Iterable[Metric]:
        """Give the present figures."""
        requests = CounterMetricFamily(
            "http_requests",
            "Requests answered, by route template.",
            labels=("method", "path", "status"),
        )
        for (method, path, status), count in self._counts.items():
            requests.add_metric((method, path or _NO_ROUTE, str(status)), float(count))
        durations = HistogramMetricFamily(
            "http_request_duration_seconds",
            "Seconds from the first byte of a request to the last byte of its answer.",
            labels=("method", "path"),
        )
        for (method, path), timer in self._timers.items():
            buckets = zip(_BUCKET_NAMES, map(float, accumulate(timer.counts)), strict=True)
            durations.add_metric((method, path or _NO_ROUTE), list(buckets), timer.total)
        yield requests
        yield durations
        yield from _connections(self.connections)


def _connections(connections: Connections | None) -> Iterable[Metric]:
    """Give the figures of the listener; families without a value while none is open."""
    open_now = GaugeMetricFamily("http_connections", "Connections open.")
    ended = CounterMetricFamily(
        "http_connections_ended",
        "Connections refused, ended to make room, or ended because they were too slow, by reason.",
        labels=("reason",),
    )
    if connections is not None:
        open_now.add_metric((), float(connections.open))
        for reason, count in connections.figures().items():
            ended.add_metric((reason,), float(count))
    yield open_now
    yield ended


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
