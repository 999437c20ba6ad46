"""The watch over the queue: ends what has lived too long, measures what waits, forgets the rest.

It runs whether requests are dispatched here or by runners: the time to live is a hard end either
way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import Counter, Gauge

from servicelayer_api.audit.retention import Retention
from servicelayer_api.errors import ServiceError
from servicelayer_api.oracle import queue_store, rules
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio

    from prometheus_client import CollectorRegistry

    from servicelayer_api.audit import AuditLog
    from servicelayer_api.db import Database

ACTOR: Final = "oracle-watch"

_PAUSE: Final = 1.0
_MEASURE_EVERY: Final = 5
_BATCH: Final = 100

_log = structlog.get_logger(__name__)


class Watch:
    """One a process; several do not disturb each other."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        metrics: CollectorRegistry,
        *,
        ttl: float,
        dead_letters: bool,
    ) -> None:
        """Watch this database.

        Args:
            database: The queue.
            audit: Of every request that is ended.
            metrics: Where to show what waits.
            ttl: Seconds a request may live; 0 for no limit.
            dead_letters: Whether expired requests are kept as dead letters.
        """
        self._database = database
        self._audit = audit
        self._ttl = ttl
        self._dead_letters = dead_letters
        self._failing = False
        self._expired = Counter(
            "oracle_expired", "Oracle requests ended by their time to live.", registry=metrics
        )
        self._open = Gauge(
            "oracle_open_requests", "Oracle requests that are not completed.", registry=metrics
        )
        self._oldest = Gauge(
            "oracle_oldest_pending_seconds",
            "Age of the oldest oracle request that is not completed; 0 when there is none.",
            registry=metrics,
        )
        self._dead = Gauge(
            "oracle_dead_letters", "Oracle requests kept as dead letters.", registry=metrics
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until told to stop."""
        turn = 0
        while not stop.is_set():
            try:
                while self._ttl > 0 and await self.expire() == _BATCH:
                    pass
                if turn % _MEASURE_EVERY == 0:
                    await self._measure()
            except ServiceError as exc:
                if not self._failing:
                    _log.warning("the oracle's queue cannot be watched", reason=exc.detail)
                self._failing = True
            else:
                self._failing = False
            turn += 1
            await stopped_within(stop, _PAUSE)

    async def expire(self) -> int:
        """End some requests that have lived too long; gives how many."""
        error = rules.expiry_text(dead_letters=self._dead_letters)
        async with self._database.transaction() as connection:
            ended = await queue_store.update_expired(
                connection,
                ttl=self._ttl,
                limit=_BATCH,
                error=error,
                dead="expired" if self._dead_letters else None,
            )
            for request_id, account_id, tenant in ended:
                await self._audit.record_system(
                    connection,
                    actor=ACTOR,
                    action="oracle.request.failed",
                    account_id=account_id,
                    tenant=tenant,
                    resource_id=request_id,
                    after={"status": "failed", "error": error},
                )
        self._expired.inc(len(ended))
        return len(ended)

    async def _measure(self) -> None:
        async with self._database.connection() as connection:
            backlog = await queue_store.get_backlog(connection)
        self._open.set(backlog.open_requests)
        self._oldest.set(backlog.oldest_seconds)
        self._dead.set(backlog.dead_letters)


def forgetting(
    database: Database, audit: AuditLog, metrics: CollectorRegistry, days: int
) -> Retention:
    """The loop that deletes requests completed more than so many days ago, in one process."""
    deleted = Counter(
        "oracle_deleted_requests",
        "Completed oracle requests deleted because they were older than ORACLE_RETENTION_DAYS.",
        registry=metrics,
    )
    return Retention(
        database,
        audit,
        "oracle-retention",
        "oracle.requests.expire",
        days=days,
        delete=queue_store.delete_finished,
        deleted=deleted,
    )
