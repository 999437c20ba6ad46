"""Deletes expired login attempts and used wallet challenges once a minute; any replica may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import Unavailable
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from servicelayer_api.auth.service import Logins

_INTERVAL: Final = 60.0


def sweeper(logins: Logins) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop."""

    async def run(stop: asyncio.Event) -> None:
        while not await stopped_within(stop, _INTERVAL):
            await _sweep(logins)

    return run


async def _sweep(logins: Logins) -> None:
    try:
        await logins.delete_expired()
    except Unavailable:
        # Nothing is lost: what is expired opens nothing, and the next round deletes it.
        return
