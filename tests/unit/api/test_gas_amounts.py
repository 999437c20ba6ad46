"""Amounts of gas go in and out exactly, or not at all."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from servicelayer_api.gasbank.amounts import (
    MAX_FRACTIONS,
    AmountFault,
    read_amount,
    read_positive,
    write_amount,
)


@pytest.mark.parametrize(
    ("text", "fractions"),
    [
        ("0", 0),
        ("-0", 0),
        ("1", 100_000_000),
        ("10.5", 1_050_000_000),
        ("0.00000001", 1),
        ("1e-8", 1),
        ("1E-08", 1),
        ("1e3", 100_000_000_000),
        ("12.5e1", 12_500_000_000),
        ("0.100000000000", 10_000_000),
        ("1000e-11", 1),
        ("92233720368.54775807", MAX_FRACTIONS),
        ("-5", -500_000_000),
        ("0e999", 0),
    ],
)
def test_number_with_a_place_among_the_fractions_is_read_exactly(text: str, fractions: int) -> None:
    assert read_amount(Raw(text.encode())) == fractions


@pytest.mark.parametrize(
    "text",
    [
        "0.000000001",
        "1e-9",
        "1.123456789",
        "92233720368.54775808",
        "-92233720368.54775808",
        "1e11",
        "1e400",
        "1e-400",
        "1e9999999999",
        "1" * 41,
        "0." + "1" * 41,
        '"5"',
        "true",
        "null",
        "[]",
        "{}",
        "",
    ],
)
def test_number_without_a_place_among_the_fractions_is_refused(text: str) -> None:
    with pytest.raises(AmountFault):
        read_amount(Raw(text.encode()))


@pytest.mark.parametrize("text", ["0", "-0", "-1", "0.0", "null", "-1e-8"])
def test_amount_that_moves_nothing_is_refused_where_something_must_move(text: str) -> None:
    with pytest.raises(AmountFault, match=r"must be positive|is required"):
        read_positive(Raw(text.encode()))


@given(st.integers(-MAX_FRACTIONS, MAX_FRACTIONS))
def test_amount_survives_the_wire(fractions: int) -> None:
    written = write_amount(fractions)

    assert read_amount(written) == fractions
    exact = json.loads(bytes(written), parse_float=Decimal, parse_int=Decimal)
    assert exact == Decimal(fractions) / 100_000_000


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=12))
def test_reading_agrees_with_decimal_arithmetic(value: Decimal) -> None:
    scaled = value * 100_000_000
    exact = scaled == scaled.to_integral_value() and abs(scaled) <= MAX_FRACTIONS
    text = Raw(f"{value:f}".encode())

    if exact:
        assert read_amount(text) == int(scaled)
    else:
        with pytest.raises(AmountFault):
            read_amount(text)
