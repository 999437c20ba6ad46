"""Whoever refuses a write or a pod is quoted in a condition: quota, LimitRange, admission."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.kube_api import CORE

if TYPE_CHECKING:
    from conftest import Scene


def said(scene: Scene, kind: str) -> str:
    found = [item for item in scene.status()["conditions"] if item["type"] == kind]
    return found[0]["message"] if found else ""


def quota(scene: Scene, **hard: str) -> str:
    path = f"{CORE}/namespaces/{scene.namespace}/resourcequotas"
    spec = {"hard": {name.replace("_", "/"): value for name, value in hard.items()}}
    scene.api.create(path, {"metadata": {"name": "small"}, "spec": spec})
    # The quota counts once its controller has written the status.
    scene.until("the quota counts", lambda: scene.api.get(f"{path}/small").get("status"))
    return f"{path}/small"


@pytest.mark.parametrize(
    ("resource", "child"),
    [
        ("secrets", "Secret/shop-secrets"),
        ("services", "Service/shop"),
        ("configmaps", "ConfigMap/shop-config"),
        ("count_deployments.apps", "Deployment/shop"),
        ("count_jobs.batch", "Job/shop-migrate"),
    ],
)
def test_a_quota_that_refuses_an_object_is_told(scene: Scene, resource: str, child: str) -> None:
    path = quota(scene, **{resource: "0"})
    scene.started()
    scene.create()
    scene.until("told", lambda: scene.condition("Stalled") == ("True", "QuotaExceeded"))
    assert "exceeded quota" in said(scene, "Ready")
    assert child in said(scene, "Ready") or child.split("/", maxsplit=1)[0] in said(scene, "Ready")
    scene.until("the event", lambda: "QuotaExceeded" in {e["reason"] for e in scene.events()}, 10)
    scene.api.delete(path)
    scene.edit({"api": {"logLevel": "debug"}})
    scene.until_ready()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("component", "condition"), [("postgres", "DatabaseReachable"), ("migrate", "Migrated")]
)
def test_pods_that_are_refused_are_told_in_the_words_of_the_refusal(
    scene: Scene, component: str, condition: str
) -> None:
    policies = "/apis/admissionregistration.k8s.io/v1"
    name = f"no-{component}-{scene.namespace}"
    label = f"object.metadata.?labels['app.kubernetes.io/component'].orValue('') != '{component}'"
    policy = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": scene.namespace}
                },
            },
            "validations": [{"expression": label, "message": "pods of this kind are not wanted"}],
        },
    }
    binding = {
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    scene.api.create(f"{policies}/validatingadmissionpolicies", policy)
    scene.api.create(f"{policies}/validatingadmissionpolicybindings", binding)
    scene.started()
    scene.create()
    scene.until("told", lambda: scene.condition(condition) == ("False", "PodsRefused"), 90)
    assert "are not wanted" in said(scene, condition)
    assert scene.condition("Stalled")[0] == "True"
    scene.api.delete(f"{policies}/validatingadmissionpolicybindings/{name}")
    scene.until_ready(seconds=120)
