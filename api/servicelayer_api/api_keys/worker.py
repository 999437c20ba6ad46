"""Writes down when keys were used, a few seconds later and off the path of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import Unavailable
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from servicelayer_api.api_keys.service import ApiKeys

_INTERVAL: Final = 5.0


def usage_writer(api_keys: ApiKeys) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop; writes what is left when told to stop."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await stopped_within(stop, _INTERVAL)
            await _write(api_keys)

    return run


async def _write(api_keys: ApiKeys) -> None:
    try:
        await api_keys.write_usage()
    except Unavailable:
        # What was used is kept and written when the database is back.
        return
