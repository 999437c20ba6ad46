"""The identity of all pods of a ServiceLayer: a name without rights and without a token."""

from typing import Any

from servicelayer_operator.manifests.labels import API
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.resource import ServiceLayer


def build_service_account(resource: ServiceLayer, version: str) -> dict[str, Any]:
    """Build the ServiceAccount; no pod of ours speaks to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(resource, resource.metadata.name, API, version),
        "automountServiceAccountToken": False,
    }
