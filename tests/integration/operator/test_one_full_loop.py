"""Create, scale, drift, prune and delete, by the real process against a real API server."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Scene

EXPOSED = {"mode": "Ingress", "host": "shop.example.org"}


def test_a_resource_becomes_ready_and_all_children_belong_to_it(scene: Scene) -> None:
    scene.started()
    uid = scene.create()["metadata"]["uid"]
    scene.until_ready()
    children = scene.everything()
    assert set(children["Deployment"]) == {"shop"}
    assert set(children["StatefulSet"]) == {"shop-postgres"}
    assert set(children["Secret"]) == {"shop-secrets", "shop-postgres"}
    assert len(children["Job"]) == 1
    for kind, objects in children.items():
        for name, child in objects.items():
            (owner,) = child["metadata"]["ownerReferences"]
            assert (owner["uid"], owner["controller"]) == (uid, True), f"{kind}/{name}"
            assert "finalizers" not in child["metadata"], f"{kind}/{name}"
    resource = scene.api.get(scene.path())
    assert "finalizers" not in resource["metadata"]
    assert not any("kopf" in key for key in resource["metadata"].get("annotations") or {})
    assert resource["status"]["observedGeneration"] == resource["metadata"]["generation"]


def test_the_api_is_asked_with_the_generated_token(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    secret = scene.children("Secret")["shop-secrets"]
    token = base64.b64decode(secret["data"]["API_TOKENS"]).decode()
    assert scene.operand.tokens[f"{scene.namespace}/shop"] == {token}


def test_a_clean_installation_is_at_most_five_events(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    scene.until_idle()
    reasons = sorted(event["reason"] for event in scene.events())
    assert 1 <= len(reasons) <= 5
    assert {event["type"] for event in scene.events()} == {"Normal"}


def test_scaling_changes_the_deployment_and_nothing_else(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    before = scene.everything()
    scene.edit({"api": {"replicas": 3}})
    scene.until(
        "3 replicas", lambda: scene.children("Deployment")["shop"]["spec"]["replicas"] == 3, 5
    )
    scene.until_ready()
    after = scene.everything()
    changed = {
        f"{kind}/{name}"
        for kind in after
        for name in after[kind]
        if after[kind][name].get("spec") != before[kind].get(name, {}).get("spec")
        or after[kind][name].get("data") != before[kind].get(name, {}).get("data")
    }
    assert "Deployment/shop" in changed
    assert (
        not {"Secret/shop-secrets", "StatefulSet/shop-postgres", "ConfigMap/shop-config"} & changed
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ServiceAccount", "shop"),
        ("ConfigMap", "shop-config"),
        ("Service", "shop"),
        ("Deployment", "shop"),
        ("StatefulSet", "shop-postgres"),
        ("Service", "shop-postgres"),
        ("Ingress", "shop"),
        ("NetworkPolicy", "shop-network"),
        ("NetworkPolicy", "shop-postgres"),
        ("PodDisruptionBudget", "shop"),
    ],
)
def test_nothing_is_missing_from_the_table_of_children(scene: Scene, kind: str, name: str) -> None:
    scene.started()
    scene.create(expose=EXPOSED)
    scene.until(f"{kind}/{name}", lambda: name in scene.children(kind))


def test_every_child_deleted_by_hand_is_put_back(scene: Scene) -> None:
    scene.started()
    scene.create(expose=EXPOSED)
    scene.until("serving", lambda: scene.condition("WorkloadsAvailable")[0] == "True")
    for kind, objects in scene.everything().items():
        if kind in {"Secret", "Job"}:
            continue
        for name, child in objects.items():
            old = child["metadata"]["uid"]
            scene.api.delete(scene.child_path(kind, name))

            def put_back(kind: str = kind, name: str = name, old: str = old) -> bool:
                found = scene.children(kind).get(name)
                return found is not None and found["metadata"]["uid"] != old

            scene.until(f"{kind}/{name} put back", put_back, 5)


def test_an_edit_by_hand_is_taken_back_and_told(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    path = scene.child_path("Deployment", "shop")
    scene.plane.kubectl(
        *("-n", scene.namespace, "scale", "deployment/shop", "--replicas=7"),
    )
    scene.until("2 replicas", lambda: scene.api.get(path)["spec"]["replicas"] == 2, 5)
    scene.until("the event", lambda: "FieldConflict" in {e["reason"] for e in scene.events()}, 5)
    service = scene.child_path("Service", "shop")
    port = scene.api.get(service)["spec"]["ports"][0]
    scene.api.patch(service, {"spec": {"ports": [{**port, "port": 81}]}})
    scene.until("port 80", lambda: scene.api.get(service)["spec"]["ports"][0]["port"] == 80, 5)


def test_a_stripped_label_is_put_back(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    path = scene.child_path("ConfigMap", "shop-config")
    scene.api.patch(path, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    scene.until("the label", lambda: "shop-config" in scene.children("ConfigMap"), 5)


def test_what_others_add_is_left_alone(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    path = scene.child_path("Service", "shop")
    scene.api.patch(path, {"metadata": {"annotations": {"example.org/team": "blue"}}})
    writes = len(scene.writes())
    scene.until_idle()
    assert scene.api.get(path)["metadata"]["annotations"]["example.org/team"] == "blue"
    assert len(scene.writes()) == writes


def test_a_child_switched_off_is_pruned(scene: Scene) -> None:
    scene.started()
    scene.create(expose=EXPOSED)
    scene.until("the Ingress", lambda: scene.children("Ingress"))
    scene.edit({"expose": {"mode": "None", "host": None}, "networkPolicy": {"enabled": False}})
    scene.until("no Ingress", lambda: not scene.children("Ingress"), 5)
    scene.until("no NetworkPolicy", lambda: not scene.children("NetworkPolicy"), 5)
    scene.until_ready()


def test_an_object_of_somebody_else_is_not_pruned(scene: Scene) -> None:
    scene.started()
    labels = {
        "app.kubernetes.io/managed-by": "servicelayer-operator",
        "app.kubernetes.io/instance": "shop",
    }
    scene.api.create(
        f"/api/v1/namespaces/{scene.namespace}/configmaps",
        {"metadata": {"name": "theirs", "labels": labels}, "data": {"a": "b"}},
    )
    scene.create()
    scene.until_ready()
    scene.until_idle()
    assert "theirs" in scene.children("ConfigMap")


def test_deleting_the_resource_removes_all_children_though_the_operator_is_stopped(
    scene: Scene,
) -> None:
    operator = scene.started()
    scene.create(expose=EXPOSED)
    scene.until("serving", lambda: scene.condition("WorkloadsAvailable")[0] == "True")
    assert operator.terminate() == 0
    scene.api.delete(scene.path())
    scene.until("no children", lambda: not any(scene.everything().values()), 60)


def test_a_plan_applies_nothing_and_says_what_it_would_do(scene: Scene) -> None:
    scene.started()
    scene.create(mode="Plan")
    scene.until("the plan", lambda: scene.status().get("plan", {}).get("changes"))
    assert not any(scene.everything().values())
    scene.edit({"mode": "Apply"})
    scene.until_ready()
