"""The plan: what is applied, repaired, pruned, and what waits behind which gate."""

import copy
from typing import Any

import msgspec
import pytest

from servicelayer_operator.manifests import Gate, Manifest, ObjectKey, build_all
from servicelayer_operator.observed import (
    ChildFact,
    JobState,
    Observed,
    SecretFact,
    StatefulSetFact,
)
from servicelayer_operator.plan import (
    BEING_DELETED,
    Change,
    Plan,
    build_plan,
    differences,
    explain,
    is_subset,
)
from servicelayer_operator.resource import ServiceLayer
from support.situations import (
    EMBEDDED,
    EMBEDDED_INPUTS,
    INPUTS,
    OWN_DATABASE,
    UID,
    child,
    converged,
    desired_of,
    find,
    job_fact,
    layer,
    memory_of,
    migrated_status,
    plan_of,
)

EXPOSED = {**EMBEDDED, "expose": {"mode": "Ingress", "host": "a.example.com"}}


def replaced(observed: Observed, key: ObjectKey, fact: ChildFact | None) -> Observed:
    children = {k: v for k, v in observed.children.items() if k != key}
    if fact is not None:
        children[key] = fact
    return msgspec.structs.replace(observed, children=children)


def planned(
    old: ServiceLayer, new: ServiceLayer, desired: list[Manifest] | None = None, **facts: Any
) -> Plan:
    """Plan for `new` while everything is as `old` wanted it."""
    observed = msgspec.structs.replace(converged(old), **facts)
    memory = memory_of(desired_of(old))
    return build_plan(desired or desired_of(new), observed, memory, new)


def kinds(plan: Plan) -> list[str]:
    return [manifest.key.kind for manifest in plan.apply]


def waits(plan: Plan) -> dict[str, Gate | None]:
    return {wait.key.kind: wait.gate for wait in plan.wait}


def test_nothing_is_planned_when_nothing_differs() -> None:
    resource = layer(EXPOSED)
    plan = plan_of(resource, converged(resource))

    assert (plan.apply, plan.wait, plan.prune) == ((), (), ())
    assert list(plan.unchanged) == [m.key for m in desired_of(resource)]
    assert explain(plan) == []


def test_a_first_round_applies_in_order_what_no_gate_holds() -> None:
    resource = layer(EXPOSED)
    observed = Observed(
        secrets=SecretFact(name="shop-secrets", keys=converged(resource).secrets.keys),
        database_secret=converged(resource).database_secret,
    )
    plan = build_plan(build_all(resource, INPUTS), observed, {}, resource)

    assert kinds(plan) == [
        "ServiceAccount",
        "NetworkPolicy",
        "NetworkPolicy",
        "ConfigMap",
        "Service",
        "StatefulSet",
        "Service",
        "PodDisruptionBudget",
        "Ingress",
    ]
    assert waits(plan) == {"Job": Gate.DATABASE_READY, "Deployment": Gate.MIGRATED}
    assert set(plan.reasons.values()) == {Change.CREATE}


def test_the_job_starts_once_the_database_is_ready() -> None:
    resource = layer(EMBEDDED)
    observed = converged(resource, children={}, migration=None)
    plan = build_plan(desired_of(resource), observed, {}, resource)

    assert "Job" in kinds(plan)
    assert waits(plan) == {"Deployment": Gate.MIGRATED}


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.FAILED])
def test_the_deployment_waits_while_the_migration_has_not_completed(state: JobState) -> None:
    old, new = layer(EMBEDDED), layer({**EMBEDDED, "image": {"tag": "2.0"}})
    job = job_fact(desired_of(new), state=state)
    plan = planned(old, new, migration=job)

    assert waits(plan)["Deployment"] is Gate.MIGRATED


def test_the_deployment_follows_once_the_migration_has_completed() -> None:
    old, new = layer(EMBEDDED), layer({**EMBEDDED, "image": {"tag": "2.0"}})
    plan = planned(old, new, migration=job_fact(desired_of(new)))

    assert "Deployment" in kinds(plan)


def test_the_completed_job_of_another_image_opens_no_gate() -> None:
    old, new = layer(EMBEDDED), layer({**EMBEDDED, "image": {"tag": "2.0"}})
    plan = planned(old, new, migration=job_fact(desired_of(old)))

    assert waits(plan)["Deployment"] is Gate.MIGRATED


