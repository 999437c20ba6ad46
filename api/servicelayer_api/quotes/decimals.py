"""Exact decimals: a price is an integer count of `10 ** -places`.

Invariant: nothing is rounded on the way in; what does not fit exactly is refused. The size of a
number is bounded by its text before anything is computed from it, so that `1e2147483647` costs
nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

MAX_EXPONENT: Final = 18
MAX_WHOLE_DIGITS: Final = 30

_LONGEST: Final = 96
_LONGEST_EXPONENT: Final = 3
_NUMBER: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>\d+)(?:\.(?P<fraction>\d+))?(?:[eE][+-]?0*(?P<exponent>\d+))?",
    re.ASCII,
)
_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


class DecimalRefusedError(ValueError):
    """The text is no decimal that can be kept exactly; the message says why."""


def parse_number(text: str, places: int) -> int:
    """Read a number as JSON writes it, with or without an exponent.

    Args:
        text: Such as `-12.5e-3`.
        places: Digits behind the point that are kept.

    Returns:
        The count of `10 ** -places`.

    Raises:
        DecimalRefusedError: No number, an exponent beyond 18, too many digits on either side.
    """
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise DecimalRefusedError("must be a number")
    exponent = _exponent(text, found["exponent"])
    fraction = found["fraction"] or ""
    return _scale(found["sign"], found["whole"] + fraction, len(fraction) - exponent, places)


def parse_plain(text: str, places: int) -> int:
    """Read a decimal without sign and exponent, such as `12.50`; else as `parse_number`."""
    if len(text) > _LONGEST or not _PLAIN.fullmatch(text):
        raise DecimalRefusedError("must be a decimal such as 12.5")
    return parse_number(text, places)


def write(value: int, places: int) -> str:
    """Write canonically: no exponent, no needless zero, no plus sign.

    Args:
        value: Count of `10 ** -places`.
        places: As it was read with.
    """
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(places + 1, "0")
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def to_numeric(value: int, places: int) -> Decimal:
    """Give the value as the database's NUMERIC; exact whatever the decimal context."""
    digits = tuple(int(digit) for digit in str(abs(value)))
    return Decimal((int(value < 0), digits, -places))


def from_numeric(value: Decimal, places: int) -> int:
    """Take a value from the database's NUMERIC.

    Raises:
        DecimalRefusedError: It has more digits behind the point.
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise DecimalRefusedError("must be a number")
    return _scale("-" if sign else "", "".join(map(str, digits)), -exponent, places)


def _exponent(text: str, digits: str | None) -> int:
    if digits is None:
        return 0
    if len(digits) > _LONGEST_EXPONENT or int(digits) > MAX_EXPONENT:
        raise DecimalRefusedError(f"must have an exponent between -{MAX_EXPONENT} and 18")
    negative = "e-" in text.lower()
    return -int(digits) if negative else int(digits)


def _scale(sign: str, digits: str, behind: int, places: int) -> int:
    """Count `10 ** -places` in `digits` of which the last `behind` stand behind the point."""
    significant = digits.lstrip("0") or "0"
    if significant == "0":
        return 0
    if behind > places:
        cut = behind - places
        kept, lost = significant[:-cut], significant[-cut:].rjust(cut, "0")
        if lost.strip("0"):
            raise DecimalRefusedError(f"must have at most {places} digits behind the point")
        significant, behind = kept or "0", places
    if len(significant) - behind > MAX_WHOLE_DIGITS:
        raise DecimalRefusedError(f"must have at most {MAX_WHOLE_DIGITS} digits before the point")
    value = int(significant) * 10 ** (places - behind)
    return -value if sign else value
