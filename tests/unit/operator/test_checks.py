"""The verdicts: one row a kind of trouble, each with what is told, and that it passes by itself."""

from datetime import timedelta
from typing import Any

import pytest

from servicelayer_operator.checks import run_checks
from servicelayer_operator.happenings import transitions
from servicelayer_operator.manifests import Claim
from servicelayer_operator.observed import (
    ApiFact,
    IngressFact,
    JobState,
    Observed,
    PodFact,
    SecretFact,
    StatefulSetFact,
)
from support.situations import (
    API_KEYS,
    EMBEDDED,
    NOW,
    OWN_DATABASE,
    api_pod,
    child,
    converged,
    desired_of,
    find,
    job_fact,
    judge,
    layer,
    migrated_status,
    plan_of,
    postgres_pod,
    rolled_out,
)
from support.troubles import (
    CERTIFICATE,
    DATA_TROUBLES,
    EXISTING,
    EXPOSED,
    ISSUED,
    Trouble,
    api,
    ended,
    failing,
    fixed,
    job,
    without,
)
from support.workload_troubles import WORKLOAD_TROUBLES

CANARY = "s3cr3t-canary"
DOMAIN = {"SecretsReady", "DatabaseReachable", "Migrated", "WorkloadsAvailable", "Exposed"}


@pytest.mark.parametrize(
    "trouble", [*DATA_TROUBLES, *WORKLOAD_TROUBLES], ids=lambda trouble: trouble.name
)
def test_trouble_is_told_with_its_reason_and_passes_by_itself(trouble: Trouble) -> None:
    resource = layer(trouble.spec)
    desired = desired_of(resource)
    observed = converged(resource, **trouble.facts(resource, desired))

    found = judge(resource, observed)

    assert (found["Ready"].status, found["Ready"].reason) == ("False", trouble.reason)
    assert trouble.says in found["Ready"].message
    assert ("Stalled" in found, "Reconciling" in found) == (trouble.stalled, not trouble.stalled)
    summary = found["Stalled" if trouble.stalled else "Reconciling"]
    assert (summary.status, summary.reason) == ("True", trouble.reason)
    fallen = {kind for kind in DOMAIN if kind in found and found[kind].status == "False"}
    if trouble.condition:
        assert trouble.condition in fallen
        assert found[trouble.condition].reason == trouble.reason
    mended = judge(resource, converged(resource))
    assert mended["Ready"].status == "True"
    assert not {"Stalled", "Reconciling"} & set(mended)


@pytest.mark.parametrize(
    "spec",
    [EMBEDDED, OWN_DATABASE, EXPOSED, ISSUED, CERTIFICATE, EXISTING, {**EMBEDDED, "mode": "Plan"}],
)
def test_a_converged_resource_is_ready_and_nothing_else_is_told(spec: dict[str, Any]) -> None:
    resource = layer(spec)

    found = judge(resource, converged(resource))

    assert {kind for kind, item in found.items() if item.status != "True"} == set()
    assert not {"Stalled", "Reconciling"} & set(found)
    assert ("Exposed" in found) == (resource.spec.expose.mode != "None")


def test_old_pods_serve_on_while_new_ones_fail() -> None:
    resource = layer(EMBEDDED)
    facts = failing(phase="Pending", waiting_reason="ImagePullBackOff")

    found = judge(resource, converged(resource, **facts(resource, desired_of(resource))))

    assert found["WorkloadsAvailable"].status == "True"
    assert found["Ready"].status == "False"


def test_a_failing_pod_of_an_older_template_does_not_blame_the_new_spec() -> None:
    resource = layer(EMBEDDED)
    facts = failing(template="older", phase="Pending", waiting_reason="ImagePullBackOff")

    found = judge(resource, converged(resource, **facts(resource, desired_of(resource))))

    assert found["Ready"].reason == "RolloutInProgress"


@pytest.mark.parametrize(
    "pod",
    [
        {"deleting": True, "ready": False, "exit_code": 1, "restarts": 5},
        {"ready": True, "exit_code": 1, "restarts": 5},
        {"ready": True, "terminated_message": ended("ConfigInvalid"), "exit_code": 2},
    ],
)
def test_a_pod_that_goes_or_serves_again_is_no_failure(pod: dict[str, Any]) -> None:
    resource = layer(EMBEDDED)
    pods = (api_pod(desired_of(resource), **pod),)

    assert judge(resource, converged(resource, pods=pods))["Ready"].status == "True"


