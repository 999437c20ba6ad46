"""Logs and metrics of the operator: structlog to stdout, and one Prometheus registry.

Invariants: metric names are controller-runtime's where it has one, so that public dashboards work;
labels are bounded (kinds, condition types, results; never names of objects). kopf's own loggers are
held at INFO and above for objects and at WARNING for its HTTP client, because at DEBUG they print
the bodies of patches, which may hold secrets.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from servicelayer_operator.settings import Settings

CONTROLLER = "servicelayer"

REGISTRY = CollectorRegistry()

RECONCILES = Counter(
    "controller_runtime_reconcile",
    "Reconciliations by result.",
    ("controller", "result"),
    registry=REGISTRY,
)
RECONCILE_ERRORS = Counter(
    "controller_runtime_reconcile_errors",
    "Reconciliations that ended with an error.",
    ("controller",),
    registry=REGISTRY,
)
RECONCILE_TIME = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "How long one reconciliation takes.",
    ("controller",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
ACTIVE_WORKERS = Gauge(
    "controller_runtime_active_workers",
    "Workers that reconcile right now.",
    ("controller",),
    registry=REGISTRY,
)
MAX_WORKERS = Gauge(
    "controller_runtime_max_concurrent_reconciles",
    "The most workers that may reconcile at once.",
    ("controller",),
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge(
    "workqueue_depth", "Keys that wait to be reconciled.", ("name",), registry=REGISTRY
)
QUEUE_ADDS = Counter("workqueue_adds", "Keys added to the queue.", ("name",), registry=REGISTRY)
QUEUE_RETRIES = Counter(
    "workqueue_retries", "Keys added again after a failure.", ("name",), registry=REGISTRY
)
QUEUE_WAIT = Histogram(
    "workqueue_queue_duration_seconds",
    "How long a key waits before a worker takes it.",
    ("name",),
    registry=REGISTRY,
)
QUEUE_WORK = Histogram(
    "workqueue_work_duration_seconds",
    "How long a worker is busy with a key.",
    ("name",),
    registry=REGISTRY,
)
QUEUE_UNFINISHED = Gauge(
    "workqueue_unfinished_work_seconds",
    "Seconds of work in progress, summed over the workers.",
    ("name",),
    registry=REGISTRY,
)
QUEUE_LONGEST = Gauge(
    "workqueue_longest_running_processor_seconds",
    "Seconds that the longest running worker is busy.",
    ("name",),
    registry=REGISTRY,
)
LEADER = Gauge(
    "leader_election_master_status", "1 while this process leads.", ("name",), registry=REGISTRY
)
REST_CLIENT_REQUESTS = Counter(
    "rest_client_requests",
    "Calls to the Kubernetes API by answer and method.",
    ("code", "method"),
    registry=REGISTRY,
)
CONDITION = Gauge(
    "servicelayer_condition",
    "1 for the status that a condition of a ServiceLayer has.",
    ("namespace", "name", "type", "status"),
    registry=REGISTRY,
)
APPLIES = Counter(
    "servicelayer_apply",
    "Children by what applying them did.",
    ("kind", "result"),
    registry=REGISTRY,
)
DRIFT_REPAIRS = Counter(
    "servicelayer_drift_repairs",
    "Children put back after somebody changed or deleted them.",
    ("kind",),
    registry=REGISTRY,
)
WATCH_AGE = Gauge(
    "servicelayer_watch_last_activity_seconds",
    "Seconds since the watch of a kind last said something.",
    ("kind",),
    registry=REGISTRY,
)
LOOP_LAG = Gauge(
    "servicelayer_event_loop_lag_seconds",
    "How late the event loop wakes a sleeper.",
    registry=REGISTRY,
)
BUILD_INFO = Gauge(
    "servicelayer_operator_build_info", "1, labelled by version.", ("version",), registry=REGISTRY
)
DEFINITION_CURRENT = Gauge(
    "servicelayer_operator_definition_current",
    "1 when the cluster serves every field of ServiceLayer that this operator knows, "
    "0 when the chart servicelayer-operator-crds must be upgraded.",
    registry=REGISTRY,
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A structured logger; events are snake_case names with values beside them."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure_logging(settings: Settings) -> None:
    """Send all logs of the process to stdout in the chosen format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    _tame_libraries(level)


def _tame_libraries(level: int) -> None:
    """Hold the libraries' loggers where they cannot print bodies or flood the log."""
    for name, least in (
        ("kopf", logging.INFO),
        ("kopf.objects", logging.WARNING),
        ("kopf.activities", logging.WARNING),
        ("kopf._cogs.clients", logging.WARNING),
        ("kubernetes", logging.WARNING),
        ("aiohttp", logging.WARNING),
        ("httpx", logging.WARNING),
        ("httpcore", logging.WARNING),
        ("asyncio", logging.WARNING),
    ):
        logging.getLogger(name).setLevel(max(level, least))
