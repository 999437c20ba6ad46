"""What is deleted or changed by hand is back in 5 seconds; what is switched off goes away."""

import json
from typing import Any

import pytest

from support.layers import Layer
from support.stage import Stage

WITHIN = 5.0
# kind, suffix of the name, and what a careless hand does to it
CHILDREN = [
    ("serviceaccount", "", {"automountServiceAccountToken": True}),
    ("configmap", "-config", {"data": {"config.yaml": "log: nonsense"}}),
    ("deployment", "", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}),
    ("service", "", {"spec": {"ports": [{"port": 80, "targetPort": 9999, "name": "http"}]}}),
    ("ingress", "", {"spec": {"rules": [{"host": "stolen.e2e.test"}]}}),
    ("networkpolicy", "-network", {"spec": {"ingress": [{}], "egress": [{}]}}),
    ("networkpolicy", "-postgres", {"spec": {"ingress": [{}]}}),
    ("poddisruptionbudget", "", {"spec": {"maxUnavailable": 2}}),
    ("service", "-postgres", {"spec": {"ports": [{"port": 5432, "targetPort": 9999}]}}),
    ("statefulset", "-postgres", {"spec": {"replicas": 0}}),
]
IDS = [f"{kind}{suffix}" for kind, suffix, _ in CHILDREN]


def essence(item: dict[str, Any]) -> dict[str, Any]:
    """Return what the operator wants of an object, without what the cluster writes."""
    rest = {key: item[key] for key in item if key not in {"metadata", "status", "secrets"}}
    return rest | {"labels": item["metadata"].get("labels")}


@pytest.mark.parametrize(("kind", "suffix", "change"), CHILDREN, ids=IDS)
def test_child_changed_by_hand_is_put_back(
    served: Layer, kind: str, suffix: str, change: dict[str, Any]
) -> None:
    name = f"{served.name}{suffix}"
    before = essence(served.object(kind, name))
    served.call("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    served.wait_for(
        lambda: essence(served.object(kind, name)) == before,
        f"{kind}/{name} as it was",
        seconds=WITHIN,
    )


@pytest.mark.parametrize(
    ("kind", "suffix"), [child[:2] for child in CHILDREN if child[0] != "statefulset"]
)
def test_child_deleted_by_hand_comes_back(served: Layer, kind: str, suffix: str) -> None:
    name = f"{served.name}{suffix}"
    old = served.object(kind, name)
    served.call("delete", kind, name, "--wait=false")

    def is_back() -> bool:
        new = served.find(kind, name)
        return new is not None and new["metadata"]["uid"] != old["metadata"]["uid"]

    served.wait_for(is_back, f"a new {kind}/{name}", seconds=WITHIN)


def test_labels_taken_off_a_child_come_back(served: Layer) -> None:
    served.call("label", "service", served.name, "app.kubernetes.io/managed-by-")

    served.wait_for(
        lambda: "app.kubernetes.io/managed-by" in served.object("service")["metadata"]["labels"],
        "the label by which the operator finds its children",
        seconds=WITHIN,
    )


def test_generated_secret_is_not_made_a_second_time(served: Layer) -> None:
    before = served.object("secret", f"{served.name}-secrets")["data"]
    served.edit({"api": {"logLevel": "debug"}})
    served.wait_ready()

    assert served.object("secret", f"{served.name}-secrets")["data"] == before


def test_child_switched_off_is_pruned_and_comes_back_when_switched_on(served: Layer) -> None:
    served.edit({"networkPolicy": {"enabled": False}, "expose": {"mode": "None", "host": None}})
    served.wait_for(
        lambda: (
            served.find("ingress") is None
            and served.find("networkpolicy", f"{served.name}-network") is None
        ),
        "neither Ingress nor NetworkPolicy",
        seconds=WITHIN,
    )
    served.wait_ready()
    assert served.read()["status"]["url"] == f"http://{served.name}.{served.namespace}.svc"

    served.edit(
        {"networkPolicy": {"enabled": True}, "expose": {"mode": "Ingress", "host": "neo.e2e.test"}}
    )
    served.wait_ready()
    assert served.find("ingress") is not None
    assert served.find("networkpolicy", f"{served.name}-network") is not None


def test_deleting_the_resource_removes_all_children_while_the_operator_is_stopped(
    stage: Stage, broken: Layer
) -> None:
    broken.apply({"database": {"embedded": {}}, "api": {"replicas": 1}})
    broken.wait_ready()
    assert len(broken.children()) >= 9
    stage.scale_operator(0)
    try:
        broken.delete()
        broken.wait_for(lambda: not broken.pods("api", ending=True), "no pod is left", seconds=90)

        assert broken.children() == []
        assert broken.find("persistentvolumeclaim", f"data-{broken.name}-postgres-0") is None
    finally:
        stage.scale_operator(2)