@pytest.mark.parametrize(
    "text",
    [
        f"plain text with {CANARY}",
        f'{{"reason": "SomethingElse", "message": "{CANARY}"}}',
        f'{{"reason": "ConfigInvalid", "message": "postgres://u:{CANARY}@db/x is wrong"}}',
        f'{{"reason": "ConfigInvalid", "message": "password={CANARY} is wrong"}}',
        f'["{CANARY}"]',
        f'{{"reason": "ConfigInvalid", "message": ["{CANARY}"]}}',
    ],
)
def test_what_a_container_wrote_is_not_repeated_unless_it_is_ours_and_clean(text: str) -> None:
    resource = layer(EMBEDDED)
    desired = desired_of(resource)
    for facts in (
        failing(exit_code=1, restarts=3, terminated_message=text),
        job(pods=({"exit_code": 5, "terminated_message": text},)),
        fixed(
            postgres=StatefulSetFact(uid="5e7"),
            pods=(postgres_pod(ready=False, exit_code=1, terminated_message=text),),
        ),
    ):
        found = judge(resource, converged(resource, **facts(resource, desired)))
        assert found["Ready"].status == "False"
        assert CANARY not in str(found)


def test_an_ingress_that_never_gets_an_address_does_not_block_for_ever() -> None:
    resource = layer(EXPOSED)
    old = IngressFact(created=NOW - timedelta(minutes=5))

    found = judge(resource, converged(resource, ingress=old))

    assert (found["Exposed"].status, found["Exposed"].reason) == ("Unknown", "AddressNotPublished")
    assert found["Ready"].status == "True"


def test_nobody_knows_the_database_before_a_pod_is_ready() -> None:
    resource = layer(OWN_DATABASE)
    none_ready = rolled_out(resource, desired_of(resource), ready=0, available=0)

    found = judge(resource, converged(resource, deployment=none_ready, api=ApiFact()))

    assert found["DatabaseReachable"].status == "Unknown"
    assert found["Ready"].status == "False"


def test_waiting_objects_tell_what_they_wait_for() -> None:
    resource = layer(EMBEDDED)
    observed = Observed(
        secrets=converged(resource).secrets, database_secret=converged(resource).database_secret
    )

    found = judge(resource, observed)

    assert found["DatabaseReachable"].reason == "DatabaseStarting"
    assert found["Migrated"].reason == "WaitingForDatabase"
    assert found["WorkloadsAvailable"].reason == "WaitingForMigration"
    assert found["Ready"].reason == "DatabaseStarting"
    assert found["Reconciling"].status == "True"


def test_suspended_is_ready_when_nothing_runs_and_says_so() -> None:
    resource = layer({**EMBEDDED, "suspend": True})
    stopped = StatefulSetFact(uid="5e7", wanted=0, claim=Claim(storage="1Gi"))

    found = judge(resource, converged(resource, postgres=stopped, pods=(), api=None))

    assert (found["Ready"].status, found["Ready"].reason) == ("True", "Suspended")
    assert found["Suspended"].status == "True"
    assert (found["WorkloadsAvailable"].status, found["WorkloadsAvailable"].reason) == (
        "False",
        "Suspended",
    )
    assert "Stalled" not in found


def test_suspending_is_not_done_while_pods_are_left() -> None:
    resource = layer({**EMBEDDED, "suspend": True})
    two_left = rolled_out(resource, desired_of(resource), replicas=2)

    found = judge(resource, converged(resource, deployment=two_left))

    assert found["Ready"].reason == "RolloutInProgress"


def test_plan_mode_tells_whether_anything_differs() -> None:
    resource = layer({**EMBEDDED, "mode": "Plan"})
    pending = converged(resource, **without("Service")(resource, desired_of(resource)))

    assert judge(resource, converged(resource))["Planned"].reason == "InSync"
    assert judge(resource, pending)["Planned"].reason == "ChangesPending"


