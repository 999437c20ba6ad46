"""The kinds of objects that the operator reads or writes, and where the API server keeps them.

One table, so that watching, sweeping, applying, pruning and the RBAC test all speak of the same
kinds. A kind that is not here cannot be written by accident.
"""

from __future__ import annotations

from typing import NamedTuple

from servicelayer_operator.manifests import labels
from servicelayer_operator.resource import API_VERSION, KIND, PLURAL

MANAGED_SELECTOR = f"{labels.MANAGED_BY}={labels.FIELD_MANAGER}"


class Kind(NamedTuple):
    """One kind as the API server serves it."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        group, slash, _ = self.api_version.rpartition("/")
        return group if slash else ""

    @property
    def version(self) -> str:
        """The version inside the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The URL path of an object, of a namespace's list, or of the whole cluster's list."""
        root = "/apis" if "/" in self.api_version else "/api"
        parts = [root, self.api_version]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/".join(parts)


SERVICE_LAYER = Kind(API_VERSION, KIND, PLURAL)
SECRET = Kind("v1", "Secret", "secrets")
POD = Kind("v1", "Pod", "pods")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"
)

CHILDREN: tuple[Kind, ...] = (
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    SECRET,
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Service", "services"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
)

# Kubernetes makes them, and copies the Service's labels onto them.
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")

WATCHED: tuple[Kind, ...] = (*CHILDREN, POD, ENDPOINT_SLICE)

_BY_NAME = {
    (kind.api_version, kind.kind): kind for kind in (SERVICE_LAYER, *WATCHED, CLAIM, LEASE, EVENT)
}


def find_kind(api_version: str, kind: str) -> Kind:
    """The table's entry for an apiVersion and kind.

    Raises:
        KeyError: The operator has no business with this kind.
    """
    return _BY_NAME[api_version, kind]
