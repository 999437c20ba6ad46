"""The background loops: settlement on every replica, the check of the ledger on one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from servicelayer_api.db.leases import acquire_lease
from servicelayer_api.errors import Unavailable
from servicelayer_api.gasbank.store import ledger
from servicelayer_api.ids import new_id
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from servicelayer_api.db import Database
    from servicelayer_api.gasbank.metrics import GasBankMetrics
    from servicelayer_api.gasbank.models import Check
    from servicelayer_api.gasbank.settlement import Settlement

_LEASE: Final = "gasbank-ledger-check"
# The check reads the whole ledger: it may take a twentieth of one connection's time.
_SHARE: Final = 20.0
_PATIENCE: Final = 600.0

_log = structlog.get_logger(__name__)


def settler(settlement: Settlement, interval: float) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that settles."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                wait = await settlement.run_once()
            except Unavailable:
                # The database is away; nothing is lost, leases run out by themselves.
                wait = min(interval, 1.0)
            await stopped_within(stop, wait)

    return run


class LedgerChecker:
    """Judges the ledger from time to time and shows the verdict on every replica."""

    def __init__(self, database: Database, metrics: GasBankMetrics, interval: float) -> None:
        """Check every so many seconds, or less often when the ledger is large."""
        self._database = database
        self._metrics = metrics
        self._interval = interval
        self._holder = new_id()
        self.last: Check | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """The loop."""
        while not stop.is_set():
            wait = self._interval
            try:
                self.last = await self.run_once()
            except Unavailable:
                wait = min(wait, 5.0)
            if self.last is not None:
                self._metrics.checked(self.last)
                wait = max(wait, self.last.duration_ms / 1000 * _SHARE)
                if not self.last.balanced:
                    _log.error(
                        "ledger_not_balanced", drift=self.last.drift, faults=self.last.faults
                    )
            await stopped_within(stop, wait)

    async def run_once(self) -> Check | None:
        """Judge the ledger if it is this replica's turn; give the last verdict of any."""
        async with self._database.connection() as connection:
            seconds = self._interval * 0.9
            if await acquire_lease(connection, _LEASE, self._holder, seconds) is None:
                return await ledger.find_check(connection)
            check = await ledger.judge(connection, seconds=_PATIENCE)
            await ledger.keep_check(connection, check)
            return check
