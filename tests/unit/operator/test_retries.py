"""Migrations: which failures are tried again, when, and under which name."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from servicelayer_operator.checks import run_checks
from servicelayer_operator.manifests.migration_job import migration_record
from servicelayer_operator.observed import JobState, Observed
from servicelayer_operator.plan import explain
from servicelayer_operator.resource import ServiceLayer
from servicelayer_operator.retries import (
    MigrationState,
    MigrationVerdict,
    judge_migration,
    next_record,
    wanted_job,
)
from servicelayer_operator.status import build_status, requeue_after
from support.situations import (
    NOW,
    OWN_DATABASE,
    converged,
    desired_of,
    job_fact,
    judge,
    layer,
    memory_of,
    migrate_pod,
    plan_of,
)


def failed(resource: ServiceLayer, exit_code: int | None, **job: Any) -> dict[str, Any]:
    desired = desired_of(resource)
    pods = () if exit_code is None else (migrate_pod(desired, exit_code=exit_code),)
    fact = job_fact(desired, state=JobState.FAILED, finished_at=NOW, **job)
    return {"migration": fact, "pods": pods}


def verdict_of(resource: ServiceLayer, facts: dict[str, Any]) -> MigrationVerdict:
    wanted = wanted_job(desired_of(resource))
    return judge_migration(resource, wanted, converged(resource, **facts), NOW)


@pytest.mark.parametrize(
    ("exit_code", "reason", "retried", "stalled"),
    [
        (2, "ConfigInvalid", False, True),
        (3, "DatabaseUnreachable", True, False),
        (4, "DatabaseAuthFailed", True, True),
        (5, "MigrationFailed", False, True),
        (6, "DatabaseUnsupported", False, True),
        (1, "MigrationFailed", False, True),
        (137, "MigrationFailed", False, True),
        (None, "MigrationFailed", False, True),
    ],
)
def test_only_an_unreachable_or_refusing_database_is_tried_again(
    exit_code: int | None, reason: str, retried: bool, stalled: bool
) -> None:
    resource = layer(OWN_DATABASE)

    verdict = verdict_of(resource, failed(resource, exit_code))

    assert (verdict.state, verdict.reason) == (MigrationState.FAILED, reason)
    assert (verdict.retry_at is not None) is retried
    assert verdict.stalled is stalled


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (9, 60), (5000, 60)]
)
def test_the_wait_doubles_up_to_a_minute(attempt: int, seconds: int) -> None:
    resource = layer(OWN_DATABASE)

    verdict = verdict_of(resource, failed(resource, 3, attempt=attempt))

    assert verdict.retry_at == NOW + timedelta(seconds=seconds)


def test_a_job_whose_time_ran_out_before_its_pod_started_is_tried_again() -> None:
    resource = layer(OWN_DATABASE)
    name = wanted_job(desired_of(resource)).name
    facts = failed(resource, None, reason="DeadlineExceeded")

    def recorded(state: str) -> ServiceLayer:
        return layer(OWN_DATABASE, status={"migration": {"job": name, "state": state}})

    waiting = verdict_of(recorded("Pending"), facts)
    started = verdict_of(recorded("Running"), facts)

    assert (waiting.reason, waiting.retry_at is None) == ("MigrationNotStarted", False)
    assert (started.reason, started.retry_at is None) == ("MigrationTimedOut", True)


ENDS: list[tuple[str, dict[str, Any]]] = [
    ("never started", {"exit_code": None, "reason": "DeadlineExceeded"}),
    *((f"exit {code}", {"exit_code": code}) for code in (1, 2, 3, 4, 5, 6, 137)),
]


@pytest.mark.parametrize(("what", "end"), ENDS, ids=[what for what, _ in ENDS])
def test_a_verdict_stands_when_it_is_judged_again(what: str, end: dict[str, Any]) -> None:
    """What a round wrote into the status must not change what the next one says of the same."""
    status: dict[str, Any] = {}
    told = set()
    for _ in range(3):
        resource = layer(OWN_DATABASE, status=status)
        observed = converged(resource, **failed(layer(OWN_DATABASE), **end))
        verdict = judge_migration(resource, wanted_job(desired_of(resource)), observed, NOW)
        told.add((verdict.reason, verdict.stalled, verdict.retry_at is None))
        status = status_of(resource, observed)
    assert len(told) == 1, what


def test_a_job_that_was_seen_running_has_timed_out_whatever_was_written_since() -> None:
    resource = layer(OWN_DATABASE)
    desired = desired_of(resource)
    running = converged(
        resource,
        migration=job_fact(desired, state=JobState.RUNNING),
        pods=(migrate_pod(desired, phase="Running", exit_code=None),),
    )
    status = status_of(resource, running)
    over = converged(resource, **failed(resource, None, reason="DeadlineExceeded"))
    for _ in range(2):
        later = layer(OWN_DATABASE, status=status)
        verdict = judge_migration(later, wanted_job(desired), over, NOW)
        assert (verdict.reason, verdict.retry_at) == ("MigrationTimedOut", None)
        status = status_of(later, over)


def test_a_migration_that_ended_well_is_complete_though_a_sidecar_goes_on() -> None:
    resource = layer(OWN_DATABASE)
    desired = desired_of(resource)
    facts = {
        "migration": job_fact(desired, state=JobState.RUNNING),
        "pods": (migrate_pod(desired, phase="Running", exit_code=0),),
    }

    assert verdict_of(resource, facts).state is MigrationState.COMPLETED


@pytest.mark.parametrize("left", [[], [{"phase": "Succeeded"}], [{"phase": "Failed"}]])
def test_what_has_started_is_running_until_the_job_says_how_it_ended(
    left: list[dict[str, Any]],
) -> None:
    """Its pod may be gone, or have lost its container's state, before the Job has counted it."""
    resource = layer(OWN_DATABASE)
    desired = desired_of(resource)
    fact = job_fact(desired, state=JobState.RUNNING)
    pods = (migrate_pod(desired, phase="Running", exit_code=None),)
    status = status_of(resource, converged(resource, migration=fact, pods=pods))
    for _ in range(2):
        later = layer(OWN_DATABASE, status=status)
        ended = tuple(migrate_pod(desired, terminated_at=None, **pod) for pod in left)
        observed = converged(later, migration=fact, pods=ended)
        verdict = judge_migration(later, wanted_job(desired), observed, NOW)
        assert (verdict.state, verdict.reason) == (MigrationState.RUNNING, "MigrationRunning")
        status = status_of(later, observed)


