"""Time as an argument: what decides by time is given a `Clock`, so that a test can hold it still.

Invariant: every `datetime` in the program is aware and in UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

OUTSIDE_UTC = "lies outside the years 1 to 9999 in UTC"
"""What is wrong with a time that `in_utc` finds nowhere."""


def in_utc(moment: datetime) -> datetime | None:
    """An aware time in UTC; `None` where UTC has none.

    The first and the last day that can be written are only there in some time zones, and computing
    with the others fails: times from outside pass here first.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Tell the time: aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Tell seconds that never run backwards; only differences mean something."""
        ...


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Tell the time: aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Tell seconds that never run backwards."""
        return time.monotonic()


class FixedClock:
    """A clock that moves only when it is told to; for tests and replays."""

    def __init__(self, at: datetime) -> None:
        """Stop the clock at a moment (aware)."""
        self._now = at.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Tell the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Tell the seconds it was advanced by."""
        return self._monotonic

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by
        self._monotonic += by.total_seconds()
