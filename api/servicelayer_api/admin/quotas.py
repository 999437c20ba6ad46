"""What tenants may use, as the other features ask for it.

`limit` answers from a cache of a few seconds, so that it costs a request nothing; a change of a
quota is known at once in the process that made it and within five seconds in the others. While the
database is away what was known last holds, and what was never known is no limit: quotas are never a
reason for an outage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import structlog

from servicelayer_api.admin import store
from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from servicelayer_api.admin.models import Quota
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Database

type QuotaName = Literal[
    "accounts",
    "functions",
    "rpc-per-minute",
    "storage-bytes",
    "gas-per-day",
    "requests-per-minute",
    "requests-per-day",
]

FIELDS: Final[dict[QuotaName, str]] = {
    "accounts": "max_accounts",
    "functions": "max_functions",
    "rpc-per-minute": "max_rpc_per_min",
    "storage-bytes": "max_storage_bytes",
    "gas-per-day": "max_gas_per_day",
    "requests-per-minute": "max_requests_per_min",
    "requests-per-day": "max_requests_per_day",
}
_TRUST_SECONDS: Final = 5.0
_MOST_TENANTS: Final = 10_000

_log = structlog.get_logger(__name__)


class Quotas:
    """What other features ask."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Look quotas up in this database."""
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, Quota | None]] = {}

    async def limit(self, name: QuotaName, tenant: str) -> int | None:
        """How much of something a tenant may use.

        Args:
            name: of the quota.
            tenant: whose.

        Returns:
            The limit; `None` when there is none.
        """
        quota = await self.find(tenant)
        return None if quota is None else getattr(quota, FIELDS[name]) or None

    async def find(self, tenant: str) -> Quota | None:
        """All quotas of a tenant; `None` when it has none."""
        now, known = self._clock.monotonic(), self._known.get(tenant)
        if known is not None and now < known[0]:
            return known[1]
        try:
            async with self._database.connection() as connection:
                quota = await store.find_quota(connection, tenant)
        except Unavailable:
            quota = known[1] if known else None
        if len(self._known) >= _MOST_TENANTS:
            self._known.clear()
        self._known[tenant] = (now + _TRUST_SECONDS, quota)
        return quota

    def forget(self, tenant: str) -> None:
        """Look a tenant's quota up anew at the next question."""
        self._known.pop(tenant, None)