def test_scaling_is_never_gated_by_a_completed_migration() -> None:
    status = migrated_status(layer(EMBEDDED))
    old = layer(EMBEDDED, status=status)
    new = layer({**EMBEDDED, "api": {"replicas": 7}}, status=status)
    plan = planned(old, new, migration=None)

    assert kinds(plan) == ["Deployment"]
    assert plan.wait == ()


def test_suspending_waits_for_nothing() -> None:
    old, new = layer(EMBEDDED), layer({**EMBEDDED, "suspend": True, "image": {"tag": "2.0"}})
    plan = planned(old, new, migration=None, secrets=None)

    assert {"Deployment", "StatefulSet"} <= set(kinds(plan))


@pytest.mark.parametrize(
    "facts",
    [
        {"secrets": None},
        {"secrets": SecretFact(name="shop-secrets", exists=False)},
        {"secrets": SecretFact(name="shop-secrets", keys=frozenset({"API_TOKENS"}))},
        {"database_secret": None},
        {"database_secret": SecretFact(name="shop-dsn")},
    ],
)
def test_no_pod_is_changed_while_a_secret_is_missing(facts: dict[str, Any]) -> None:
    old = layer(OWN_DATABASE)
    plan = planned(old, layer({**OWN_DATABASE, "image": {"tag": "2.0"}}), **facts)

    assert waits(plan) == {"Job": Gate.SECRETS_READY, "Deployment": Gate.MIGRATED}


def test_an_optional_key_may_be_missing() -> None:
    spec = {**OWN_DATABASE, "secrets": {"mode": "Existing", "existing": {"name": "keys"}}}
    keys = frozenset({"API_TOKENS", "AUTH_JWT_SECRET", "SECRET_ENCRYPTION_KEY"})
    resource = layer(spec)
    observed = converged(resource, secrets=SecretFact(name="keys", keys=keys), children={})
    plan = build_plan(desired_of(resource), observed, {}, resource)

    assert "Deployment" in kinds(plan)


def test_one_secret_may_hold_everything() -> None:
    spec = {
        "database": {"secretRef": {"name": "all"}},
        "secrets": {"mode": "Existing", "existing": {"name": "all"}},
    }
    resource = layer(spec)
    keys = frozenset({"API_TOKENS", "AUTH_JWT_SECRET", "SECRET_ENCRYPTION_KEY", "DATABASE_URL"})
    fact = SecretFact(name="all", keys=keys)
    observed = converged(resource, secrets=fact, database_secret=fact, children={})

    assert "Deployment" in kinds(build_plan(desired_of(resource), observed, {}, resource))


@pytest.mark.parametrize(
    ("changes", "change"),
    [
        ({"fingerprint": "edited by hand"}, Change.REPAIR),
        ({"applied_hash": ""}, Change.UPDATE),
        ({"applied_hash": "older"}, Change.UPDATE),
    ],
)
def test_what_was_edited_by_hand_is_put_back(changes: dict[str, Any], change: Change) -> None:
    resource = layer(EMBEDDED)
    service = find(desired_of(resource), "Service", "shop")
    observed = replaced(converged(resource), service.key, child(service, **changes))
    plan = plan_of(resource, observed)

    assert [m.key for m in plan.apply] == [service.key]
    assert plan.reasons[service.key] is change


def test_what_was_deleted_by_hand_is_made_again() -> None:
    resource = layer(EMBEDDED)
    key = find(desired_of(resource), "ConfigMap").key
    plan = plan_of(resource, replaced(converged(resource), key, None))

    assert explain(plan) == ["create ConfigMap/shop-config"]


def test_drift_is_repaired_even_behind_a_closed_gate() -> None:
    resource = layer(EMBEDDED)
    deployment = find(desired_of(resource), "Deployment")
    observed = replaced(
        converged(resource, migration=None), deployment.key, child(deployment, fingerprint="x")
    )

    assert plan_of(resource, observed).reasons[deployment.key] is Change.REPAIR


def test_what_the_operator_does_not_remember_is_applied_again() -> None:
    resource = layer(EMBEDDED)
    plan = build_plan(desired_of(resource), converged(resource), {}, resource)

    assert len(plan.apply) == len(desired_of(resource))
    assert set(plan.reasons.values()) == {Change.REPAIR}


def test_a_job_whose_body_changed_is_left_alone_and_drift_in_it_is_repaired() -> None:
    resource = layer(EMBEDDED)
    job = find(desired_of(resource), "Job")
    other = replaced(converged(resource), job.key, child(job, applied_hash="older"))
    drifted = replaced(converged(resource), job.key, child(job, fingerprint="edited"))

    assert job.key in plan_of(resource, other).unchanged
    assert [m.key for m in plan_of(resource, drifted).apply] == [job.key]


