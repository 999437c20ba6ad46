"""The workers: each takes a key, runs one round for it, and sees that it comes back when it should.

Invariants: an error of one resource never stops a worker or another resource; a round has an end
(a timeout), so that no key holds a worker for ever.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NoReturn

import structlog

from servicelayer_operator import observability
from servicelayer_operator.errors import ClusterError
from servicelayer_operator.reconcile import RoundFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servicelayer_operator.work_queue import Key, WorkQueue

ROUND_SECONDS = 120.0

_log = observability.get_logger(__name__)


async def work(queue: WorkQueue, reconcile: Callable[[Key], Awaitable[float | None]]) -> NoReturn:
    """Work on the queue for ever.

    Args:
        queue: Where keys come from.
        reconcile: One round; answers when the next one is due.
    """
    active = observability.ACTIVE_WORKERS.labels(observability.CONTROLLER)
    while True:
        key = await queue.take()
        active.inc()
        started = time.perf_counter()
        try:
            with structlog.contextvars.bound_contextvars(namespace=key.namespace, name=key.name):
                result = await _round(queue, key, reconcile)
        finally:
            active.dec()
            queue.done(key)
        controller = observability.CONTROLLER
        observability.RECONCILE_TIME.labels(controller).observe(time.perf_counter() - started)
        observability.RECONCILES.labels(controller, result).inc()
        if result == "error":
            observability.RECONCILE_ERRORS.labels(controller).inc()


async def _round(
    queue: WorkQueue, key: Key, reconcile: Callable[[Key], Awaitable[float | None]]
) -> str:
    """One round; its result under controller-runtime's names."""
    try:
        async with asyncio.timeout(ROUND_SECONDS):
            delay = await reconcile(key)
    except (ClusterError, RoundFailedError, TimeoutError) as error:
        said = str(error) or type(error).__name__
        _log.warning("round_failed", error=said, retry_in=round(queue.retry(key), 1))
        return "error"
    except Exception:  # noqa: BLE001 - one resource's bug must not stop the others
        # A bug: told with its traceback, and tried again like everything else.
        _log.exception("round_crashed", retry_in=round(queue.retry(key), 1))
        return "error"
    queue.succeeded(key)
    if delay is None:
        return "success"
    queue.add_after(key, delay)
    return "requeue_after"
