"""The background writer of answers. What it loses is computed again when somebody asks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servicelayer_api.random.service import Randomness

# Answers gather this long, so that many share a statement.
_PAUSE: Final = 0.1
_MOST: Final = 1_000


def answer_writer(randomness: Randomness) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Make the loop that writes answers until it is told to stop, and then what is left."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE)
            await _write(randomness)

    return run


async def _write(randomness: Randomness) -> None:
    answers = randomness.answers
    while answers:
        some = [answers.popleft() for _ in range(min(_MOST, len(answers)))]
        try:
            await randomness.store_answers(some)
        except ServiceError:
            # The database is away: the draws stay as they were committed.
            return
