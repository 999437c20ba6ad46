"""Requests that tenants with a quota on them may make in a minute and in a day.

Each process counts what it lets through and adds it to the database about once a second, by one
statement for all tenants; the answer says what all processes together let through. Between two
such exchanges each process knows of its own requests only, so a quota may be overdrawn by what the
other processes let through in that second, never by more. A request that is refused is not counted.
While the database is away each process goes on with what it knew.

Periods are calendar minutes and days in UTC, by this machine's clock.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from servicelayer_api.admin import store
from servicelayer_api.admin.errors import RequestQuotaExceeded

if TYPE_CHECKING:
    from servicelayer_api.admin.models import Quota
    from servicelayer_api.admin.quotas import Quotas
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Database

type Period = Literal["minute", "day"]

LENGTHS: Final[dict[Period, timedelta]] = {
    "minute": timedelta(minutes=1),
    "day": timedelta(days=1),
}
FIELDS: Final[dict[Period, str]] = {
    "minute": "max_requests_per_min",
    "day": "max_requests_per_day",
}
_KEPT: Final = timedelta(days=2)


class Window(msgspec.Struct):
    """What is known of one period of a tenant.

    Attributes:
        began_at: Beginning of the period.
        shared: Requests in the database when it was asked last.
        own: Requests let through here since.
    """

    began_at: datetime
    shared: int = 0
    own: int = 0


class RequestQuota:
    """Counts and decides."""

    def __init__(self, database: Database, clock: Clock, quotas: Quotas) -> None:
        """Count for the tenants that have a quota."""
        self._database = database
        self._clock = clock
        self._quotas = quotas
        self._windows: dict[tuple[str, Period], Window] = {}

    async def take(self, tenant: str) -> None:
        """Let a request of a tenant through.

        Raises:
            RequestQuotaExceeded: the minute or the day is used up.
        """
        quota = await self._quotas.find(tenant)
        if quota is not None:
            self._take(tenant, quota)

    def _take(self, tenant: str, quota: Quota) -> None:
        now, taken = self._clock.now(), list[Window]()
        for period, name in FIELDS.items():
            limit: int = getattr(quota, name)
            if limit == 0:
                continue
            window = self._window(tenant, period, now)
            if window.shared + window.own >= limit:
                left = (window.began_at + LENGTHS[period] - now).total_seconds()
                raise RequestQuotaExceeded(name, limit, retry_after=math.ceil(left))
            taken.append(window)
        for window in taken:
            window.own += 1

    def _window(self, tenant: str, period: Period, now: datetime) -> Window:
        began_at = now.replace(second=0, microsecond=0)
        if period == "day":
            began_at = began_at.replace(hour=0, minute=0)
        window = self._windows.get((tenant, period))
        if window is None or window.began_at != began_at:
            window = self._windows[tenant, period] = Window(began_at)
        return window

    async def share(self) -> None:
        """Add what was let through here to the database, and hear of the others.

        Raises:
            Unavailable: the database is away; what was not added is added next time.
        """
        sent = {key: (window, window.own) for key, window in self._windows.items() if window.own}
        if not sent:
            self._forget()
            return
        counts = [(*key, window.began_at, own) for key, (window, own) in sent.items()]
        async with self._database.connection() as connection:
            found = await store.insert_requests(connection, counts)
        totals = {(tenant, period, began_at): total for tenant, period, began_at, total in found}
        for (tenant, period), (window, own) in sent.items():
            window.own -= own
            window.shared = totals[tenant, period, window.began_at]
        self._forget()

    async def prune(self) -> None:
        """Delete counts of periods that are long over.

        Raises:
            Unavailable: the database is away.
        """
        async with self._database.connection() as connection:
            await store.delete_requests(connection, self._clock.now() - _KEPT)

    def _forget(self) -> None:
        now = self._clock.now()
        over = [
            key
            for key, window in self._windows.items()
            if not window.own and window.began_at + LENGTHS[key[1]] <= now
        ]
        for key in over:
            del self._windows[key]
