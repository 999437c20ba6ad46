"""Reading live objects as the API server spells them: parts that may be missing, and a fingerprint.

The invariant: a missing or null member reads as empty, never as an error, and a Secret's data is in
no fingerprint.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from servicelayer_operator.manifests.manifest import digest

NOTHING: Final[Mapping[str, Any]] = {}

_LONGEST_TEXT: Final = 4096
_VOLATILE: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)
# The Deployment controller writes its revision after every rollout: not a drift.
_CONTROLLER_ANNOTATIONS: Final = ("deployment.kubernetes.io/revision",)


def fingerprint(obj: Mapping[str, Any]) -> str:
    """Hash a live object without what the API server and controllers write, and without secrets."""
    left_out = {"status", "data", "stringData"} if obj.get("kind") == "Secret" else {"status"}
    body = {key: value for key, value in obj.items() if key not in left_out}
    meta = {key: value for key, value in part(obj, "metadata").items() if key not in _VOLATILE}
    annotations = dict(part(meta, "annotations"))
    for name in _CONTROLLER_ANNOTATIONS:
        annotations.pop(name, None)
    body["metadata"] = {**meta, "annotations": annotations}
    return digest(body)


def part(obj: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a member that is an object; a missing or null one reads as empty."""
    return cast("Mapping[str, Any]", obj.get(name) or NOTHING)


def items(obj: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Return a member that is a list of objects; a missing or null one reads as empty."""
    return cast("Sequence[Mapping[str, Any]]", obj.get(name) or ())


def first(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first item; of none, the empty object."""
    return found[0] if found else NOTHING


def annotation(obj: Mapping[str, Any], name: str) -> str:
    """Return an annotation of an object or pod template; a missing one reads as empty."""
    return str(part(part(obj, "metadata"), "annotations").get(name, ""))


def controller(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference that controls the object; empty when nobody does."""
    owners = items(meta, "ownerReferences")
    return next((owner for owner in owners if owner.get("controller")), NOTHING)


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the condition of this type."""
    conditions = items(status, "conditions")
    return next((item for item in conditions if item.get("type") == kind), NOTHING)


def said(obj: Mapping[str, Any], name: str) -> str:
    """Return a text that somebody else wrote, no longer than a person reads."""
    return str(obj.get(name) or "")[:_LONGEST_TEXT]


def instant(text: str | None) -> datetime | None:
    """Read a time of the API server."""
    return datetime.fromisoformat(text) if text else None
