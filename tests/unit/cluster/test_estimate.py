"""What a first run is told about how long it takes."""

from __future__ import annotations

import os

import pytest

from cluster.estimate import Estimate, told


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


@pytest.mark.usefixtures("idle")
def test_what_is_left_shrinks_as_steps_run_and_end() -> None:
    now = [100.0]
    estimate = Estimate({"a": 60, "b": 240}, lambda: now[0])
    assert estimate.total == estimate.left() == 300
    assert estimate.line() == "step 1 of 2, about 5 min left"

    estimate.begin("a")
    now[0] += 30
    assert estimate.left() == 270
    now[0] += 30
    estimate.end()

    assert estimate.left() == 240
    assert estimate.line() == "step 2 of 2, about 4 min left"


@pytest.mark.usefixtures("idle")
def test_a_machine_that_is_three_times_slower_is_seen_after_the_first_step() -> None:
    now = [0.0]
    estimate = Estimate({"a": 60, "b": 240}, lambda: now[0])
    estimate.begin("a")
    now[0] += 180
    estimate.end()

    assert estimate.left() == 720


@pytest.mark.usefixtures("idle")
def test_an_overdue_step_never_says_that_nothing_is_left() -> None:
    now = [0.0]
    estimate = Estimate({"a": 60}, lambda: now[0])
    estimate.begin("a")
    now[0] += 10_000

    assert estimate.left() == pytest.approx(6)
    assert estimate.line() == "step 1 of 1, about 10 s left"


def test_the_load_of_the_machine_counts_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (8.0, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})

    assert Estimate({"a": 60}).left() == 240


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "10 s"), (44, "40 s"), (119, "120 s"), (960, "16 min")],
)
def test_spans_are_told_as_people_do(seconds: float, text: str) -> None:
    assert told(seconds) == text
