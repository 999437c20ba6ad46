"""The charts, installed by Helm on a real API server: it takes them and grants what they say."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cluster import release
from cluster.control_plane import ControlPlane
from cluster.helm import CRDS_CHART, OPERATOR_CHART, Helm
from cluster.progress import wait_until

SYSTEM = "chart-system"
SERVED = "chart-served"
OTHER = "chart-other"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:servicelayer-operator"
EDITING = {"get", "list", "watch", "create", "patch", "delete"}
LOOKING = {"get", "list", "watch"}
# Group and resource with the verbs: all that the operator may do in a namespace that it serves.
SERVING = {
    ("", "configmaps"): EDITING,
    ("", "secrets"): EDITING - {"delete"},
    ("", "persistentvolumeclaims"): {"get"},
    ("", "serviceaccounts"): EDITING,
    ("", "services"): EDITING,
    ("", "pods"): LOOKING,
    ("discovery.k8s.io", "endpointslices"): LOOKING,
    ("", "events"): {"create", "list", "patch"},
    ("events.k8s.io", "events"): {"create", "list", "patch"},
    ("apps", "deployments"): EDITING,
    ("apps", "statefulsets"): EDITING,
    ("batch", "jobs"): EDITING,
    ("networking.k8s.io", "ingresses"): EDITING,
    ("networking.k8s.io", "networkpolicies"): EDITING,
    ("policy", "poddisruptionbudgets"): EDITING,
    ("servicelayer.r3e.network", "servicelayers"): LOOKING,
    ("servicelayer.r3e.network", "servicelayers/status"): {"get", "patch"},
}
DEFINITION = {("apiextensions.k8s.io", "customresourcedefinitions"): {"get"}}
LEADING = {("coordination.k8s.io", "leases"): {"get", "create", "update", "patch"}}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        for namespace in (SYSTEM, SERVED, OTHER):
            release.ensure_namespace(plane.kubectl, namespace)
        helm = Helm(plane.kubeconfig)
        assert helm.install("crds", CRDS_CHART, namespace=SYSTEM)
        values = {"watch": {"namespaces": [SERVED]}, "replicas": 0}
        assert helm.install("servicelayer-operator", OPERATOR_CHART, values, namespace=SYSTEM)
        yield plane


def granted(plane: ControlPlane, namespace: str, user: str) -> set[tuple[str, str, str]]:
    """Ask the API server for everything that `user` may do in a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    # Checking the body first would take rights that the account has not.
    call = ("create", "--validate=false", "-f", "-", "-o", "json", f"--as={user}")
    answer = json.loads(plane.kubectl(*call, stdin=json.dumps(review)).stdout)
    return {
        (group, resource, verb)
        for rule in answer["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def more_than_nobody(plane: ControlPlane, namespace: str, user: str) -> dict[tuple[str, str], Any]:
    """Return what `user` may do beyond what every account may do."""
    nobody = granted(plane, namespace, f"system:serviceaccount:{OTHER}:nobody")
    table: dict[tuple[str, str], set[str]] = {}
    for group, resource, verb in granted(plane, namespace, user) - nobody:
        table.setdefault((group, resource), set()).add(verb)
    return table


def test_installing_the_same_chart_again_changes_nothing(plane: ControlPlane) -> None:
    helm = Helm(plane.kubeconfig)
    values = {"watch": {"namespaces": [SERVED]}, "replicas": 0}

    assert not helm.install("crds", CRDS_CHART, namespace=SYSTEM)
    assert not helm.install("servicelayer-operator", OPERATOR_CHART, values, namespace=SYSTEM)


def test_an_object_of_the_chart_deleted_by_hand_is_installed_again(plane: ControlPlane) -> None:
    helm = Helm(plane.kubeconfig)
    values = {"watch": {"namespaces": [SERVED]}, "replicas": 0}
    plane.kubectl("-n", SYSTEM, "delete", "service", "servicelayer-operator-metrics")

    assert helm.install("servicelayer-operator", OPERATOR_CHART, values, namespace=SYSTEM)
    plane.kubectl("-n", SYSTEM, "get", "service", "servicelayer-operator-metrics")


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        pytest.param(SERVED, SERVING | DEFINITION, id="where it serves"),
        pytest.param(SYSTEM, LEADING | DEFINITION, id="where it lives"),
        pytest.param(OTHER, DEFINITION, id="anywhere else"),
    ],
)
def test_operator_may_do_what_the_table_says_and_nothing_more(
    plane: ControlPlane, namespace: str, expected: dict[tuple[str, str], Any]
) -> None:
    assert more_than_nobody(plane, namespace, ACCOUNT) == expected


def test_operator_may_read_the_one_definition_only(plane: ControlPlane) -> None:
    read = ("get", "crd", "servicelayers.servicelayer.r3e.network", f"--as={ACCOUNT}")

    assert plane.kubectl(*read, check=False).returncode == 0
    assert plane.kubectl("get", "crd", f"--as={ACCOUNT}", check=False).returncode != 0


@pytest.mark.parametrize(
    ("role", "verbs"),
    [
        ("view", LOOKING),
        ("edit", LOOKING | {"create", "update", "patch", "delete"}),
        ("admin", LOOKING | {"create", "update", "patch", "delete", "deletecollection"}),
    ],
)
def test_people_with_the_clusters_own_roles_get_servicelayers(
    plane: ControlPlane, role: str, verbs: set[str]
) -> None:
    person, group = f"person-{role}", "rbac.authorization.k8s.io"
    plane.kubectl.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": person, "namespace": OTHER},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": person}],
        }
    )

    def seen() -> bool:
        table = more_than_nobody(plane, OTHER, person)
        return table.get(("servicelayer.r3e.network", "servicelayers")) == verbs

    # The controller manager gathers the aggregated roles in its own time.
    assert wait_until(seen, seconds=30, pause=0.5)


def test_pods_of_the_chart_are_admitted_under_the_restricted_standard(plane: ControlPlane) -> None:
    (deployment,) = [
        item for item in Helm().template(OPERATOR_CHART) if item["kind"] == "Deployment"
    ]
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "admitted", "labels": template["metadata"]["labels"]},
        "spec": template["spec"] | {"serviceAccountName": "servicelayer-operator"},
    }
    create = ("-n", SYSTEM, "create", "--dry-run=server", "-f", "-")
    plane.kubectl(*create, stdin=json.dumps(pod))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = plane.kubectl(*create, stdin=json.dumps(pod), check=False)

    assert "violates PodSecurity" in refused.stderr


def test_uninstalling_the_definition_keeps_it(plane: ControlPlane) -> None:
    Helm(plane.kubeconfig)("uninstall", "crds", "--namespace", SYSTEM)

    plane.kubectl("get", "crd", "servicelayers.servicelayer.r3e.network")
