from __future__ import annotations

import asyncio

from servicelayer_api.db.company import gather_company


async def _arrive(waiting: list[int], count: int) -> None:
    for number in range(count):
        await asyncio.sleep(0)
        waiting.append(number)


async def test_who_comes_while_the_loop_is_at_it_is_let_in() -> None:
    waiting = [0]
    arriving = asyncio.create_task(_arrive(waiting, 20))

    await gather_company(waiting, 100)

    assert arriving.done()
    assert len(waiting) == 21


async def test_nobody_waits_for_more_than_the_group_can_take() -> None:
    waiting = [0]
    arriving = asyncio.create_task(_arrive(waiting, 1000))

    await gather_company(waiting, 10)

    assert len(waiting) == 10
    arriving.cancel()


async def test_a_loop_that_never_rests_holds_nobody_for_ever() -> None:
    waiting = [0]
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            waiting.append(0)
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    await asyncio.wait_for(gather_company(waiting, 10**9), timeout=20)
    stop.set()
    await working


async def test_who_is_alone_on_an_idle_loop_is_sent_on() -> None:
    waiting = [0]

    await gather_company(waiting, 100)

    assert waiting == [0]
