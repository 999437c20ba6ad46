"""The background writer of answers. What it loses is computed again when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import ServiceError
from servicelayer_api.web.feature import stopped_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from servicelayer_api.random.service import Randomness

# Answers gather this long, so that many share a statement.
_PAUSE: Final = 0.1
_MOST: Final = 1_000


def answer_writer(randomness: Randomness) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Make the loop that writes answers until it is told to stop, and then what is left."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await stopped_within(stop, _PAUSE)
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
