from __future__ import annotations

from typing import Any

import pytest

from servicelayer_operator.facts import FactStore
from servicelayer_operator.kinds import POD, find_kind
from servicelayer_operator.manifests.manifest import ObjectKey
from servicelayer_operator.work_queue import Key

SHOP = Key("trade", "shop")
CONFIG_MAP = find_kind("v1", "ConfigMap")
COMPONENT = "app.kubernetes.io/component"
KEY = ObjectKey(api_version="v1", kind="ConfigMap", name="shop-config")


def child(version: int, *, uid: str = "u-1", instance: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "shop-config",
            "namespace": "trade",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {
                "app.kubernetes.io/managed-by": "servicelayer-operator",
                "app.kubernetes.io/instance": instance,
            },
        },
        **more,
    }


def pod(version: int, phase: str) -> dict[str, Any]:
    body = child(version)
    body["kind"] = "Pod"
    body["metadata"]["name"] = "shop-1"
    body["metadata"]["labels"] |= {COMPONENT: "api", "pod-template-hash": "6d5f"}
    body["metadata"]["ownerReferences"] = [controlled_by("ReplicaSet", "shop-6d5f")]
    body["status"] = {"phase": phase, "message": str(version)}
    return body


def controlled_by(kind: str, name: str, uid: str = "u-9") -> dict[str, Any]:
    return {"kind": kind, "name": name, "uid": uid, "controller": True}


@pytest.fixture
def facts() -> FactStore:
    return FactStore()


def test_a_child_belongs_to_the_resource_its_label_names(facts: FactStore) -> None:
    assert facts.record(child(5)) == SHOP
    assert KEY in facts.observed(SHOP, None).children
    assert facts.observed(Key("other", "shop"), None).children == {}


def test_an_object_without_our_label_is_nobodys(facts: FactStore) -> None:
    body = child(5)
    body["metadata"]["labels"] = {"app.kubernetes.io/instance": "shop"}
    assert facts.record(body) is None
    assert len(facts) == 0


def test_the_same_version_is_no_news_and_an_older_one_changes_nothing(facts: FactStore) -> None:
    facts.record(child(5, data={"a": "new"}))
    fresh = facts.child("trade", KEY)
    assert facts.record(child(5, data={"a": "new"})) is None
    assert facts.record(child(4, data={"a": "old"})) is None
    assert facts.child("trade", KEY) == fresh


def test_a_late_deletion_of_an_earlier_object_is_ignored(facts: FactStore) -> None:
    facts.record(child(9, uid="u-2"))
    assert facts.remove(child(7)) is None
    assert facts.child("trade", KEY) is not None
    assert facts.remove(child(10, uid="u-2")) == SHOP
    assert facts.child("trade", KEY) is None


def test_the_sweep_finds_what_the_watch_lost(facts: FactStore) -> None:
    facts.record(child(5))
    assert facts.sweep(CONFIG_MAP, "trade", [], "20") == {SHOP}
    assert facts.child("trade", KEY) is None
    assert facts.sweep(CONFIG_MAP, None, [child(30)], "31") == {SHOP}
    assert facts.sweep(CONFIG_MAP, None, [child(30)], "32") == set()


def test_the_sweep_does_not_drop_what_is_younger_than_its_list(facts: FactStore) -> None:
    facts.record(child(50))
    assert facts.sweep(CONFIG_MAP, "trade", [], "49") == set()
    assert facts.child("trade", KEY) is not None


def test_the_sweep_of_one_namespace_or_kind_leaves_the_others_alone(facts: FactStore) -> None:
    facts.record(child(5))
    facts.sweep(CONFIG_MAP, "elsewhere", [], "90")
    facts.sweep(POD, "trade", [], "90")
    assert facts.child("trade", KEY) is not None


def test_a_pod_is_news_only_when_a_decision_needs_it(facts: FactStore) -> None:
    assert facts.record(pod(5, "Pending")) == SHOP
    assert facts.record(pod(6, "Pending")) is None
    assert facts.record(pod(7, "Running")) == SHOP
    (seen,) = facts.observed(SHOP, None).pods
    assert seen.phase == "Running"


def test_a_child_given_to_another_resource_moves_there(facts: FactStore) -> None:
    facts.record(child(5))
    facts.record(child(6, instance="other"))
    assert facts.observed(SHOP, None).children == {}
    assert KEY in facts.observed(Key("trade", "other"), None).children


def test_nothing_is_kept_of_a_resource_without_children(facts: FactStore) -> None:
    facts.record(child(5))
    facts.forget_object("trade", KEY)
    assert facts.owners() == set()
    assert len(facts) == 0


def endpoint_slice(version: int, name: str, *ready: bool | None) -> dict[str, Any]:
    body = child(version)
    body["apiVersion"], body["kind"] = "discovery.k8s.io/v1", "EndpointSlice"
    body["metadata"]["name"] = name
    body["metadata"]["labels"]["kubernetes.io/service-name"] = "shop"
    told = [{} if state is None else {"conditions": {"ready": state}} for state in ready]
    body["endpoints"] = told or None
    body["metadata"]["ownerReferences"] = [controlled_by("Service", "shop", "u-1")]
    return body


@pytest.fixture
def service(facts: FactStore) -> None:
    body = child(4)
    body["kind"], body["metadata"]["name"] = "Service", "shop"
    facts.record(body)


