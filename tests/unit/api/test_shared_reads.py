from __future__ import annotations

import asyncio

import pytest

from servicelayer_api.db import Database, SharedReads
from servicelayer_api.errors import Unavailable


class Source:
    """A value that is read slowly, and that changes."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.reads += 1
        seen = self.value
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return seen


@pytest.fixture
def reads() -> SharedReads:
    return SharedReads(Database("postgres://nobody@127.0.0.1/none"))


async def _started(*tasks: asyncio.Task[int]) -> None:
    """Let tasks run until they wait for the source."""
    for _ in range(3 + len(tasks)):
        await asyncio.sleep(0)


async def test_whoever_asks_during_a_read_gets_one_that_began_after_the_question(
    reads: SharedReads,
) -> None:
    source = Source()
    early = asyncio.create_task(reads.get("k", source.read))
    await _started(early)
    source.value = 1
    late = [asyncio.create_task(reads.get("k", source.read)) for _ in range(10)]
    await _started(*late)
    source.go_on.set()

    assert await early == 0
    assert await asyncio.gather(*late) == [1] * 10
    assert source.reads == 2


async def test_reads_of_one_key_do_not_wait_for_those_of_another(reads: SharedReads) -> None:
    slow, quick = Source(), Source()
    quick.go_on.set()
    waiting = asyncio.create_task(reads.get("slow", slow.read))
    await _started(waiting)

    assert await reads.get("quick", quick.read) == 0
    assert not waiting.done()
    slow.go_on.set()
    await waiting


async def test_an_error_goes_to_all_who_share_the_read_and_to_nobody_after(
    reads: SharedReads,
) -> None:
    source = Source()
    first = asyncio.create_task(reads.get("k", source.read))
    await _started(first)
    riders = [asyncio.create_task(reads.get("k", source.read)) for _ in range(3)]
    await _started(*riders)
    source.error = Unavailable("the database is away")
    source.go_on.set()
    told = await asyncio.gather(first, *riders, return_exceptions=True)
    source.error = None

    assert [type(one) for one in told] == [Unavailable] * 4
    assert await reads.get("k", source.read) == 0


async def test_a_caller_who_leaves_in_the_middle_of_a_read_takes_nobody_with_him(
    reads: SharedReads,
) -> None:
    source = Source()
    first = asyncio.create_task(reads.get("k", source.read))
    await _started(first)
    riders = [asyncio.create_task(reads.get("k", source.read)) for _ in range(3)]
    await _started(*riders)
    first.cancel()
    await _started(first)
    riders[0].cancel()  # it has been told to make the next read, or is making it
    await _started(*riders)
    source.go_on.set()

    assert await asyncio.gather(*riders[1:]) == [0, 0]
    assert first.cancelled()
    assert riders[0].cancelled()


@pytest.mark.parametrize("pauses", range(6))
async def test_whenever_those_who_wait_leave_the_rest_is_served_and_nothing_is_left_behind(
    reads: SharedReads, pauses: int
) -> None:
    source = Source()
    tasks = [asyncio.create_task(reads.get("k", source.read)) for _ in range(6)]
    await _started(*tasks)
    source.go_on.set()
    for number, task in enumerate(tasks[:-1]):
        for _ in range(pauses if number == 0 else 0):
            await asyncio.sleep(0)
        task.cancel()

    assert await tasks[-1] == 0
    await asyncio.gather(*tasks, return_exceptions=True)
    assert reads._waiting == {}
