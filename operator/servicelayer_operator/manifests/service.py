"""The in-cluster address of the API: port 80 to the pods' 8080, as the guide has it.

Port 8081 gives the metrics; the Ingress serves port 80 alone, and the NetworkPolicy opens 8081 to
monitoring only.
"""

from typing import Any

from servicelayer_operator.manifests.config_map import PROBE_PORT
from servicelayer_operator.manifests.deployment import PROBES
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
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"},
                {"name": "metrics", "port": PROBE_PORT, "protocol": "TCP", "targetPort": PROBES},
            ],
        },
    }