def test_a_finished_job_that_was_deleted_is_not_run_again() -> None:
    resource = layer(EMBEDDED, status=migrated_status(layer(EMBEDDED)))
    key = find(desired_of(resource), "Job").key
    observed = replaced(converged(resource, migration=None), key, None)

    assert explain(plan_of(resource, observed)) == []


def test_an_unfinished_job_that_was_deleted_is_started_again() -> None:
    resource = layer(EMBEDDED)
    key = find(desired_of(resource), "Job").key
    observed = replaced(converged(resource, migration=None), key, None)

    assert explain(plan_of(resource, observed))[0] == f"create {key}"


def test_what_is_switched_off_is_pruned() -> None:
    plan = planned(layer(EXPOSED), layer(EMBEDDED))

    assert [fact.key.kind for fact in plan.prune] == ["Ingress"]
    assert [line for line in explain(plan) if line.startswith("delete")] == ["delete Ingress/shop"]


def test_the_job_of_an_older_image_is_pruned() -> None:
    old, new = layer(EMBEDDED), layer({**EMBEDDED, "image": {"tag": "2.0"}})

    assert [fact.key for fact in planned(old, new).prune] == [find(desired_of(old), "Job").key]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("Secret", {}),
        ("PersistentVolumeClaim", {}),
        ("Ingress", {"owner_uid": None}),
        ("Ingress", {"owner_uid": "another"}),
        ("Ingress", {"deleting": True}),
    ],
)
def test_what_is_not_ours_or_cannot_be_made_again_is_never_pruned(
    kind: str, changes: dict[str, Any]
) -> None:
    resource = layer(EMBEDDED)
    key = ObjectKey(api_version="v1", kind=kind, name="shop-old")
    fact = msgspec.structs.replace(ChildFact(key=key, uid="u", owner_uid=UID), **changes)

    assert plan_of(resource, replaced(converged(resource), key, fact)).prune == ()


def test_an_object_that_is_going_is_waited_for() -> None:
    resource = layer(EMBEDDED)
    service = find(desired_of(resource), "Service", "shop")
    going = child(service, deleting=True)
    plan = plan_of(resource, replaced(converged(resource), service.key, going))

    assert [(wait.key, wait.gate, wait.reason) for wait in plan.wait] == [
        (service.key, None, BEING_DELETED)
    ]
    assert plan.apply == ()


STRANGERS = {"owner_uid": None, "owner": "", "instance": "", "applied_hash": "", "fingerprint": "x"}


@pytest.mark.parametrize("kind", [m.key.kind for m in desired_of(layer(EXPOSED))])
def test_a_stranger_at_a_wanted_name_is_waited_for_and_named(kind: str) -> None:
    resource = layer(EXPOSED)
    manifest = next(m for m in desired_of(resource) if m.key.kind == kind)
    before = replaced(converged(resource), manifest.key, None)
    stranger = child(manifest, **STRANGERS)
    plan = plan_of(resource, msgspec.structs.replace(before, strangers={manifest.key: stranger}))

    (wait,) = plan.wait
    assert wait.conflict is not None
    assert (wait.key, wait.conflict.reason) == (manifest.key, "NameTaken")
    assert manifest.key not in [m.key for m in plan.apply]
    assert f"wait {manifest.key}: {manifest.key} is there already" in explain(plan)[-1]


def test_a_stranger_that_is_handed_over_is_adopted() -> None:
    resource = layer(EMBEDDED)
    service = find(desired_of(resource), "Service", "shop")
    given = child(service, **{**STRANGERS, "adopt": "market/shop"})
    before = replaced(converged(resource), service.key, None)
    plan = plan_of(resource, msgspec.structs.replace(before, strangers={service.key: given}))

    assert explain(plan) == ["adopt Service/shop"]


def test_a_strangers_claim_keeps_the_database_from_being_made() -> None:
    resource = layer(EMBEDDED)
    database = find(desired_of(resource), "StatefulSet")
    key = ObjectKey(api_version="v1", kind="PersistentVolumeClaim", name="data-shop-postgres-0")
    before = replaced(converged(resource), database.key, None)
    plan = plan_of(
        resource, msgspec.structs.replace(before, strangers={key: ChildFact(key=key, uid="c")})
    )

    assert plan.apply == ()
    assert [(str(wait.key), wait.conflict is not None) for wait in plan.wait] == [
        ("PersistentVolumeClaim/data-shop-postgres-0", True),
        ("StatefulSet/shop-postgres", False),
    ]


