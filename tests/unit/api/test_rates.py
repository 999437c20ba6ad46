"""The meters of the rate limit: what they let through, for how long, and in how much memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.settings import SettingsError
from servicelayer_api.web.rate_limit import _is_limited
from servicelayer_api.web.rates import Meters, Rate, parse_rate

RATE = Rate(quota=100, window=1, burst=50)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/s", Rate(100, 1, 50)),
        ("6000/M", Rate(6000, 60, 50)),
        (" 10/h ", Rate(10, 3600, 50)),
        ("7", Rate(7, 1, 50)),
        ("off", None),
        ("", None),
    ],
)
def test_a_rate_is_read_as_written(text: str, expected: Rate | None) -> None:
    assert parse_rate(text, 50) == expected


@pytest.mark.parametrize("text", ["0/s", "-1/s", "fast", "1/d", "1.5/s", "100/s/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="RATE_LIMIT"):
        parse_rate(text, 50)


def test_the_burst_passes_at_once_and_then_the_pace_is_kept() -> None:
    meters = Meters(RATE)
    at_once = [meters.take("a", 1.0) for _ in range(60)]
    later = [meters.take("a", 2.0).allowed for _ in range(120)]

    assert [verdict.allowed for verdict in at_once] == [True] * 51 + [False] * 9
    assert [verdict.remaining for verdict in at_once[:51]] == list(range(50, -1, -1))
    assert at_once[-1].wait == 1
    assert later.count(True) == 51


def test_one_subject_takes_nothing_from_another() -> None:
    meters = Meters(RATE)
    for _ in range(60):
        meters.take("a", 0.0)

    assert meters.take("b", 0.0).remaining == 50


@given(
    gaps=st.lists(st.floats(0, 0.1), max_size=300),
    rate=st.builds(Rate, st.integers(1, 50), st.sampled_from([1, 60]), st.integers(0, 20)),
)
def test_never_more_pass_than_rate_and_burst_allow(gaps: list[float], rate: Rate) -> None:
    meters, now, passed = Meters(rate), 0.0, 0
    for gap in gaps:
        now += gap
        passed += meters.take("a", now).allowed

    assert passed <= rate.burst + 1 + now * rate.quota / rate.window + 1e-6


def test_whoever_waits_as_told_is_let_through() -> None:
    meters = Meters(Rate(1, 60, 0))
    meters.take("a", 0.0)
    told = meters.take("a", 10.0)

    assert (told.allowed, told.wait) == (False, 50)
    assert meters.take("a", 10.0 + told.wait).allowed


def test_memory_is_bounded_and_the_longest_silent_are_forgotten() -> None:
    meters = Meters(RATE, most=10)
    meters.take("first", 0.0)
    for number in range(30):
        meters.take(str(number), 0.0)
        meters.take("busy", 0.0)

    assert len(meters) == 10
    assert meters.unreported(0.0).keys() == {"busy"}
    assert meters.take("busy", 0.0).remaining < 30
    assert meters.take("first", 0.0).remaining == 50


def test_two_replicas_together_keep_near_the_limit() -> None:
    replicas, shared, passed = [Meters(RATE), Meters(RATE)], 0.0, 0
    for tick in range(1000):
        now = tick / 100
        for meters in replicas:
            passed += sum(meters.take("a", now).allowed for _ in range(3))
        if tick % 50 == 49:
            for meters in replicas:
                used = meters.unreported(now).get("a", 0.0)
                shared = max(shared, now - 0.5) + used
                meters.adopt("a", shared - now, now)

    assert passed == pytest.approx(10 * 100 + 51, rel=0.15)


def test_what_is_soon_used_up_is_not_worth_a_row() -> None:
    meters = Meters(RATE)
    for number in range(100):
        meters.take("slow", number * 0.1)

    assert meters.unreported(9.9) == {}


def test_a_backlog_heard_of_counts_and_own_requests_since_count_on_top() -> None:
    meters = Meters(RATE)
    for _ in range(20):
        meters.take("a", 0.0)
    assert meters.unreported(0.0) == {"a": pytest.approx(0.2)}
    meters.take("a", 0.0)
    meters.adopt("a", 0.45, 0.0)
    meters.adopt("unknown", 9.0, 0.0)

    assert meters.take("a", 0.0).remaining == 4
    assert len(meters) == 1


@pytest.mark.parametrize(
    ("path", "limited"),
    [("/accounts", True), ("/accounts/a/b", True), ("/auth/login", True), ("/no/such/path", True),
     ("/", True), ("/livez/", True), ("/livez", False), ("/readyz", False), ("/healthz", False)],
)  # fmt: skip
def test_everything_but_the_probes_is_limited(path: str, limited: bool) -> None:
    assert _is_limited(path) is limited


def test_a_request_that_may_pass_in_a_moment_is_held_back_and_not_refused() -> None:
    meters = Meters(RATE, patience=0.05)
    verdicts = [meters.take("a", 0.0) for _ in range(60)]

    assert [verdict.delay for verdict in verdicts[:51]] == [0.0] * 51
    assert [verdict.delay for verdict in verdicts[51:56]] == pytest.approx(
        [0.01, 0.02, 0.03, 0.04, 0.05], abs=1e-6
    )
    assert [verdict.allowed for verdict in verdicts[56:]] == [False] * 4


def test_whoever_waits_for_each_answer_is_slowed_down_to_the_pace() -> None:
    meters, now, verdict = Meters(RATE, patience=0.05), 0.0, None
    for _ in range(1051):
        verdict = meters.take("a", now)
        assert verdict.allowed
        now += verdict.delay

    assert now == pytest.approx(10.0, rel=0.01)
