"""Facts read off live objects: what is there is read, what is missing is no error."""

from datetime import UTC, datetime
from typing import Any

import pytest

from servicelayer_operator.manifests import Claim, ObjectKey
from servicelayer_operator.observed import (
    ChildFact,
    DeploymentFact,
    IngressFact,
    JobFact,
    JobState,
    PodFact,
    SecretFact,
    StatefulSetFact,
    fingerprint,
    observe_child,
    observe_deployment,
    observe_ingress,
    observe_job,
    observe_pod,
    observe_secret,
    observe_stateful_set,
)

AT = "2026-11-24T12:00:00Z"
THEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PREFIX = "servicelayer.r3e.network/"


def live(kind: str = "Service", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "shop", "uid": "u1", "resourceVersion": "9", **metadata},
    }


def test_what_is_common_to_all_children_is_read() -> None:
    owners = [
        {"uid": "onlooker"},
        {"uid": "owner", "controller": True, "kind": "ServiceLayer", "name": "other"},
    ]
    obj = live(
        generation=4,
        labels={
            "app.kubernetes.io/managed-by": "servicelayer-operator",
            "app.kubernetes.io/instance": "shop",
        },
        ownerReferences=owners,
        annotations={f"{PREFIX}applied-hash": "h", f"{PREFIX}adopt": "trade/shop"},
        deletionTimestamp=AT,
    )

    assert observe_child(obj) == ChildFact(
        key=ObjectKey(api_version="v1", kind="Service", name="shop"),
        uid="u1",
        resource_version="9",
        generation=4,
        applied_hash="h",
        fingerprint=fingerprint(obj),
        owner_uid="owner",
        owner="ServiceLayer/other",
        instance="shop",
        adopt="trade/shop",
        deleting=True,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"resourceVersion": "10"},
        {"generation": 5},
        {"managedFields": [{"manager": "kubectl"}]},
        {"annotations": {"deployment.kubernetes.io/revision": "3"}},
    ],
)
def test_what_servers_write_is_no_drift(change: dict[str, Any]) -> None:
    assert fingerprint(live(**change)) == fingerprint(live())


def test_a_changed_status_is_no_drift() -> None:
    assert fingerprint(live() | {"status": {"x": 1}}) == fingerprint(live())


@pytest.mark.parametrize(
    "change", [{"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"ownerReferences": []}]
)
def test_what_people_write_is_drift(change: dict[str, Any]) -> None:
    assert fingerprint(live(**change)) != fingerprint(live())


def test_data_is_in_the_fingerprint_of_a_config_map_and_never_of_a_secret() -> None:
    secret, config = live("Secret"), live("ConfigMap")

    assert fingerprint(secret | {"data": {"K": "canary"}}) == fingerprint(secret)
    assert fingerprint(config | {"data": {"K": "v"}}) != fingerprint(config)


def test_a_deployment_is_read() -> None:
    obj = {
        "metadata": {"generation": 5},
        "spec": {
            "replicas": 3,
            "template": {"metadata": {"annotations": {f"{PREFIX}template-hash": "t"}}},
        },
        "status": {
            "observedGeneration": 4,
            "replicas": 4,
            "updatedReplicas": 1,
            "readyReplicas": 3,
            "availableReplicas": 2,
            "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
            ],
        },
    }

    assert observe_deployment(obj) == DeploymentFact(
        generation=5,
        observed_generation=4,
        wanted=3,
        replicas=4,
        updated=1,
        ready=3,
        available=2,
        template="t",
        deadline_exceeded=True,
        replica_failure="exceeded quota",
    )


def test_a_replica_failure_that_has_passed_is_none() -> None:
    passed = {"type": "ReplicaFailure", "status": "False", "message": "old"}

    assert observe_deployment({"status": {"conditions": [passed]}}).replica_failure is None


def test_a_stateful_set_is_read() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast"}}
    obj = {
        "metadata": {"uid": "5e7", "generation": 2},
        "spec": {"replicas": 1, "volumeClaimTemplates": [claim]},
        "status": {"observedGeneration": 2, "replicas": 1, "readyReplicas": 1},
    }

    assert observe_stateful_set(obj) == StatefulSetFact(
        uid="5e7",
        generation=2,
        observed_generation=2,
        wanted=1,
        replicas=1,
        ready=1,
        claim=Claim(storage="1Gi", storage_class="fast", annotated=False),
    )


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], JobState.RUNNING),
        ([{"type": "FailureTarget", "status": "True"}], JobState.RUNNING),
        ([{"type": "Complete", "status": "True"}], JobState.COMPLETE),
        ([{"type": "Failed", "status": "False"}], JobState.RUNNING),
        ([{"type": "Failed", "status": "True"}], JobState.FAILED),
    ],
)
def test_the_state_of_a_job_is_read_off_its_conditions(
    conditions: list[dict[str, str]], state: JobState
) -> None:
    assert observe_job({"status": {"conditions": conditions}}).state is state


