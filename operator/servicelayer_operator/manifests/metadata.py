"""The metadata every child carries, and the seal that turns a body into a manifest."""

from collections.abc import Mapping
from typing import Any

from servicelayer_operator.manifests.labels import APPLIED_HASH, labels, owner_reference
from servicelayer_operator.manifests.manifest import Gate, Manifest, digest
from servicelayer_operator.resource import ServiceLayer


def metadata(
    resource: ServiceLayer,
    name: str,
    component: str,
    version: str,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Build an object's metadata: its name, our labels, the owner reference."""
    return {
        "name": name,
        "namespace": resource.metadata.namespace,
        "labels": labels(resource.metadata.name, component, version),
        "annotations": dict(annotations or {}),
        "ownerReferences": [owner_reference(resource)],
    }


def seal(
    body: dict[str, Any],
    *,
    gate: Gate | None = None,
    immutable: bool = False,
    only_if_present: bool = False,
) -> Manifest:
    """Stamp the body's hash into its annotations and make a manifest of it."""
    meta = body["metadata"]
    sealed = {
        **body,
        "metadata": {**meta, "annotations": {**meta["annotations"], APPLIED_HASH: digest(body)}},
    }
    return Manifest(body=sealed, gate=gate, immutable=immutable, only_if_present=only_if_present)