def status_of(resource: ServiceLayer, observed: Observed) -> dict[str, Any]:
    """The status that a round writes."""
    desired = desired_of(resource)
    plan = plan_of(resource, observed)
    conditions = run_checks(resource, desired, observed, plan, NOW)
    return build_status(resource, desired, conditions, observed, plan, NOW)


def test_the_youngest_pod_tells_why() -> None:
    resource = layer(OWN_DATABASE)
    desired = desired_of(resource)
    pods = (
        migrate_pod(desired, name="a", exit_code=5, terminated_at=NOW - timedelta(seconds=60)),
        migrate_pod(desired, name="b", exit_code=3, terminated_at=NOW),
        migrate_pod(desired, name="c", job="another", exit_code=2, terminated_at=NOW),
    )

    verdict = verdict_of(resource, {**failed(resource, None), "pods": pods})

    assert verdict.reason == "DatabaseUnreachable"


def status_after(resource: ServiceLayer, seconds: float, **facts: Any) -> dict[str, Any]:
    observed, desired = converged(resource, **facts), desired_of(resource)
    plan = plan_of(resource, observed)
    return build_status(resource, desired, [], observed, plan, NOW + timedelta(seconds=seconds))


def test_a_due_retry_is_written_down_and_then_started_under_another_name() -> None:
    resource = layer(OWN_DATABASE)
    facts = failed(resource, 3)
    first = wanted_job(desired_of(resource))

    early = status_after(resource, 4, **facts)
    due = status_after(resource, 5, **facts)
    again = layer(OWN_DATABASE, status=due)
    second = wanted_job(desired_of(again))
    lines = explain(plan_of(again, converged(resource, **facts)))

    assert (early["migration"]["attempts"], early["migration"]["state"]) == (1, "Failed")
    assert (due["migration"]["attempts"], due["migration"]["state"]) == (2, "Pending")
    assert (second.hash, second.attempt) == (first.hash, 2)
    assert second.name != first.name
    assert f"create Job/{second.name}" in lines
    assert f"delete Job/{first.name}" in lines


def test_a_retry_is_not_counted_twice_for_the_same_failure() -> None:
    resource = layer(OWN_DATABASE)
    facts = failed(resource, 3)
    once = layer(OWN_DATABASE, status=status_after(resource, 5, **facts))

    # The old failed Job is still what is observed: it is not the wanted one any more.
    twice = status_after(once, 6, **facts)

    assert twice["migration"]["attempts"] == 2


def test_the_next_round_comes_when_the_retry_is_due() -> None:
    resource = layer(OWN_DATABASE)
    observed = converged(resource, **failed(resource, 3))
    conditions = list(judge(resource, observed).values())

    assert requeue_after(resource, observed, conditions, NOW) == pytest.approx(5.0)
    assert requeue_after(resource, observed, conditions, NOW + timedelta(seconds=9)) == 0.0


