"""Schedules: `@every 5m`, `@hourly` and its kin, or five fields as cron has them. Pure, UTC.

Fields: minute, hour, day of month, month, day of week (7 is Sunday like 0); `*`, `?`, numbers,
ranges `a-b`, lists, steps `*/n`, `a-b/n`, `a/n` (from a on). When both day fields are restricted
either may match. The next moment is found by jumping fields, so that a schedule that is never due
(30 February) costs no more than any other: it is refused.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@annually": "0 0 1 1 *",
    "@yearly": "0 0 1 1 *",
}
_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_SATURDAY: Final = 6
_PART: Final = re.compile(
    r"(?:(?P<any>[*?])|(?P<low>\d{1,2})(?:-(?P<high>\d{1,2}))?)(?:/(?P<step>\d{1,2}))?",
    re.ASCII,
)
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", re.ASCII)
_UNITS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_LONGEST: Final = 120
_SHORTEST_PERIOD: Final = 1.0
_LONGEST_PERIOD: Final = 366 * 86400.0
# 29 February on a given weekday comes back within 40 years at the latest (over 2100: no leap year).
_YEARS: Final = 41


class CronFault(ValueError):
    """What is wrong with an expression; fit for the caller's eyes."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When something is due; either a period in seconds or sets of field values."""

    period: float = 0.0
    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    either_day: bool = False

    def next_after(self, moment: datetime) -> datetime:
        """The first time it is due strictly after a moment (aware); whole minutes for fields.

        Raises:
            CronFault: It is never due.
        """
        at = moment.astimezone(UTC)
        if self.period:
            return at + timedelta(seconds=self.period)
        at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = at.date()
        for year in range(at.year, min(at.year + _YEARS, 9999)):
            for month in sorted(self.months):
                if (year, month) < (day.year, day.month):
                    continue
                found = self._in_month(at, year, month)
                if found is not None:
                    return found
        raise CronFault("names a day that never comes")

    def _in_month(self, at: datetime, year: int, month: int) -> datetime | None:
        for day in range(1, calendar.monthrange(year, month)[1] + 1):
            if (year, month, day) < (at.year, at.month, at.day) or not self._on(year, month, day):
                continue
            today = (year, month, day) == (at.year, at.month, at.day)
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    if not today or (hour, minute) >= (at.hour, at.minute):
                        return datetime(year, month, day, hour, minute, tzinfo=UTC)
        return None

    def _on(self, year: int, month: int, day: int) -> bool:
        by_day = day in self.days
        by_weekday = (calendar.weekday(year, month, day) + 1) % 7 in self.weekdays
        return by_day or by_weekday if self.either_day else by_day and by_weekday


def parse(text: str) -> Schedule:
    """Read an expression.

    Raises:
        CronFault: It cannot be read, or is never due.
    """
    wanted = text.strip().lower()
    if len(wanted) > _LONGEST:
        raise CronFault(f"must not be longer than {_LONGEST} characters")
    if wanted.startswith("@every"):
        return Schedule(period=_period(wanted.removeprefix("@every").strip()))
    if wanted.startswith("@") and wanted not in _NAMED:
        raise CronFault(f"must be one of @every <duration>, {', '.join(_NAMED)}")
    fields = _NAMED.get(wanted, wanted).split()
    if len(fields) != len(_BOUNDS):
        raise CronFault("must have five fields, or be a name such as @daily")
    minutes, hours, days, months, weekdays = (
        _field(field, *bounds) for field, bounds in zip(fields, _BOUNDS, strict=True)
    )
    weekdays = frozenset(day % 7 for day in weekdays)
    all_days, all_weekdays = len(days) == _BOUNDS[2][1], len(weekdays) == 7  # noqa: PLR2004 - a week
    schedule = Schedule(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        either_day=not all_days and not all_weekdays,
    )
    schedule.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    return schedule


def _period(text: str) -> float:
    if not _DURATION.fullmatch(text):
        raise CronFault("must name a duration, such as @every 1h30m")
    seconds = sum(float(size) * _UNITS[unit] for size, unit in _DURATION_PART.findall(text))
    if not _SHORTEST_PERIOD <= seconds <= _LONGEST_PERIOD:
        raise CronFault("must name a duration between one second and 366 days")
    return seconds


def _field(text: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise CronFault(f"{part[:20]!r} is not a field of cron")
        first, last = _ends(found, low, high)
        step = int(found["step"] or 1)
        if step == 0 or first < low or last > high:
            raise CronFault(f"{part[:20]!r} is not between {low} and {high}")
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _ends(found: re.Match[str], low: int, high: int) -> tuple[int, int]:
    # An open range of weekdays ends on Saturday: 7 is only another way to write Sunday.
    top = _SATURDAY if high == _SATURDAY + 1 else high
    if found["any"]:
        return low, top
    first = int(found["low"])
    if found["high"]:
        return min(first, int(found["high"])), max(first, int(found["high"]))
    return (first, max(first, top)) if found["step"] else (first, first)
