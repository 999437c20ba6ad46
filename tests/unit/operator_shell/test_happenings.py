from __future__ import annotations

import itertools
from typing import Any

from servicelayer_operator.checks import Condition
from servicelayer_operator.happenings import Happening, transitions


def condition(kind: str, status: str, reason: str, message: str = "m") -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=message)


def status(*conditions: Condition) -> dict[str, Any]:
    return {
        "conditions": [
            {"type": item.type, "status": item.status, "reason": item.reason} for item in conditions
        ]
    }


def test_the_same_conditions_are_worth_nothing() -> None:
    kept = [
        condition("Ready", "False", "X"),
        condition("Stalled", "True", "X"),
        condition("Migrated", "True", "Done"),
    ]
    assert transitions(status(*kept), kept) == []


def test_progress_on_the_way_to_ready_is_worth_nothing() -> None:
    steps = ["MigrationRunning", "RolloutInProgress", "PodsNotReady"]
    for old, new in itertools.pairwise(steps):
        before = status(condition("Ready", "False", old))
        assert transitions(before, [condition("Ready", "False", new)]) == []


def test_becoming_ready_is_told_once() -> None:
    (told,) = transitions({}, [condition("Ready", "True", "Ready")])
    assert told == Happening("Normal", "Ready", "Reconcile", "m")


def test_a_rollout_that_a_user_asked_for_is_worth_nothing() -> None:
    before = status(condition("Ready", "True", "Ready"), condition("Migrated", "True", "Done"))
    after = [
        condition("Ready", "False", "MigrationRunning"),
        condition("Migrated", "False", "MigrationRunning"),
    ]
    assert transitions(before, after) == []


def test_pods_that_start_are_worth_nothing_and_pods_that_fall_are() -> None:
    after = [condition("Ready", "False", "PodsNotReady")]
    assert transitions(status(condition("Ready", "False", "RolloutInProgress")), after) == []
    (told,) = transitions(status(condition("Ready", "True", "Ready")), after)
    assert told.type == "Warning"


def test_a_failure_on_the_way_is_told_before_it_stalls() -> None:
    before = status(condition("Ready", "False", "MigrationRunning"))
    failing = condition("Ready", "False", "DatabaseUnreachable")
    (told,) = transitions(before, [failing, condition("Reconciling", "True", failing.reason)])
    assert (told.type, told.reason) == ("Warning", "DatabaseUnreachable")
    stalled = condition("Stalled", "True", failing.reason)
    assert len(transitions({}, [failing, stalled])) == 1


def test_losing_readiness_is_a_warning_with_the_reason() -> None:
    before = status(condition("Ready", "True", "AllGood"))
    (told,) = transitions(before, [condition("Ready", "False", "DatabaseUnreachable")])
    assert (told.type, told.reason) == ("Warning", "DatabaseUnreachable")


def test_stalling_is_a_warning_and_another_reason_is_another_one() -> None:
    stalled = condition("Stalled", "True", "MigrationFailed")
    (told,) = transitions({}, [stalled])
    assert (told.type, told.reason) == ("Warning", "MigrationFailed")
    (next_one,) = transitions(status(stalled), [condition("Stalled", "True", "InvalidSpec")])
    assert next_one.reason == "InvalidSpec"


def test_one_cause_in_several_conditions_is_told_once_if_it_reads_the_same() -> None:
    before = status(
        condition("DatabaseReachable", "True", "Up"), condition("Exposed", "True", "Up")
    )
    after = [
        condition("DatabaseReachable", "False", "Down", "same"),
        condition("Exposed", "False", "Down", "same"),
    ]
    assert len(transitions(before, after)) == 1
