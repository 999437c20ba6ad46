from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from servicelayer_operator.errors import UnavailableError
from servicelayer_operator.work_queue import Key, WorkQueue
from servicelayer_operator.workers import work
from support.fake_clock import FakeClock, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GOOD, BAD = Key("ns", "good"), Key("ns", "bad")


class Bench:
    """One worker whose rounds do what they are told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue = WorkQueue(clock=self.clock, jitter=lambda: 0.5)
        self.seen: list[Key] = []
        self.error: BaseException | None = None
        self.delay: float | None = None
        self.task = asyncio.create_task(work(self.queue, self.reconcile))

    async def reconcile(self, key: Key) -> float | None:
        self.seen.append(key)
        if key == BAD and self.error is not None:
            raise self.error
        return self.delay

    async def let(self, seconds: float) -> None:
        """Let time pass, and the queue notice it."""
        await self.clock.advance(seconds)
        self.queue.add_after(Key("ns", "tick"), 0.0)
        await settle()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    built = Bench()
    yield built
    built.task.cancel()
    await asyncio.gather(built.task, return_exceptions=True)


@pytest.mark.parametrize("error", [UnavailableError("cut"), TimeoutError(), KeyError("a bug")])
async def test_one_resources_error_stops_neither_the_worker_nor_another_resource(
    bench: Bench, error: Exception
) -> None:
    bench.error = error
    bench.queue.add(BAD)
    bench.queue.add(GOOD)
    await settle()
    assert bench.seen == [BAD, GOOD]
    assert not bench.task.done()
    assert bench.queue.failures(BAD) == 1
    assert bench.queue.failures(GOOD) == 0


async def test_a_failed_round_comes_back_after_its_backoff(bench: Bench) -> None:
    bench.error = UnavailableError("cut")
    bench.queue.add(BAD)
    await settle()
    await bench.let(0.5)
    assert bench.seen.count(BAD) == 1
    await bench.let(0.6)
    assert bench.seen.count(BAD) == 2


async def test_a_round_comes_back_when_it_asked_to(bench: Bench) -> None:
    bench.delay = 10.0
    bench.queue.add(GOOD)
    await settle()
    await bench.let(9)
    assert bench.seen.count(GOOD) == 1
    await bench.let(2)
    assert bench.seen.count(GOOD) == 2
