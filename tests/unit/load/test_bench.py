"""The benchmark's arithmetic and its table; the load itself is `make bench`."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from load.measure import Comparison, Figures, Round, _shape
from load.processes import usage
from load.report import Machine, Report, table
from load.wrk import WrkError, parse

_PRINTED = (
    b"Running 8s test\n  2 threads and 32 connections\n"
    b'result {"requests":6400,"microseconds":2000000,"bytes":10,"p50_us":1000,"p99_us":9000,'
    b'"max_us":20000,"refused":3,"broken":2,"timeouts":1}\n'
)


def _round(rate: float, errors: int = 0, resident: float = 80) -> Round:
    return Round(
        rate=rate, p50_ms=1, p99_ms=2, errors=errors, requests=10, server_cpu_ms=0.5,
        database_cpu_ms=0.1, load_cpu_ms=0.01, resident_mib=resident,
    )  # fmt: skip


def _report(*scenarios: Comparison) -> Report:
    machine = Machine(
        cores=2, kernel="6.1.0", architecture="x86_64", python="3.13.0", postgres="18.1",
        load_before=0.1,
    )  # fmt: skip
    return Report(
        began=datetime(2026, 1, 2, tzinfo=UTC), machine=machine, rounds=3, seconds=8,
        connections=32, workers=1, scenarios=list(scenarios),
    )  # fmt: skip


def test_the_rate_is_what_was_answered_in_the_time_it_took() -> None:
    counted = parse(_PRINTED)

    assert counted.rate == pytest.approx(3200)
    assert counted.errors == 6


def test_a_round_without_a_result_is_an_error_and_not_zero() -> None:
    with pytest.raises(WrkError, match="unable to connect"):
        parse(b"", b"unable to connect to 127.0.0.1")


def test_figures_are_medians_but_errors_add_up_and_memory_is_the_largest() -> None:
    figures = Figures.of([_round(100, errors=1), _round(900), _round(300, errors=2, resident=99)])

    assert figures.rate == 300
    assert figures.errors == 3
    assert figures.resident_mib == 99


def test_a_missing_module_is_told_as_not_built() -> None:
    one = Comparison(name="x", title="a thing", peer=Figures.of([_round(100)]))

    text = table(_report(one))

    assert "not built" in text
    assert "| 100 " in text


def test_the_ratio_is_product_to_peer() -> None:
    one = Comparison(
        name="x", title="a thing", product=Figures.of([_round(450)]), peer=Figures.of([_round(100)])
    )

    text = table(_report(one))

    assert "4.50" in text
    assert "2 cores, Linux 6.1.0 x86_64" in text


def test_the_shape_of_an_answer_shows_members_and_lengths() -> None:
    assert _shape([{"ID": "1", "Metadata": {"tenant": "t"}}, {}]) == [
        "[2]",
        "[].ID",
        "[].Metadata.tenant",
    ]
    assert _shape({"empty": {}, "none": None}) == [".empty", ".none"]


def test_usage_counts_this_process_and_its_growing_cpu_time() -> None:
    before = usage(os.getpid())
    spent = 0
    while usage(os.getpid()).cpu_seconds < before.cpu_seconds + 0.05:
        spent += sum(range(10_000))

    assert before.processes >= 1
    assert before.largest_rss_mib > 5
    assert spent > 0
