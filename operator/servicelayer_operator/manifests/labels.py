"""The well-known labels, selectors, annotations, owner reference and field manager, in one place.

The invariant: selectors hold only what never changes (name, instance, component); the version is a
label and never a selector. No label or annotation names the operator's own version, so upgrading
the operator changes no object.
"""

from typing import Any, Final

from servicelayer_operator.resource import ServiceLayer

FIELD_MANAGER: Final = "servicelayer-operator"
API_VERSION: Final = "servicelayer.r3e.network/v1alpha1"
KIND: Final = "ServiceLayer"
PREFIX: Final = "servicelayer.r3e.network/"

APPLIED_HASH: Final = f"{PREFIX}applied-hash"
TEMPLATE_HASH: Final = f"{PREFIX}template-hash"
CONFIG_HASH: Final = f"{PREFIX}config-hash"
SECRET_FINGERPRINT: Final = f"{PREFIX}secret-fingerprint"
MIGRATION_HASH: Final = f"{PREFIX}migration-hash"
MIGRATION_ATTEMPT: Final = f"{PREFIX}migration-attempt"
RETRY_MIGRATION: Final = f"{PREFIX}retry-migration"
ADOPT: Final = f"{PREFIX}adopt"
"""On an object of somebody else: `namespace/name` or uid of the ServiceLayer that may have it."""

NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
COMPONENT: Final = "app.kubernetes.io/component"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
PART_OF: Final = "app.kubernetes.io/part-of"
VERSION: Final = "app.kubernetes.io/version"

API: Final = "api"
MIGRATE: Final = "migrate"
POSTGRES: Final = "postgres"

# Argo CD takes app.kubernetes.io/instance for its own mark by default, and what carries the name of
# an Application without being in it is extraneous, and pruned where nothing owns it.
KEPT_BY_ARGO_CD: Final = {
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
    "argocd.argoproj.io/sync-options": "Prune=false",
}

_MAX_LABEL: Final = 63


def selector(name: str, component: str) -> dict[str, str]:
    """Build the labels that pick the pods of one component of the ServiceLayer `name`."""
    return {NAME: "servicelayer", INSTANCE: name, COMPONENT: component}


def selector_text(name: str, component: str) -> str:
    """Spell the selector as the scale subresource and kubectl want it."""
    return ",".join(f"{key}={value}" for key, value in selector(name, component).items())


def labels(name: str, component: str, version: str) -> dict[str, str]:
    """Build the labels that every child carries."""
    return {
        **selector(name, component),
        MANAGED_BY: FIELD_MANAGER,
        PART_OF: "servicelayer",
        VERSION: label_value(version),
    }


def label_value(text: str) -> str:
    """Make a valid label value (at most 63 characters) of an image's tag or digest."""
    return text.replace(":", "-")[:_MAX_LABEL].strip("-_.") or "unknown"


def owner_reference(resource: ServiceLayer) -> dict[str, Any]:
    """Build the controller owner reference.

    `blockOwnerDeletion` is false: true would need the right to update finalizers of the
    ServiceLayer, and a foreground deletion must never wait for a child.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
