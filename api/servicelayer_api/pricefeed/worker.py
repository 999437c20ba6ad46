"""The background loops of price feeds: fetch what is due, watch how old prices are, forget.

Any number of processes may run them: a fetch is claimed by one of them, and one at a time deletes
observations that are past their time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from servicelayer_api.audit.retention import Retention
from servicelayer_api.errors import ServiceError
from servicelayer_api.pricefeed import retention_store, store
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servicelayer_api.audit import AuditLog
    from servicelayer_api.db import Database
    from servicelayer_api.pricefeed.fetching import Fetching
    from servicelayer_api.pricefeed.metrics import FeedMetrics
    from servicelayer_api.pricefeed.models import Claim

_PAUSE: Final = 0.25
_AT_ONCE: Final = 32
_WATCH_PAUSE: Final = 10.0

_log = structlog.get_logger(__name__)


def fetcher(fetching: Fetching) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that fetches; it ends when the fetches it has begun have ended."""
    return _Fetcher(fetching).run


def watch(
    database: Database, metrics: FeedMetrics, frozen_rounds: int
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that reads the figures by state."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with database.connection() as connection:
                    metrics.show(await store.list_figures(connection, frozen_rounds))
            except ServiceError as exc:
                _log.debug("the figures of price feeds cannot be read", reason=str(exc))
            await stopped_within(stop, _WATCH_PAUSE)

    return run


def forgetting(database: Database, audit: AuditLog, metrics: FeedMetrics, days: int) -> Retention:
    """The loop that deletes observations older than so many days."""
    return Retention(
        database,
        audit,
        "pricefeed-retention",
        "pricefeed.observations.expire",
        days=days,
        delete=retention_store.delete_observations,
        deleted=metrics.deleted,
    )


class _Fetcher:
    def __init__(self, fetching: Fetching) -> None:
        self._fetching = fetching
        self._running: set[asyncio.Task[None]] = set()
        self._failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch until told to stop."""
        try:
            while not stop.is_set():
                room = _AT_ONCE - len(self._running)
                claims = await self._claim(room) if room else []
                self._begin(claims)
                if len(claims) < room:
                    await stopped_within(stop, _PAUSE)
                else:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._running:
                await asyncio.wait(self._running)

    async def _claim(self, room: int) -> list[Claim]:
        try:
            claims = await self._fetching.claim(room)
        except ServiceError as exc:
            self._note(exc)
            return []
        self._note(None)
        return claims

    def _begin(self, claims: list[Claim]) -> None:
        for claim in claims:
            task = asyncio.create_task(self._fetch(claim))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _fetch(self, claim: Claim) -> None:
        try:
            await self._fetching.fetch(claim)
        except ServiceError as exc:
            # Nothing was written; the claim expires and the fetch is made again.
            self._note(exc)
        except Exception:  # noqa: BLE001 - one feed must not end the loop for all of them
            _log.exception("a price cannot be fetched", feed=str(claim.feed.id))

    def _note(self, exc: ServiceError | None) -> None:
        if exc is not None and not self._failing:
            _log.warning("prices cannot be written", reason=str(exc))
        if exc is None and self._failing:
            _log.info("prices are written again")
        self._failing = exc is not None
