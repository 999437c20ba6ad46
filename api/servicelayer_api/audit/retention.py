"""Deletes what is past its time: in small batches, by one process at a time, counted and recorded.

Invariant: the lease is taken in the transaction that deletes, so that its row is held until the
batch is committed and two processes never delete side by side; the entry of a batch is in that
transaction too. What may go is decided by the
feature that keeps it; while the database is away nothing goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from servicelayer_api.db.leases import acquire_lease
from servicelayer_api.errors import ServiceError
from servicelayer_api.ids import new_id
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from prometheus_client import Counter

    from servicelayer_api.audit.service import AuditLog
    from servicelayer_api.db import Connection, Database

    type Delete = Callable[[Connection, int, int], Awaitable[int]]

BATCH: Final = 500
_EVERY: Final = 60.0
# What is asked meanwhile comes first.
_BREATH: Final = 0.1
# Longer than the pause, so that the work stays where it is.
_LEASE_SECONDS: Final = 90.0

_log = structlog.get_logger(__name__)


class Retention:
    """The background loop of one table."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        name: str,
        action: str,
        *,
        days: int,
        delete: Delete,
        deleted: Counter,
    ) -> None:
        """Describe the work.

        Args:
            database: where from.
            audit: told of each batch.
            name: of the work among all processes, and of who did it in the log.
            action: what the log calls it.
            days: how long rows are kept.
            delete: deletes in the open transaction what is older than so many days, at most so many
                rows; gives how many it were.
            deleted: counts them.
        """
        self._database = database
        self._audit = audit
        self._name = name
        self._action = action
        self._days = days
        self._delete = delete
        self._deleted = deleted
        self._holder = new_id()

    async def run(self, stop: asyncio.Event) -> None:
        """Delete until told to stop; all that is due, then again in a minute."""
        failing = False
        while not stop.is_set():
            count = 0
            try:
                count = await self.delete_batch()
            except ServiceError as exc:
                if not failing:
                    _log.warning("what is past its time stays", work=self._name, reason=str(exc))
                failing = True
            else:
                failing = False
            await stopped_within(stop, _BREATH if count == BATCH else _EVERY)

    async def delete_batch(self) -> int:
        """Delete some rows if it is this process's turn; gives how many.

        Raises:
            Unavailable: the database is away, or the log cannot be written; nothing is deleted.
        """
        async with self._database.transaction() as connection:
            held = await acquire_lease(connection, self._name, self._holder, _LEASE_SECONDS)
            count = 0 if held is None else await self._delete(connection, self._days, BATCH)
            if count:
                await self._audit.record_system(
                    connection,
                    actor=self._name,
                    action=self._action,
                    after={"deleted": count, "days": self._days},
                )
        self._deleted.inc(count)
        return count
