"""What all our pods have in common: the restricted Pod Security Standard, placement, scratch.

The invariant: nothing built here needs more than the `restricted` standard grants, no pod carries
an API token, and no root file system is writable.
"""

from typing import Any, Final

from servicelayer_operator.pod_settings import Resources, as_manifest
from servicelayer_operator.resource import ImageSpec, PodTemplateSpec

API_UID: Final = 65532
POSTGRES_UID: Final = 999

TMP_VOLUME: Final = {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}
TMP_MOUNT: Final = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - a mount point inside the container

_FLOOR: Final = {"cpu": "100m", "memory": "128Mi"}


def pod_security(uid: int) -> dict[str, Any]:
    """Build the pod's security context for a numeric user that is not root."""
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "fsGroup": uid,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Build the container's security context."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def resources(wanted: Resources) -> dict[str, Any]:
    """Build the container's resources; what the user leaves open is requested at a floor.

    A namespace with a quota refuses pods without requests.
    """
    stated = as_manifest(wanted)
    limits: dict[str, Any] = stated.get("limits", {})
    requests: dict[str, Any] = dict(stated.get("requests", {}))
    for name, amount in _FLOOR.items():
        if name not in requests and name not in limits:
            requests[name] = amount
    built = {"requests": requests, "limits": limits}
    return {key: value for key, value in built.items() if value}


def placement(template: PodTemplateSpec) -> dict[str, Any]:
    """Build what binds a pod to nodes; it holds for the API and for its migrations alike."""
    built: dict[str, Any] = {
        "nodeSelector": dict(template.node_selector),
        "tolerations": [as_manifest(item) for item in template.tolerations],
        "priorityClassName": template.priority_class_name,
    }
    return {key: value for key, value in built.items() if value}


def pull_secrets(image: ImageSpec) -> dict[str, Any]:
    """Build the pod's imagePullSecrets, if there are any."""
    if not image.pull_secrets:
        return {}
    return {"imagePullSecrets": [{"name": item.name} for item in image.pull_secrets]}


def secret_env(name: str, secret: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    """Build an environment variable that reads one key of a Secret."""
    reference: dict[str, Any] = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
