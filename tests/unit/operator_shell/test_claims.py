"""Who serves a ServiceLayer when two operators meet it: whoever serves already goes on."""

from __future__ import annotations

import pytest

from servicelayer_operator.claims import Claims, Standing
from servicelayer_operator.work_queue import Key

SHOP = Key("trade", "shop")
ONE, TWO = "system/operator", "trade/operator"
# As promised: who is gone is followed within half a minute, who refused is asked again after ten.
HOLD_SECONDS = 30.0
AGAIN_SECONDS = 600.0


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_unmarked_resource_and_one_s_own_are_served(clock: Clock) -> None:
    assert Claims(ONE, clock).stand(SHOP, "") is Standing.SERVE
    assert Claims(ONE, clock).stand(SHOP, ONE) is Standing.SERVE


def test_a_newcomer_asks_and_leaves_a_living_operator_alone(clock: Clock) -> None:
    first, newcomer = Claims(ONE, clock), Claims(TWO, clock)
    assert first.stand(SHOP, "") is Standing.SERVE
    assert newcomer.stand(SHOP, ONE) is Standing.CLAIM
    assert newcomer.stand(SHOP, TWO) is Standing.WAIT
    # The mark of the newcomer is what the first one finds, and takes back.
    assert first.stand(SHOP, TWO) is Standing.SERVE
    for _ in range(20):
        clock.now += HOLD_SECONDS - 1
        assert newcomer.stand(SHOP, ONE) is Standing.CONTESTED
        assert first.stand(SHOP, ONE) is Standing.SERVE
    clock.now += AGAIN_SECONDS
    assert newcomer.stand(SHOP, ONE) is Standing.CLAIM


def test_the_resource_of_an_operator_that_is_gone_is_taken_over(clock: Clock) -> None:
    newcomer = Claims(TWO, clock)
    assert newcomer.stand(SHOP, ONE) is Standing.CLAIM
    clock.now += HOLD_SECONDS - 0.1
    assert newcomer.stand(SHOP, TWO) is Standing.WAIT
    clock.now += 0.1
    assert newcomer.stand(SHOP, TWO) is Standing.SERVE
    assert newcomer.stand(SHOP, TWO) is Standing.SERVE


def test_a_restarted_operator_finds_its_own_mark(clock: Clock) -> None:
    newcomer = Claims(TWO, clock)
    assert newcomer.stand(SHOP, ONE) is Standing.CLAIM
    restarted = Claims(ONE, clock)
    assert restarted.stand(SHOP, TWO) is Standing.CLAIM
    assert newcomer.stand(SHOP, ONE) is Standing.CONTESTED
    clock.now += HOLD_SECONDS
    assert restarted.stand(SHOP, ONE) is Standing.SERVE


def test_two_that_have_both_served_do_not_write_over_each_other_for_ever(clock: Clock) -> None:
    one, two = Claims(ONE, clock), Claims(TWO, clock)
    assert one.stand(SHOP, "") is Standing.SERVE
    assert two.stand(SHOP, "") is Standing.SERVE
    mark, stood = ONE, []
    for turn in range(20):
        who = (two, one)[turn % 2]
        stood.append(who.stand(SHOP, mark))
        mark = who.name if stood[-1] is Standing.SERVE else mark
    assert stood.count(Standing.CONTESTED) > 0
    assert set(stood[-4:]) == {Standing.SERVE, Standing.CONTESTED}


def test_a_resource_that_was_made_anew_is_met_anew(clock: Clock) -> None:
    claims = Claims(TWO, clock)
    assert claims.stand(SHOP, "") is Standing.SERVE
    claims.forget(SHOP)
    assert claims.stand(SHOP, ONE) is Standing.CLAIM


def test_what_was_asked_for_and_lost_is_forgotten_with_the_resource(clock: Clock) -> None:
    claims = Claims(TWO, clock)
    assert claims.stand(SHOP, ONE) is Standing.CLAIM
    claims.forget(SHOP)
    assert claims.stand(SHOP, "") is Standing.SERVE
    stood = [claims.stand(SHOP, ONE) for _ in range(20)]
    assert stood[0] is Standing.SERVE
    assert stood[-1] is Standing.CONTESTED
    claims.forget(SHOP)
    assert claims.stand(SHOP, "") is Standing.SERVE
    assert claims.stand(SHOP, ONE) is Standing.SERVE
