"""The operator as a ServiceAccount that may do no more than the chart grants in one namespace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Scene

CHILD_VERBS = ["get", "list", "watch", "create", "patch", "delete"]
RULES = [
    ("servicelayer.r3e.network", ["servicelayers"], ["get", "list", "watch"]),
    ("servicelayer.r3e.network", ["servicelayers/status"], ["get", "patch"]),
    ("", ["configmaps", "services", "serviceaccounts"], CHILD_VERBS),
    ("", ["secrets"], ["get", "list", "watch", "create", "patch"]),
    ("", ["persistentvolumeclaims"], ["get"]),
    ("", ["events"], ["list", "create", "patch"]),
    ("", ["pods"], ["get", "list", "watch"]),
    ("discovery.k8s.io", ["endpointslices"], ["get", "list", "watch"]),
    ("apps", ["deployments", "statefulsets"], CHILD_VERBS),
    ("batch", ["jobs"], CHILD_VERBS),
    ("networking.k8s.io", ["ingresses", "networkpolicies"], CHILD_VERBS),
    ("policy", ["poddisruptionbudgets"], CHILD_VERBS),
    ("events.k8s.io", ["events"], ["create", "patch"]),
    ("coordination.k8s.io", ["leases"], ["get", "create", "update", "patch"]),
]


def grant(scene: Scene) -> None:
    """Give the service account `operator` what the chart gives it, and nothing else."""
    namespace, rbac = scene.namespace, "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    scene.plane.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "operator", "namespace": namespace},
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": {"name": "operator", "namespace": namespace},
            "rules": [
                {"apiGroups": [group], "resources": resources, "verbs": verbs}
                for group, resources, verbs in RULES
            ],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "operator", "namespace": namespace},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "operator"},
            "subjects": [subject],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"operator-{namespace}"},
            "rules": [
                {
                    "apiGroups": ["apiextensions.k8s.io"],
                    "resources": ["customresourcedefinitions"],
                    "resourceNames": ["servicelayers.servicelayer.r3e.network"],
                    "verbs": ["get"],
                }
            ],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"operator-{namespace}"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": f"operator-{namespace}"},
            "subjects": [subject],
        },
    )


def list_used(scene: Scene) -> set[str]:
    """The rights that the API server saw used by that account; fails on one it refused."""
    user = f"system:serviceaccount:{scene.namespace}:operator"
    used: set[str] = set()
    for line in scene.plane.audit_log.read_text().splitlines():
        entry = json.loads(line) if user in line else {}
        if entry.get("user", {}).get("username") != user or entry["stage"] != "ResponseComplete":
            continue
        reference = entry.get("objectRef") or {}
        code = (entry.get("responseStatus") or {}).get("code")
        what = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        used.add(f"{entry['verb']} {what or entry['requestURI']}")
        assert code != 403, f"refused: {entry['verb']} {entry['requestURI']}"
    return used


@pytest.mark.timeout(180)
def test_it_needs_no_right_that_the_chart_does_not_grant(scene: Scene) -> None:
    namespace = scene.namespace
    grant(scene)
    kubeconfig = scene.plane.kubectl.service_account_kubeconfig(
        namespace, "operator", scene.folder / "operator.kubeconfig"
    )
    operator = scene.operator("--log-level=info", kubeconfig=kubeconfig, LEASE_NAMESPACE=namespace)
    operator.start()
    operator.wait_ready()
    scene.create(expose={"mode": "Ingress", "host": "shop.example.org"})
    scene.until("the Ingress", lambda: scene.children("Ingress"))
    scene.edit({"expose": {"mode": "None", "host": None}})
    scene.until("no Ingress", lambda: not scene.children("Ingress"))
    scene.until_ready()
    assert operator.terminate() == 0
    used = list_used(scene)
    assert {"apply", "patch"} & {verb.split()[0] for verb in used}
    assert "create secrets" in used
    assert "delete ingresses" in used
    assert "patch secrets" not in used
