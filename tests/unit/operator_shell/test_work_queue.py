from __future__ import annotations

import asyncio

import pytest

from servicelayer_operator.work_queue import LONGEST_BACKOFF, Key, Priority, WorkQueue
from support.fake_clock import FakeClock, settle

A, B, C = (Key("ns", name) for name in "abc")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue:
    return WorkQueue(clock=clock, jitter=lambda: 0.5)


async def take_all(queue: WorkQueue) -> list[Key]:
    taken: list[Key] = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                taken.append(await queue.take())
        except TimeoutError:
            return taken


async def test_many_events_of_one_key_make_one_round(queue: WorkQueue) -> None:
    for _ in range(10):
        queue.add(A, Priority.CHILD)
    assert len(queue) == 1
    assert await take_all(queue) == [A]


async def test_a_users_edit_overtakes_child_events_and_those_overtake_the_resync(
    queue: WorkQueue,
) -> None:
    queue.add(A, Priority.RESYNC)
    queue.add(B, Priority.CHILD)
    queue.add(C, Priority.USER)
    assert await take_all(queue) == [C, B, A]


async def test_a_queued_key_is_moved_forward_by_a_users_edit_and_still_taken_once(
    queue: WorkQueue,
) -> None:
    queue.add(A, Priority.RESYNC)
    queue.add(B, Priority.CHILD)
    queue.add(A, Priority.USER)
    assert await take_all(queue) == [A, B]


async def test_a_key_is_never_worked_on_twice_at_once(queue: WorkQueue) -> None:
    queue.add(A)
    assert await queue.take() == A
    queue.add(A, Priority.USER)
    assert await take_all(queue) == []
    queue.done(A)
    assert await take_all(queue) == [A]


async def test_a_key_without_news_does_not_run_again(queue: WorkQueue) -> None:
    queue.add(A)
    await queue.take()
    queue.done(A)
    assert await take_all(queue) == []


async def test_a_delayed_key_waits_for_its_time(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after(A, 5.0)
    assert await take_all(queue) == []
    await clock.advance(4.9)
    assert await take_all(queue) == []
    await clock.advance(0.2)
    assert await take_all(queue) == [A]


async def test_the_earliest_of_several_wishes_counts(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after(A, 60.0)
    queue.add_after(A, 5.0)
    queue.add_after(A, 30.0)
    await clock.advance(5.0)
    assert await take_all(queue) == [A]
    queue.done(A)
    await clock.advance(100.0)
    assert await take_all(queue) == []


async def test_an_event_makes_a_delayed_key_run_now_and_not_again_later(
    queue: WorkQueue, clock: FakeClock
) -> None:
    queue.add_after(A, 5.0)
    queue.add(A, Priority.CHILD)
    assert await take_all(queue) == [A]
    queue.done(A)
    await clock.advance(10.0)
    assert await take_all(queue) == []


async def test_backoff_doubles_up_to_five_minutes(queue: WorkQueue, clock: FakeClock) -> None:
    delays: list[float] = []
    for _ in range(12):
        delays.append(queue.retry(A))
        await clock.advance(LONGEST_BACKOFF * 2)
        assert await queue.take() == A
        queue.done(A)
    assert delays[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert delays[-1] == LONGEST_BACKOFF


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 0.75), (0.999, 1.2495)])
async def test_backoff_is_spread_by_jitter(clock: FakeClock, jitter: float, delay: float) -> None:
    queue = WorkQueue(clock=clock, jitter=lambda: jitter)
    assert queue.retry(A) == pytest.approx(delay)


async def test_a_users_edit_resets_the_backoff_and_runs_at_once(queue: WorkQueue) -> None:
    for _ in range(5):
        queue.retry(A)
    assert queue.failures(A) == 5
    queue.add(A, Priority.USER)
    assert queue.failures(A) == 0
    assert await take_all(queue) == [A]


async def test_a_success_resets_the_backoff(queue: WorkQueue) -> None:
    queue.retry(A)
    queue.retry(A)
    queue.succeeded(A)
    assert queue.retry(A) == 1.0


async def test_a_waiting_worker_is_woken_by_an_added_key(queue: WorkQueue) -> None:
    waiting = asyncio.create_task(queue.take())
    await settle()
    queue.add(A)
    assert await waiting == A


async def test_the_longest_running_worker_is_told(queue: WorkQueue, clock: FakeClock) -> None:
    assert queue.longest_running() == 0.0
    queue.add(A)
    await queue.take()
    await clock.advance(7.0)
    queue.add(B)
    await queue.take()
    await clock.advance(1.0)
    assert queue.longest_running() == 8.0
