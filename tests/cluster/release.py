"""Puts the two charts into a cluster, with the images of this checkout: for the demo and tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.handle import Cluster
from cluster.helm import CRDS_CHART, OPERATOR_CHART, Helm
from cluster.kubectl import Kubectl

SYSTEM = "servicelayer-system"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_READY_SECONDS = 120


@dataclass(frozen=True)
class ImageNames:
    """Full references of the images that a cluster was given."""

    operator: str
    api: str
    postgres: str


def ensure_namespace(kubectl: Kubectl, name: str) -> bool:
    """Make a namespace that enforces the restricted standard; tell whether it had to be made."""
    found = kubectl("get", "namespace", name, "-o", "jsonpath={.status.phase}", check=False)
    if found.stdout.strip() == "Terminating":  # of a run just before this one
        kubectl("wait", "--for=delete", f"namespace/{name}", "--timeout=180s", timeout=200)
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    )
    return found.stdout.strip() != "Active"


def operator_values(images: ImageNames, *, namespaces: list[str]) -> dict[str, Any]:
    """Return the chart's values for images that were loaded and cannot be pulled."""
    repository, _, tag = images.operator.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "defaults": {"apiImage": images.api, "postgresImage": images.postgres},
        "watch": {"namespaces": namespaces},
    }


def install_definition(cluster: Cluster) -> bool:
    """Install the chart of the resource definition; tell whether anything had to be done."""
    ensure_namespace(cluster.kubectl, SYSTEM)
    changed = Helm(cluster.kubeconfig).install(
        "servicelayer-operator-crds", CRDS_CHART, namespace=SYSTEM
    )
    cluster.kubectl.wait_established("servicelayers.servicelayer.r3e.network")
    return changed


def install_operator(
    cluster: Cluster, values: Mapping[str, Any], *, namespace: str = SYSTEM
) -> bool:
    """Install the operator's chart and wait for its pods; tell whether anything had to be done."""
    ensure_namespace(cluster.kubectl, namespace)
    release = "servicelayer-operator"
    changed = Helm(cluster.kubeconfig).install(release, OPERATOR_CHART, values, namespace=namespace)
    cluster.kubectl(
        *("-n", namespace, "rollout", "status", f"deployment/{release}"),
        f"--timeout={_READY_SECONDS}s",
        timeout=_READY_SECONDS + 10,
    )
    return changed
