"""Schedules: the grammar, and the next moment, against a search minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicelayer_api.gasbank.cron import CronFault, Schedule, parse

NOW = datetime(2026, 5, 17, 12, 30, 15, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("* * * * *", datetime(2026, 5, 17, 12, 31, tzinfo=UTC)),
        ("@hourly", datetime(2026, 5, 17, 13, 0, tzinfo=UTC)),
        ("@DAILY", datetime(2026, 5, 18, tzinfo=UTC)),
        ("@weekly", datetime(2026, 5, 24, tzinfo=UTC)),
        ("@yearly", datetime(2027, 1, 1, tzinfo=UTC)),
        ("@every 1h30m", NOW + timedelta(minutes=90)),
        ("30 12 * * *", datetime(2026, 5, 18, 12, 30, tzinfo=UTC)),
        ("*/20 * * * *", datetime(2026, 5, 17, 12, 40, tzinfo=UTC)),
        ("50/5 * * * *", datetime(2026, 5, 17, 12, 50, tzinfo=UTC)),
        ("0 0 * * 7", datetime(2026, 5, 24, tzinfo=UTC)),
        ("0 0 * * 1/2", datetime(2026, 5, 18, tzinfo=UTC)),
        ("0 0 ? * 5-3", datetime(2026, 5, 20, tzinfo=UTC)),
        ("0 0 1 * 1", datetime(2026, 5, 18, tzinfo=UTC)),  # either day will do
        ("0 0 31 * *", datetime(2026, 5, 31, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 1-31 * 0", datetime(2026, 5, 24, tzinfo=UTC)),  # all days is no restriction
    ],
)
def test_schedule_is_due_when_its_expression_says(text: str, then: datetime) -> None:
    assert parse(text).next_after(NOW) == then


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\u0661 * * * *",
        "@every \u0661s",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "a * * * *",
        "-1 * * * *",
        "1,,2 * * * *",
        "* * * JAN *",
        "0 0 30 2 *",
        "@reboot",
        "@every",
        "@every 5",
        "@every 0s",
        "@every 10000h",
        "1 " * 100,
    ],
)
def test_expression_that_is_never_due_or_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(CronFault):
        parse(text)


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "3,50", "10-20/5"]),
    st.sampled_from(["*", "0", "*/6", "23", "8-10"]),
    st.sampled_from(["*", "1", "15", "31", "*/10"]),
    st.sampled_from(["*", "1", "2,3", "6-8"]),  # 31 February alone would never be due
    st.sampled_from(["*", "0", "7", "1-5", "6"]),
)


def by_minutes(schedule: Schedule, moment: datetime, most: int) -> datetime | None:
    at = moment.replace(second=0, microsecond=0)
    for _ in range(most):
        at += timedelta(minutes=1)
        day, weekday = at.day in schedule.days, at.isoweekday() % 7 in schedule.weekdays
        if (
            at.minute in schedule.minutes
            and at.hour in schedule.hours
            and at.month in schedule.months
            and (day or weekday if schedule.either_day else day and weekday)
        ):
            return at
    return None


@settings(max_examples=60)
@given(FIELDS, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001 - UTC below
def test_jumping_fields_finds_what_a_search_finds(
    fields: tuple[str, ...], moment: datetime
) -> None:
    schedule = parse(" ".join(fields))
    after = moment.replace(tzinfo=UTC)

    found = by_minutes(schedule, after, 60 * 24 * 14)

    jumped = schedule.next_after(after)
    assert jumped > after
    assert jumped == found or (found is None and jumped > after + timedelta(days=13))
