"""How many API pods a node drain may take at once: one, and broken ones at any time."""

from typing import Any

from servicelayer_operator.manifests.labels import API, selector
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.resource import ServiceLayer


def build_pod_disruption_budget(resource: ServiceLayer, version: str) -> dict[str, Any]:
    """Build the PodDisruptionBudget.

    `maxUnavailable: 1` and never a minimum: with one replica a minimum would block every drain.
    """
    name = resource.metadata.name
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(resource, name, API, version),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(name, API)},
        },
    }
