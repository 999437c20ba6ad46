"""An object that another writes under our name is given up for a while, and taken up again."""

from __future__ import annotations

from servicelayer_operator.contests import ROUNDS, WINDOW_SECONDS, Contests
from support.fake_clock import FakeClock


async def test_an_object_is_given_up_after_some_rounds_and_taken_up_later() -> None:
    clock = FakeClock()
    contests = Contests(clock)

    assert [contests.lost("a") for _ in range(ROUNDS + 2)] == [False] * ROUNDS + [True, True]
    assert not contests.lost("b")
    await clock.advance(WINDOW_SECONDS + 1)
    assert not contests.lost("a")
    for _ in range(ROUNDS):
        contests.lost("a")
    contests.forget("a")
    assert not contests.lost("a")