def test_an_object_without_owner_is_adopted() -> None:
    resource = layer(EMBEDDED)
    service = find(desired_of(resource), "Service", "shop")
    fact = child(service, owner_uid=None, fingerprint="orphaned")

    plan = plan_of(resource, replaced(converged(resource), service.key, fact))

    assert [m.key for m in plan.apply] == [service.key]


def test_a_new_stateful_set_is_migrated_while_the_old_pods_are_left_alone() -> None:
    resource = layer(EMBEDDED, status=migrated_status(layer(EMBEDDED)))
    inputs = msgspec.structs.replace(EMBEDDED_INPUTS, database_identity="new")
    observed = converged(
        resource, migration=None, postgres=StatefulSetFact(uid="new", wanted=1, ready=1)
    )
    plan = build_plan(
        build_all(resource, inputs), observed, memory_of(desired_of(resource)), resource
    )

    assert kinds(plan) == ["Job"]
    assert plan.wait == ()


def test_the_plan_explains_itself_in_order() -> None:
    lines = explain(planned(layer(EXPOSED), layer({**EMBEDDED, "image": {"tag": "2.0"}})))

    assert lines[0] == "update ServiceAccount/shop"
    assert lines[-1].startswith("delete Job/shop-migrate-") or lines[-1] == "delete Ingress/shop"
    assert "wait Deployment/shop: the database migration has not completed yet" in lines


def as_served(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as an API server might hand it out: defaults filled in, order changed."""
    live = copy.deepcopy(body)
    live["metadata"]["resourceVersion"] = "1"
    live["status"] = {"observedGeneration": 1}
    template = live.get("spec", {}).get("template", {}).get("spec")
    if template:
        template["dnsPolicy"] = "ClusterFirst"
        container = template["containers"][0]
        container["terminationMessagePath"] = "/dev/termination-log"
        container["env"].reverse()
        container["env"].append({"name": "ADDED", "value": "by hand"})
        template["containers"].append({"name": "sidecar", "image": "injected"})
        template["volumes"].insert(0, {"name": "injected", "emptyDir": {}})
    return dict(reversed(live.items()))


@pytest.mark.parametrize("spec", [EXPOSED, OWN_DATABASE])
def test_a_live_object_with_defaults_and_additions_holds_the_desired_one(
    spec: dict[str, Any],
) -> None:
    for manifest in desired_of(layer(spec)):
        assert is_subset(manifest.body, as_served(manifest.body)), manifest.key


@pytest.mark.parametrize(
    ("desired", "live", "holds"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}, True),
        ({"cpu": 1}, {"cpu": "1"}, True),
        ({"memory": "1Gi"}, {"memory": "1Mi"}, False),
        ({"replicas": 1}, {"replicas": True}, False),
        ({"value": ""}, {}, True),
        ({"annotations": {}}, {}, True),
        ({"except": ["a"]}, {"except": ["a", "b"]}, False),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "2"}]}, False),
        ({"env": [{"name": "A"}]}, {"env": [{"name": "B"}]}, False),
        ({"a": {"b": 1}}, {"a": None}, False),
        ({"a": [1]}, {"a": {"b": 1}}, False),
    ],
)
def test_values_compare_as_the_api_server_means_them(desired: Any, live: Any, holds: bool) -> None:
    assert is_subset(desired, live) is holds


@pytest.mark.parametrize("kind", ["Deployment", "Service", "Ingress", "NetworkPolicy"])
def test_an_edited_field_is_no_subset(kind: str) -> None:
    manifest = next(m for m in desired_of(layer(EXPOSED)) if m.key.kind == kind)
    live = as_served(manifest.body)
    live["metadata"] = {**live["metadata"], "labels": {}}

    assert not is_subset(manifest.body, live)


def test_the_fields_that_differ_are_named_without_their_values() -> None:
    wanted = {"spec": {"replicas": 3, "env": [{"name": "A", "value": "secret"}], "ports": [1, 2]}}
    live = {"spec": {"replicas": 2, "env": [{"name": "A", "value": "x"}], "ports": [1], "more": 1}}

    assert list(differences(wanted, live)) == ["spec.replicas", "spec.env[A].value", "spec.ports"]
    assert list(differences(wanted, wanted)) == []
