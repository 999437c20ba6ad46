"""The in-cluster address of the API: port 80 to the pods' 8080, as the guide has it."""

from typing import Any

from servicelayer_operator.manifests.labels import API, selector
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.resource import ServiceLayer


def build_service(resource: ServiceLayer, version: str) -> dict[str, Any]:
    """Build the Service of the API."""
    name = resource.metadata.name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(resource, name, API, version),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(name, API),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    }
