"""Intervals as the contract writes them: `@every 1m30s`, `90s`, `@hourly`.

Inside they are exact (`timedelta`, microseconds). Cron expressions and unknown words are refused,
not ignored.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from servicelayer_api.quotes.decimals import DecimalRefusedError, parse_plain

_WORDS: Final = {"@hourly": 3600, "@daily": 86_400, "@midnight": 86_400, "@weekly": 604_800}
_MICROSECONDS: Final = {
    "us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
}  # fmt: skip
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)", re.ASCII)
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_LONGEST: Final = 64
_PLACES: Final = 6
_LARGEST: Final = timedelta(days=3660) // timedelta(microseconds=1)


class IntervalRefusedError(ValueError):
    """The text is no interval; the message says what to write."""


def parse_interval(text: str, least: timedelta, most: timedelta) -> timedelta:
    """Read an interval.

    Args:
        text: `@every` and a duration, a duration alone, `@hourly`, `@daily` or `@weekly`.
        least: The shortest that is taken.
        most: The longest.

    Raises:
        IntervalRefusedError: Something else, or outside the bounds.
    """
    found = parse_duration(text.strip().removeprefix("@every").strip())
    if found is None and text.strip() in _WORDS:
        found = timedelta(seconds=_WORDS[text.strip()])
    if found is None:
        raise IntervalRefusedError("must be an interval such as @every 1m, 90s or @hourly")
    if not least <= found <= most:
        raise IntervalRefusedError(
            f"must be between {least.total_seconds():.0f} s and {most.total_seconds():.0f} s"
        )
    return found


def parse_duration(text: str) -> timedelta | None:
    """Read a duration such as `1h30m` or `1.5s`; `None` for anything else."""
    if len(text) > _LONGEST or not _WHOLE.fullmatch(text):
        return None
    try:
        total = sum(
            parse_plain(number, _PLACES) * _MICROSECONDS[unit] // 10**_PLACES
            for number, unit in _PART.findall(text)
        )
    except DecimalRefusedError:
        return None
    return timedelta(microseconds=total) if total <= _LARGEST else None