def test_a_final_failure_waits_for_a_person_without_a_timer_of_its_own() -> None:
    resource = layer(OWN_DATABASE)
    observed = converged(resource, **failed(resource, 5))
    conditions = list(judge(resource, observed).values())

    later = requeue_after(resource, observed, conditions, NOW + timedelta(days=3))

    assert later == requeue_after(resource, observed, conditions, NOW)
    assert status_after(resource, 86400, **failed(resource, 5))["migration"]["attempts"] == 1


def test_mending_the_connection_string_starts_afresh() -> None:
    resource = layer(OWN_DATABASE)
    status = status_after(resource, 5, **failed(resource, 3))
    status["migration"]["attempts"] = 6

    mended = layer({"database": {"secretRef": {"name": "other"}}}, status=status)

    assert wanted_job(desired_of(mended)).attempt == 1


def test_a_completed_migration_is_remembered_when_another_one_starts() -> None:
    resource = layer(OWN_DATABASE)
    status = status_after(resource, 0)
    first = wanted_job(desired_of(resource)).hash
    newer = layer({**OWN_DATABASE, "image": {"tag": "2.0"}}, status=status)

    running = status_after(
        newer, 0, migration=job_fact(desired_of(newer), state=JobState.RUNNING), pods=()
    )

    assert status["migration"]["completedHash"] == first
    assert running["migration"]["completedHash"] == first
    assert running["migration"]["hash"] != first
    back = layer(OWN_DATABASE, status=running)
    assert memory_of(desired_of(back)).keys() == memory_of(desired_of(layer(OWN_DATABASE))).keys()
    assert wanted_job(desired_of(back)).hash == first


def test_the_record_survives_its_own_spelling() -> None:
    resource = layer(OWN_DATABASE)
    verdict = verdict_of(resource, {})
    record = next_record(resource, wanted_job(desired_of(resource)), verdict, (), NOW)

    written = layer(OWN_DATABASE, status={"migration": msgspec.to_builtins(record)})

    assert migration_record(written) == record
    assert record.state == MigrationState.COMPLETED
    assert not record.message


@pytest.mark.parametrize(
    ("exit_code", "reason", "stalled"),
    [(3, "DatabaseUnreachable", False), (4, "DatabaseAuthFailed", True)],
)
@pytest.mark.parametrize(
    "pod",
    [None, {"phase": "Pending", "created": NOW}, {"phase": "Running", "created": NOW}],
    ids=["no pod", "a starting pod", "a pod that has just started"],
)
def test_conditions_do_not_swing_at_every_attempt(
    exit_code: int, reason: str, stalled: bool, pod: dict[str, Any] | None
) -> None:
    second = second_attempt(exit_code)
    desired = desired_of(second)
    pods = () if pod is None else (migrate_pod(desired, terminated_at=None, **pod),)
    running = job_fact(desired, state=JobState.RUNNING)

    found = judge(second, converged(second, migration=running, pods=pods))

    assert found["DatabaseReachable"].reason == found["Ready"].reason == reason
    assert ("Stalled" in found) is stalled


def second_attempt(exit_code: int) -> ServiceLayer:
    resource = layer(OWN_DATABASE)
    observed = converged(resource, **failed(resource, exit_code))
    desired, plan = desired_of(resource), plan_of(resource, observed)
    due = NOW + timedelta(seconds=5)
    conditions = list(judge(resource, observed, due).values())
    status = build_status(resource, desired, conditions, observed, plan, due)
    return layer(OWN_DATABASE, status=status)


def test_a_second_attempt_that_runs_on_is_told_as_running() -> None:
    second = second_attempt(3)
    pod = migrate_pod(desired_of(second), phase="Running", terminated_at=None)
    running = job_fact(desired_of(second), state=JobState.RUNNING)

    found = judge(second, converged(second, migration=running, pods=(pod,)))

    assert found["Ready"].reason == "MigrationRunning"
    assert found["DatabaseReachable"].status == "True"


def test_a_second_attempt_that_completes_mends_everything() -> None:
    second = second_attempt(4)

    assert judge(second, converged(second))["Ready"].status == "True"


def test_a_job_without_a_pod_says_so() -> None:
    resource = layer(OWN_DATABASE)
    running = job_fact(desired_of(resource), state=JobState.RUNNING)

    verdict = verdict_of(resource, {"migration": running, "pods": ()})

    assert (verdict.state, verdict.reason) == (MigrationState.PENDING, "MigrationPending")
    assert "has no running pod yet" in verdict.message
