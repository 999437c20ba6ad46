"""The background loop that shares the counts of requests between processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from servicelayer_api.errors import ServiceError
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from servicelayer_api.admin.requests import RequestQuota

_PAUSE: Final = 1.0
_PRUNE_EVERY: Final = 3600

_log = structlog.get_logger(__name__)


def sharing(requests: RequestQuota) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop; it shares what is left when it is told to stop."""

    async def run(stop: asyncio.Event) -> None:
        failing, rounds = False, 0
        while True:
            stopping = await stopped_within(stop, _PAUSE)
            try:
                await requests.share()
                if rounds % _PRUNE_EVERY == 0:
                    await requests.prune()
            except ServiceError as exc:
                if not failing:
                    _log.warning("requests of tenants are counted here only", reason=str(exc))
                failing = True
            else:
                failing = False
                rounds += 1
            if stopping:
                return

    return run
