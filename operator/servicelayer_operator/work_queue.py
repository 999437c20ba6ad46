"""The queue between what was noticed and what is done about it.

Invariants: a key is in the queue at most once (many events, one reconciliation); one key is never
worked on by two workers at once, and an event that comes meanwhile makes it run once more; a user's
edit overtakes child events, and those overtake the resync; a failing key comes back after a backoff
with jitter (1 s doubling to 5 min) that a success or a user's edit resets. The queue holds keys and
no objects: whoever takes a key looks at the world as it is then.
"""

from __future__ import annotations

import asyncio
import enum
import heapq
import itertools
import random
from typing import TYPE_CHECKING, NamedTuple

from servicelayer_operator import observability

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 300.0


class Key(NamedTuple):
    """A ServiceLayer's place."""

    namespace: str
    name: str


class Priority(enum.IntEnum):
    """Who goes first; the smaller number does."""

    USER = 0
    CHILD = 10
    RESYNC = 100


class _Entry(NamedTuple):
    priority: Priority
    order: int
    key: Key


class WorkQueue:
    """A keyed, deduplicated priority queue with delays.

    Args:
        clock: Monotonic seconds.
        jitter: Random numbers in [0, 1).
        name: Label of the metrics.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
        name: str = observability.CONTROLLER,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._order = itertools.count()
        self._ready: list[_Entry] = []
        self._queued: dict[Key, Priority] = {}
        self._since: dict[Key, float] = {}
        self._delayed: list[tuple[float, int, Key, Priority]] = []
        self._due: dict[Key, float] = {}
        self._working: dict[Key, float] = {}
        self._again: dict[Key, Priority] = {}
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self._depth = observability.QUEUE_DEPTH.labels(name)
        self._adds = observability.QUEUE_ADDS.labels(name)
        self._retries = observability.QUEUE_RETRIES.labels(name)
        self._wait = observability.QUEUE_WAIT.labels(name)
        self._work = observability.QUEUE_WORK.labels(name)
        self._unfinished = observability.QUEUE_UNFINISHED.labels(name)
        self._longest = observability.QUEUE_LONGEST.labels(name)

    def add(self, key: Key, priority: Priority = Priority.RESYNC) -> None:
        """Ask for a reconciliation now; a user's edit also forgets earlier failures."""
        if priority is Priority.USER:
            self._failures.pop(key, None)
        if key in self._working:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        self._due.pop(key, None)
        queued = self._queued.get(key)
        if queued is not None and queued <= priority:
            return
        if queued is None:
            self._adds.inc()
            self._since[key] = self._clock()
        # The old entry, if any, stays in the heap and is skipped when its turn comes.
        self._queued[key] = priority
        heapq.heappush(self._ready, _Entry(priority, next(self._order), key))
        self._depth.set(len(self._queued))
        self._changed.set()

    def add_after(self, key: Key, delay: float, priority: Priority = Priority.RESYNC) -> None:
        """Ask for a reconciliation later; the earliest of several wishes counts."""
        if key in self._queued or key in self._again:
            return
        due = self._clock() + delay
        if self._due.get(key, due) < due:
            return
        self._due[key] = due
        heapq.heappush(self._delayed, (due, next(self._order), key, priority))
        self._changed.set()

    def retry(self, key: Key) -> float:
        """Ask for a reconciliation after the key's backoff.

        Returns:
            The delay in seconds.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._retries.inc()
        # Capped before raised: 2**1100 would not fit a float.
        backoff = min(FIRST_BACKOFF * 2 ** min(failures, 10), LONGEST_BACKOFF)
        delay = backoff * (0.75 + 0.5 * self._jitter())
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: Key) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Forget everything about a key whose resource is gone."""
        for table in (self._failures, self._due, self._again):
            table.pop(key, None)

    def failures(self, key: Key) -> int:
        """How often the key failed in a row."""
        return self._failures.get(key, 0)

    async def take(self) -> Key:
        """Wait for the next key; the caller must say `done` with it afterwards."""
        while True:
            self._promote()
            key = self._pop()
            if key is not None:
                now = self._clock()
                self._wait.observe(now - self._since.pop(key, now))
                self._working[key] = now
                return key
            self._changed.clear()
            await self._sleep_until_next()

    def done(self, key: Key) -> None:
        """End the work on a key; it runs again if somebody asked meanwhile."""
        started = self._working.pop(key)
        self._work.observe(self._clock() - started)
        again = self._again.pop(key, None)
        if again is not None:
            self.add(key, again)

    def longest_running(self) -> float:
        """Seconds that the longest running worker is busy; 0 when all are idle. Sets the gauges."""
        now = self._clock()
        running = [now - since for since in self._working.values()]
        longest = max(running, default=0.0)
        self._unfinished.set(sum(running))
        self._longest.set(longest)
        return longest

    def __len__(self) -> int:
        return len(self._queued)

    def _promote(self) -> None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key, priority = heapq.heappop(self._delayed)
            # Only the wish that still counts: an earlier one or an `add` may have replaced it.
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key, priority)

    def _pop(self) -> Key | None:
        while self._ready:
            entry = heapq.heappop(self._ready)
            if self._queued.get(entry.key) == entry.priority:
                del self._queued[entry.key]
                self._depth.set(len(self._queued))
                return entry.key
        return None

    async def _sleep_until_next(self) -> None:
        timeout = max(0.0, self._delayed[0][0] - self._clock()) if self._delayed else None
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