def test_a_child_of_a_deleted_resource_of_the_same_name_stalls_only_after_a_grace() -> None:
    status = {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "NameConflict",
                "lastTransitionTime": "2026-11-24T11:59:00Z",
            }
        ]
    }
    fresh, held = layer(EMBEDDED), layer(EMBEDDED, status=status)
    service = find(desired_of(fresh), "Service", "shop")
    children = dict(converged(fresh).children)
    children[service.key] = child(service, owner_uid="deleted before")

    first = judge(fresh, converged(fresh, children=children))
    later = judge(held, converged(held, children=children))

    assert (first["Ready"].reason, "Stalled" in first) == ("NameConflict", False)
    assert (later["Ready"].reason, "Stalled" in later) == ("NameConflict", True)


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (Claim(storage="1Gi"), False),
        (Claim(storage="1024Mi"), False),
        (Claim(storage="1Gi", storage_class="standard"), False),
        (Claim(storage="2Gi"), True),
    ],
)
def test_a_volume_that_cannot_grow_is_told_and_blocks_nothing(claim: Claim, told: bool) -> None:
    resource = layer(EMBEDDED)
    postgres = StatefulSetFact(uid="5e7", wanted=1, ready=1, claim=claim)

    found = judge(resource, converged(resource, postgres=postgres))

    assert ("StorageCurrent" in found) is told
    assert found["Ready"].status == "True"
    if told:
        assert (
            "kubectl delete statefulset shop-postgres --cascade=orphan"
            in found["StorageCurrent"].message
        )


def test_a_cause_that_needs_somebody_is_told_before_one_that_passes() -> None:
    resource = layer(EMBEDDED)
    desired = desired_of(resource)
    facts = api(resource, desired, phase="Pending", waiting_reason="InvalidImageName")
    running = job_fact(desired, state=JobState.RUNNING)

    found = judge(resource, converged(resource, migration=running, **facts))

    assert found["Migrated"].reason == "MigrationPending"
    assert found["Ready"].reason == "ImagePullFailed"
    assert "Reconciling" not in found


def test_a_recorded_migration_needs_no_job() -> None:
    resource = layer(EMBEDDED, status=migrated_status(layer(EMBEDDED)))

    assert judge(resource, converged(resource, migration=None))["Migrated"].status == "True"


def test_every_condition_comes_in_a_fixed_order_with_ready_first() -> None:
    resource = layer(EXPOSED)
    observed = converged(resource)

    conditions = run_checks(
        resource, desired_of(resource), observed, plan_of(resource, observed), NOW
    )

    assert [item.type for item in conditions] == [
        "Ready",
        "SecretsReady",
        "DatabaseReachable",
        "Migrated",
        "WorkloadsAvailable",
        "Exposed",
    ]


def test_pods_of_other_components_are_not_mixed_up() -> None:
    resource = layer(EMBEDDED)
    stranger = PodFact(name="x", component="dashboard", waiting_reason="ImagePullBackOff")

    found = judge(resource, converged(resource, pods=(stranger,)))

    assert found["Ready"].status == "True"


def test_what_runs_stays_ready_while_another_spec_is_planned() -> None:
    running = layer(EMBEDDED)
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": ""}
        for kind, reason in (("Ready", "Ready"), ("Migrated", "MigrationComplete"))
    ]
    status = {**migrated_status(running), "conditions": conditions}
    changed = {**EMBEDDED, "mode": "Plan", "image": {"tag": "9.9"}, "api": {"replicas": 5}}
    planned = judge(layer(changed, status=status), converged(running))

    assert (planned["Ready"].status, planned["Planned"].reason) == ("True", "ChangesPending")
    assert planned["Migrated"].reason == "MigrationComplete"
    assert "Stalled" not in planned
    down = converged(running, deployment=None, pods=())
    assert judge(layer(changed, status=status), down)["Ready"].status == "False"


def test_unknown_fields_are_a_condition_and_keep_nothing_back() -> None:
    newer = layer({**EMBEDDED, "monitoring": {"enabled": True}})
    judged = judge(newer, converged(layer(EMBEDDED)))

    assert judged["Ready"].status == "True"
    assert judged["SpecUnderstood"].status == "False"
    assert "spec.monitoring" in judged["SpecUnderstood"].message


@pytest.mark.parametrize("key", sorted(API_KEYS - {"ADMIN_PASSWORD"}))
@pytest.mark.parametrize("status", [{}, {"encryptionKey": "f1"}])
def test_losing_a_key_is_a_warning_and_needs_somebody(key: str, status: dict[str, Any]) -> None:
    before = layer(EMBEDDED, status=status)
    good = converged(before)
    told = [
        {"type": item.type, "status": item.status, "reason": item.reason}
        for item in judge(before, good).values()
    ]
    after = layer(EMBEDDED, status={**status, "conditions": told})
    lost = converged(after, secrets=SecretFact(name="shop-secrets", keys=API_KEYS - {key}))

    found = judge(after, lost)
    events = transitions(after.status, found.values())

    reason = "SecretLost" if status and key == "SECRET_ENCRYPTION_KEY" else "SecretKeyMissing"
    assert found["Stalled"].reason == reason
    assert {(event.type, event.reason) for event in events} == {("Warning", reason)}
    assert key in events[0].note
