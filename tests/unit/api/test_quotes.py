from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.errors import Invalid
from servicelayer_api.quotes import aggregation, decimals
from servicelayer_api.quotes.decimals import DecimalRefusedError
from servicelayer_api.quotes.demands import Quality, check_demands, parse_demands
from servicelayer_api.quotes.errors import QuoteNotFit
from servicelayer_api.quotes.intervals import IntervalRefusedError, parse_interval

if TYPE_CHECKING:
    from decimal import Decimal

PRICES = st.lists(st.integers(min_value=1, max_value=10**40), min_size=1, max_size=25)
SECOND = timedelta(seconds=1)


@given(st.integers(min_value=-(10**47), max_value=10**47), st.integers(min_value=0, max_value=18))
def test_what_is_written_is_read_back(value: int, places: int) -> None:
    if abs(value) < 10 ** (30 + places):
        assert decimals.parse_number(decimals.write(value, places), places) == value
        assert decimals.from_numeric(decimals.to_numeric(value, places), places) == value


@given(
    st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, places=9),
    st.integers(min_value=-9, max_value=9),
)
def test_numbers_are_read_as_exactly_as_fractions_would_be(number: Decimal, exponent: int) -> None:
    text = f"{number:f}e{exponent}"
    exact = Fraction(number) * Fraction(10) ** exponent * 10**36
    assert decimals.parse_number(text, 36) == exact


@pytest.mark.parametrize(
    ("text", "written"),
    [("7.10", "7.1"), ("0012", "12"), ("1e3", "1000"), ("12.5E-3", "0.0125"), ("-0", "0")],
)
def test_numbers_are_written_canonically(text: str, written: str) -> None:
    assert decimals.write(decimals.parse_number(text, 18), 18) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", "NaN", "Infinity", "1e400", "1e-2147483648", "1e99999999999999999999", "0x10"),
        *("1.2.3", " 1", "1_000", "٣", "1e19", "1e-19", "+1", ".5", "5.", '"1"', "[1]", "9" * 97),
        *("1" * 31, "0.0000000000000000001"),
    ],
)
def test_what_is_no_number_of_bounded_size_is_refused(text: str) -> None:
    with pytest.raises(DecimalRefusedError):
        decimals.parse_number(text, 18)


@pytest.mark.parametrize("text", ["-1", "1e2", "+1", "1,5", "1.", " "])
def test_plain_decimals_have_no_sign_and_no_exponent(text: str) -> None:
    with pytest.raises(DecimalRefusedError):
        decimals.parse_plain(text, 8)


@given(PRICES, st.data())
def test_the_order_of_the_prices_means_nothing(prices: list[int], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(prices))
    for method in ("median", "mean", "min", "max", "trimmed"):
        assert aggregation.aggregate(method, prices) == aggregation.aggregate(method, mixed)
    assert aggregation.spread(prices) == aggregation.spread(mixed)
    assert aggregation.outliers(prices) == aggregation.outliers(mixed)


@given(PRICES)
def test_aggregation_agrees_with_a_plain_model(prices: list[int]) -> None:
    ordered = sorted(Fraction(price) for price in prices)
    count = len(ordered)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    cut = max(1, count // 5) if count >= 3 else 0
    kept = ordered[cut : count - cut]
    model = {
        "median": middle,
        "mean": sum(ordered) / count,
        "min": ordered[0],
        "max": ordered[-1],
        "trimmed": sum(kept) / len(kept),
    }
    for method, expected in model.items():
        name = aggregation.parse_method(method)
        assert name is not None
        assert aggregation.aggregate(name, prices) == expected.__floor__()


@given(
    st.lists(st.tuples(st.integers(1, 10**30), st.integers(1, 1_000_000)), min_size=1, max_size=20),
    st.data(),
)
def test_the_weighted_mean_agrees_with_a_plain_model(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(pairs))
    expected = sum(Fraction(v) * w for v, w in pairs) / sum(w for _, w in pairs)
    found = aggregation.aggregate("weighted", [v for v, _ in mixed], [w for _, w in mixed])
    assert found == expected.__floor__()


@given(PRICES)
def test_every_result_lies_between_the_least_and_the_greatest_price(prices: list[int]) -> None:
    for method in aggregation.METHODS:
        found = aggregation.aggregate(method, prices, [1] * len(prices))
        assert min(prices) <= found <= max(prices)


@given(PRICES)
def test_fewer_than_half_of_the_prices_are_outliers(prices: list[int]) -> None:
    astray = aggregation.outliers(prices)
    assert 2 * sum(price in astray for price in prices) < len(prices)
    assert aggregation.median(prices) not in astray or len(prices) % 2 == 0


@given(
    st.integers(min_value=10_000, max_value=10**20),
    st.integers(min_value=2, max_value=12),
    st.integers(min_value=2, max_value=10**6),
)
def test_a_minority_cannot_move_the_price_beyond_the_honest_ones(
    honest: int, pairs: int, factor: int
) -> None:
    steady = [honest + step for step in range(pairs + 1)]
    wild = [honest * factor] * (pairs - 1)
    values = steady + wild
    kept = [value for value in values if value not in aggregation.outliers(values)]
    for method in ("median", "mean", "trimmed", "min", "max"):
        assert min(steady) <= aggregation.aggregate(method, kept) <= max(steady)


def test_two_prices_are_too_few_to_call_one_of_them_an_outlier() -> None:
    assert aggregation.outliers([1, 1_000_000]) == frozenset()


def test_prices_that_agree_but_for_a_last_digit_are_no_outliers() -> None:
    assert aggregation.outliers([100_000, 100_000, 100_000, 100_001]) == frozenset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("@every 1m", 60), ("@every 1h30m", 5400), ("90s", 90), ("1500ms", 1.5)),
        *(("@hourly", 3600), ("@daily", 86_400), (" @every  2.5s ", 2.5), ("@weekly", 604_800)),
    ],
)
def test_intervals_are_read(text: str, seconds: float) -> None:
    found = parse_interval(text, SECOND, timedelta(days=366))
    assert found == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "whenever", "@every", "@every x", "* * * * *", "10", "-1m", "@every -1m", "0s"),
        *("@every 500ms", "@every 400000h", "@yearly", "1m 30s", "9" * 70 + "s", "٣s"),
    ],
)
def test_what_is_no_interval_or_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(IntervalRefusedError):
        parse_interval(text, SECOND, timedelta(days=366))


def test_demands_name_everything_that_is_not_met() -> None:
    quality = Quality(age=timedelta(seconds=6), sources=2, spread=51, price=10_000)
    with pytest.raises(QuoteNotFit) as refused:
        check_demands(parse_demands("5s", "3", "50"), quality)
    assert refused.value.unmet == ("max_age", "min_sources", "max_conf_bps")
    check_demands(parse_demands("6s", "2", "51"), quality)
    check_demands(parse_demands(None, None, None), quality)


def test_demands_that_cannot_be_read_are_named() -> None:
    with pytest.raises(Invalid) as refused:
        parse_demands("soon", "-1", "many")
    assert [fault.field for fault in refused.value.fields] == [
        "max_age",
        "min_sources",
        "max_conf_bps",
    ]