@pytest.mark.parametrize(
    ("component", "owners", "counts"),
    [
        ("api", [controlled_by("ReplicaSet", "shop-6d5f")], True),
        ("api", [], False),
        ("api", [controlled_by("ReplicaSet", "shop-6d5f") | {"controller": False}], False),
        ("api", [controlled_by("ReplicaSet", "shop-7777")], False),
        ("api", [controlled_by("ReplicaSet", "other-6d5f")], False),
        ("api", [controlled_by("StatefulSet", "shop-postgres", "u-1")], False),
        ("postgres", [controlled_by("StatefulSet", "shop-postgres", "u-1")], True),
        ("postgres", [controlled_by("StatefulSet", "shop-postgres", "u-2")], False),
        ("postgres", [], False),
        ("migrate", [controlled_by("Job", "shop-migrate-1", "u-1")], True),
        ("migrate", [controlled_by("Job", "shop-migrate-1", "u-2")], False),
        ("migrate", [], False),
        ("dashboard", [controlled_by("ReplicaSet", "shop-6d5f")], False),
    ],
)
def test_a_pod_counts_only_where_its_component_s_controller_made_it(
    facts: FactStore, component: str, owners: list[dict[str, Any]], counts: bool
) -> None:
    """Whoever may create pods may give them any labels."""
    for api_version, kind, name in (
        ("apps/v1", "StatefulSet", "shop-postgres"),
        ("batch/v1", "Job", "shop-migrate-1"),
    ):
        made = child(3)
        made["apiVersion"], made["kind"], made["metadata"]["name"] = api_version, kind, name
        facts.record(made)
    body = pod(5, "Running")
    body["metadata"]["labels"] |= {
        COMPONENT: component,
        "batch.kubernetes.io/job-name": "shop-migrate-1",
    }
    body["metadata"]["ownerReferences"] = owners
    facts.record(body)
    assert bool(facts.observed(SHOP, None).pods) == counts


def test_a_pod_without_the_template_s_label_is_of_no_replica_set(facts: FactStore) -> None:
    body = pod(5, "Running")
    del body["metadata"]["labels"]["pod-template-hash"]
    body["metadata"]["ownerReferences"] = [controlled_by("ReplicaSet", "shop-")]
    facts.record(body)
    assert facts.observed(SHOP, None).pods == ()


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("owners", [[], [controlled_by("Service", "shop", "u-2")]])
def test_a_stranger_s_slice_of_addresses_does_not_count(
    facts: FactStore, owners: list[dict[str, Any]]
) -> None:
    body = endpoint_slice(5, "shop-x", True)
    body["metadata"]["ownerReferences"] = owners
    facts.record(body)
    assert facts.observed(SHOP, None).endpoints == {}


@pytest.mark.usefixtures("service")
def test_ready_addresses_are_summed_up_over_the_slices_of_a_service(facts: FactStore) -> None:
    assert facts.record(endpoint_slice(5, "shop-a", True, False)) == SHOP
    assert facts.record(endpoint_slice(6, "shop-a", False, True)) is None
    assert facts.record(endpoint_slice(7, "shop-b", True, None)) == SHOP
    observed = facts.observed(SHOP, None)
    assert observed.endpoints == {"shop": 3}
    assert [key.kind for key in observed.children] == ["Service"]
    assert facts.record(endpoint_slice(8, "shop-a")) == SHOP
    assert facts.remove(endpoint_slice(9, "shop-b")) == SHOP
    assert facts.observed(SHOP, None).endpoints == {"shop": 0}


@pytest.mark.parametrize("way", ["deleted", "label taken off"])
def test_the_answer_to_a_write_does_not_bring_back_what_went_meanwhile(
    facts: FactStore, way: str
) -> None:
    """The watch may tell of the next change before the write's own answer is read."""
    facts.record(child(5))
    if way == "deleted":
        assert facts.remove(child(7)) == SHOP
    else:
        unlabelled = child(7)
        del unlabelled["metadata"]["labels"]["app.kubernetes.io/instance"]
        assert facts.record(unlabelled) == SHOP
    assert facts.record(child(6)) is None
    assert facts.child("trade", KEY) is None
    assert facts.record(child(8)) == SHOP
    assert facts.child("trade", KEY) is not None


def test_what_went_before_its_making_was_known_is_not_brought_back(facts: FactStore) -> None:
    assert facts.remove(child(7)) is None
    assert facts.record(child(6)) is None
    assert facts.child("trade", KEY) is None


def test_a_late_word_of_an_earlier_deletion_takes_nothing_back(facts: FactStore) -> None:
    assert facts.remove(child(7)) is None
    assert facts.remove(child(5)) is None
    assert facts.record(child(6)) is None


def test_what_went_is_remembered_until_its_own_kind_is_swept(facts: FactStore) -> None:
    assert facts.remove(child(7)) is None
    facts.sweep(POD, None, [], "9")
    assert facts.record(child(6)) is None
    facts.sweep(CONFIG_MAP, None, [], "6")
    assert facts.record(child(6)) is None
    # Nothing is kept for ever: after a list of its kind that is younger it is forgotten.
    facts.sweep(CONFIG_MAP, None, [], "9")
    assert facts.record(child(6)) == SHOP
