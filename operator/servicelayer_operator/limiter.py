"""A token bucket over all calls of the process, so that a storm of events cannot flood the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class TokenBucket:
    """Lets `rate` calls a second pass, after a first burst.

    Args:
        rate: Tokens added a second.
        burst: The most tokens that are saved up.
        clock: Monotonic seconds; the event loop's by default.
        sleep: How to wait.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: float,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._clock = clock
        self._sleep = sleep
        self._last: float | None = None

    async def take(self) -> None:
        """Wait for one token; those who come first are served first."""
        now = self._now()
        if self._last is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate)
        self._last = now
        # A debt makes each later caller wait longer, which keeps the order without a queue.
        self._tokens -= 1
        if self._tokens < 0:
            await self._sleep(-self._tokens / self._rate)

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()
