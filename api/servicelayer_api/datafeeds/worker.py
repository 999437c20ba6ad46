"""The background loop of data feeds: watch how old their prices are. Any process may run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from servicelayer_api.datafeeds import store
from servicelayer_api.errors import ServiceError
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from servicelayer_api.datafeeds.metrics import FeedMetrics
    from servicelayer_api.db import Database

_PAUSE: Final = 10.0

_log = structlog.get_logger(__name__)


def watch(database: Database, metrics: FeedMetrics) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that reads the figures by state."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with database.connection() as connection:
                    metrics.show(await store.list_figures(connection))
            except ServiceError as exc:
                _log.debug("the figures of data feeds cannot be read", reason=str(exc))
            await stopped_within(stop, _PAUSE)

    return run
