"""What stands around every request beside the authentication: limits outside, idempotency inside.

Two features, because the authentication stands between them. Their workers need no lease: any
number of replicas may run them at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import Unavailable
from servicelayer_api.web.feature import Feature, Worker, stopped_within
from servicelayer_api.web.idempotency import Idempotency
from servicelayer_api.web.keys import derive_keys
from servicelayer_api.web.rate_limit import AddressLimit, CallerLimit, RateLimiter
from servicelayer_api.web.rates import parse_rate
from servicelayer_api.web.reply_store import ReplySeal, delete_expired_replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar.types import ASGIApp

    from servicelayer_api.web.feature import Core
    from servicelayer_api.web.public import PublicPaths

_KEY_PURPOSE: Final = "replies/1"
_SHARE_SECONDS: Final = 0.5
_PURGE_SECONDS: Final = 60.0
_PURGE_BATCH: Final = 500


def build(core: Core) -> tuple[Feature, Feature]:
    """Make what stands outside of the authentication, and what stands inside of it.

    Raises:
        SettingsError: `RATE_LIMIT` is no rate.
    """
    settings = core.settings
    seal = ReplySeal(*derive_keys(settings, _KEY_PURPOSE))

    def idempotency(app: ASGIApp, _: PublicPaths) -> Idempotency:
        return Idempotency(app, core.database, seal, settings.max_body_bytes)

    purge = Worker("request-replies", _every(_PURGE_SECONDS, lambda: _purge(core)))
    rate = parse_rate(settings.rate_limit, settings.rate_limit_burst)
    if rate is None:
        return Feature(name="limits"), Feature(
            name="requests", middleware=[idempotency], workers=[purge]
        )
    limiter = RateLimiter(rate, core.clock, core.database, core.metrics)
    outside = Feature(
        name="limits",
        middleware=[lambda app, _public: AddressLimit(app, limiter)],
        workers=[
            Worker("rate-limit", _every(_SHARE_SECONDS, limiter.share)),
            Worker("rate-limit-rows", _every(_PURGE_SECONDS, limiter.forget)),
        ],
    )
    inside = Feature(
        name="requests",
        middleware=[lambda app, _public: CallerLimit(app, limiter), idempotency],
        workers=[purge],
    )
    return outside, inside


async def _purge(core: Core) -> None:
    deleted = _PURGE_BATCH
    while deleted == _PURGE_BATCH:
        async with core.database.connection() as connection:
            deleted = await delete_expired_replies(connection, _PURGE_BATCH)


def _every(
    seconds: float, work: Callable[[], Awaitable[None]]
) -> Callable[[asyncio.Event], Awaitable[None]]:
    async def run(stop: asyncio.Event) -> None:
        while not await stopped_within(stop, seconds):
            await _try(work)

    return run


async def _try(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Unavailable:
        # The next round makes up for it.
        return