def test_a_failed_job_is_read() -> None:
    obj = {
        "metadata": {
            "name": "j",
            "annotations": {f"{PREFIX}migration-hash": "h", f"{PREFIX}migration-attempt": "4"},
        },
        "status": {
            "failed": 2,
            "conditions": [
                {
                    "type": "Failed",
                    "status": "True",
                    "reason": "PodFailurePolicy",
                    "message": "exit code 3",
                    "lastTransitionTime": AT,
                }
            ],
        },
    }

    assert observe_job(obj) == JobFact(
        name="j",
        state=JobState.FAILED,
        migration_hash="h",
        attempt=4,
        failed_pods=2,
        reason="PodFailurePolicy",
        message="exit code 3",
        finished_at=THEN,
    )


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "p",
            "creationTimestamp": AT,
            "labels": {"app.kubernetes.io/component": "api", "batch.kubernetes.io/job-name": "j"},
            "annotations": {f"{PREFIX}template-hash": "t"},
        },
        "spec": {"containers": [{"name": "appserver", "image": "api:1"}]},
        "status": status,
    }


def test_a_crashing_pod_is_read_with_its_last_end() -> None:
    ended = {"exitCode": 2, "reason": "Error", "message": "m", "finishedAt": AT}
    container = {
        "name": "appserver",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": ended},
    }

    assert observe_pod(pod(phase="Running", containerStatuses=[container])) == PodFact(
        name="p",
        component="api",
        job="j",
        template="t",
        phase="Running",
        created=THEN,
        image="api:1",
        restarts=3,
        waiting_reason="CrashLoopBackOff",
        waiting_message="back-off",
        exit_code=2,
        terminated_reason="Error",
        terminated_message="m",
        terminated_at=THEN,
    )


def test_the_present_end_goes_before_the_last_one() -> None:
    container = {
        "name": "appserver",
        "state": {"terminated": {"exitCode": 5}},
        "lastState": {"terminated": {"exitCode": 3}},
    }

    assert observe_pod(pod(containerStatuses=[container])).exit_code == 5


def test_a_pod_that_no_node_takes_is_told_from_one_that_waits() -> None:
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}
    gated = refused | {"reason": "SchedulingGated"}

    assert observe_pod(pod(conditions=[refused])).unschedulable == "m"
    assert observe_pod(pod(conditions=[gated])).unschedulable is None


def test_an_ingress_is_read() -> None:
    points = [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}]
    obj = {
        "metadata": {"creationTimestamp": AT},
        "status": {"loadBalancer": {"ingress": points}},
    }

    assert observe_ingress(obj) == IngressFact(
        addresses=("203.0.113.7", "lb.example.com"), created=THEN
    )


def test_of_many_addresses_the_first_are_kept() -> None:
    points = [{"ip": f"203.0.113.{number}"} for number in range(200)]
    obj = {"metadata": {}, "status": {"loadBalancer": {"ingress": points}}}

    assert observe_ingress(obj).addresses == tuple(point["ip"] for point in points[:16])


def test_a_secret_gives_the_names_of_its_filled_keys_and_no_value() -> None:
    fact = observe_secret({"metadata": {"name": "s"}, "data": {"A": "Y2FuYXJ5", "B": ""}})

    assert fact == SecretFact(name="s", keys=frozenset({"A"}))
    assert "Y2FuYXJ5" not in repr(fact)


@pytest.mark.parametrize(
    "observe",
    [
        observe_deployment,
        observe_stateful_set,
        observe_job,
        observe_pod,
        observe_ingress,
        observe_secret,
    ],
)
@pytest.mark.parametrize("obj", [{}, {"metadata": None, "spec": None, "status": None}])
def test_an_object_that_says_nothing_is_no_error(observe: Any, obj: dict[str, Any]) -> None:
    assert observe(obj) == observe({})


def test_a_container_that_others_put_first_is_not_taken_for_ours() -> None:
    beside = {"name": "proxy", "restartCount": 9, "state": {"waiting": {"reason": "Crash"}}}
    ours = {"name": "appserver", "restartCount": 1, "state": {"running": {}}}
    seen = observe_pod(pod(phase="Running", containerStatuses=[beside, ours]))

    assert (seen.restarts, seen.waiting_reason) == (1, "")
