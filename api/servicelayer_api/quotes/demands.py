"""What a strict reader demands of a price, and whether one meets it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from servicelayer_api.errors import Invalid
from servicelayer_api.quotes.errors import QuoteNotFit
from servicelayer_api.quotes.intervals import parse_duration

_BASIS_POINTS: Final = 10_000
_MAX_DIGITS: Final = 9


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader demands; `None` where it does not care.

    Attributes:
        max_age: Of the price, from when its sources gave it.
        min_sources: Sources that were used, at least.
        max_conf_bps: Median distance of the sources from the median, in hundredths of a percent
            of the price.
    """

    max_age: timedelta | None = None
    min_sources: int | None = None
    max_conf_bps: int | None = None


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a price: its age, its sources, their spread, the price; in one scale."""

    age: timedelta
    sources: int
    spread: int
    price: int


def parse_demands(
    max_age: str | None, min_sources: str | None, max_conf_bps: str | None
) -> Demands:
    """Read the query parameters of a strict reader.

    Raises:
        Invalid: Names each that cannot be read.
    """
    faults: list[tuple[str, str]] = []
    age = None if max_age is None else parse_duration(max_age)
    if max_age is not None and age is None:
        faults.append(("max_age", "must be a duration such as 5s"))
    numbers: list[int | None] = []
    for name, text in (("min_sources", min_sources), ("max_conf_bps", max_conf_bps)):
        good = text is not None and text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
        if text is not None and not good:
            faults.append((name, "must be a whole number"))
        numbers.append(int(text) if text is not None and good else None)
    if faults:
        raise Invalid(fields=faults)
    return Demands(max_age=age, min_sources=numbers[0], max_conf_bps=numbers[1])


def check_demands(demands: Demands, quality: Quality) -> None:
    """Let a price pass that meets the demands.

    Raises:
        QuoteNotFit: It does not.
    """
    unmet: list[str] = []
    if demands.max_age is not None and quality.age > demands.max_age:
        unmet.append("max_age")
    if demands.min_sources is not None and quality.sources < demands.min_sources:
        unmet.append("min_sources")
    limit = demands.max_conf_bps
    if limit is not None and quality.spread * _BASIS_POINTS > quality.price * limit:
        unmet.append("max_conf_bps")
    if unmet:
        raise QuoteNotFit(unmet)
