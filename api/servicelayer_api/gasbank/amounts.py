"""Amounts of gas: decimals on the wire, integers of 10^-8 GAS everywhere else. Pure.

Invariant: no amount ever is a float. A JSON number is read from its own digits and written as them,
so what comes out is exactly what went in. Refused: what has no exact place among the fractions, or
is larger than the database's integers.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Raw

FRACTIONS: Final = 100_000_000
DIGITS: Final = 8
MAX_FRACTIONS: Final = 2**63 - 1

# A JSON number. The lengths keep arithmetic on hostile texts small.
_NUMBER: Final = re.compile(
    rb"(?P<sign>-?)(?P<whole>\d{1,40})(?:\.(?P<part>\d{1,40}))?(?:[eE](?P<power>[+-]?\d{1,3}))?"
)
_LIKE_A_NUMBER: Final = frozenset(b"-0123456789")
_LARGEST_SHIFT: Final = 30
_ZERO: Final = Raw(b"0")


class AmountFault(ValueError):
    """What is wrong with an amount; fit for the caller's eyes."""


def read_amount(raw: Raw) -> int:
    """Read a JSON number.

    Args:
        raw: Its text, such as `10.5` or `1e-8`.

    Returns:
        Fractions of GAS; may be negative or zero.

    Raises:
        AmountFault: It is no number, finer than 8 decimals, or beyond 2^63-1 fractions.
    """
    text = bytes(raw)
    found = _NUMBER.fullmatch(text)
    if found is None:
        if text and text[0] in _LIKE_A_NUMBER:
            raise AmountFault("has too many digits")
        raise AmountFault("must be a number")
    part = found["part"] or b""
    shift = DIGITS - len(part) + int(found["power"] or b"0")
    value = _shifted(int(found["whole"] + part), shift)
    if value > MAX_FRACTIONS:
        raise AmountFault("must not be larger than 92233720368.54775807")
    return -value if found["sign"] else value


def _shifted(digits: int, shift: int) -> int:
    if digits == 0:
        return 0
    if shift > _LARGEST_SHIFT:
        raise AmountFault("must not be larger than 92233720368.54775807")
    if shift >= 0:
        return digits * 10**shift
    value, rest = divmod(digits, 10 ** min(-shift, 2 * 40 + 1))
    if rest:
        raise AmountFault(f"must not have more than {DIGITS} decimals")
    return value


def is_absent(raw: Raw) -> bool:
    """Whether an amount was not sent, or null."""
    return bytes(raw) == b"null"


def read_positive(raw: Raw) -> int:
    """Read an amount that must be above zero.

    Raises:
        AmountFault: It is missing, null, zero or negative, or as `read_amount`.
    """
    if is_absent(raw):
        raise AmountFault("is required")
    value = read_amount(raw)
    if value <= 0:
        raise AmountFault("must be positive")
    return value


def write_amount(fractions: int) -> Raw:
    """Write an amount as a JSON number without trailing zeros."""
    if fractions == 0:
        return _ZERO
    sign, size = ("-", -fractions) if fractions < 0 else ("", fractions)
    whole, part = divmod(size, FRACTIONS)
    if part == 0:
        return Raw(f"{sign}{whole}".encode())
    return Raw(f"{sign}{whole}.{part:08d}".rstrip("0").encode())
