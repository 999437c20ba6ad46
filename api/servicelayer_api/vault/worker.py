"""The loop that carries a rotation on: one somebody just asked for, or one left behind."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servicelayer_api.vault.rotation import Rotations

_PAUSE: Final = 5.0


def rotation_loop(rotations: Rotations) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop; what fails because the database is away is tried again after the pause."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(ServiceError):
                await rotations.work(stop)
            await _wait(stop, rotations.asked)

    return run


async def _wait(stop: asyncio.Event, asked: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in (stop, asked)]
    await asyncio.wait(tasks, timeout=_PAUSE, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    asked.clear()
