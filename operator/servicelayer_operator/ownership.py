"""Whose an object is: judged by what stands at the name, never by a label alone. Pure.

The invariants: an object is the ServiceLayer's when its controller owner reference carries the
ServiceLayer's uid, when it is an orphan of ours (our labels and our mark, and no controller), or
when somebody who may edit that object has said so by an annotation on it. Everything else is a
stranger's: it is named, and neither changed, nor adopted, nor deleted.
"""

from typing import Final

import msgspec

from servicelayer_operator.manifests.labels import ADOPT, KIND
from servicelayer_operator.manifests.manifest import Manifest, ObjectKey
from servicelayer_operator.manifests.names import Names
from servicelayer_operator.observed import ChildFact
from servicelayer_operator.resource import Metadata

NAME_TAKEN: Final = "NameTaken"
NAME_CONFLICT: Final = "NameConflict"
# Made once with our labels alone: a Secret by the operator, a claim by the StatefulSet's template.
_KNOWN_BY_LABELS: Final = frozenset({"Secret", "PersistentVolumeClaim"})


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A stranger's object at a name that a ServiceLayer wants.

    Attributes:
        reason: `NameConflict` when another ServiceLayer has it, else `NameTaken`.
        message: Who has it and what can be done.
        passing: It belongs to a deleted resource of the same name and goes by itself.
    """

    reason: str
    message: str
    passing: bool = False


def judge(child: ChildFact, wanted_by: Metadata) -> Conflict | None:
    """Return what keeps the object from being the ServiceLayer's; None when it is its own."""
    claims = child.key.kind == "PersistentVolumeClaim"
    if child.owner_uid is not None and not claims:
        return None if child.owner_uid == wanted_by.uid else _controlled(child, wanted_by)
    if child.adopt in {wanted_by.uid, f"{wanted_by.namespace}/{wanted_by.name}"}:
        return None
    marked = child.applied_hash or child.key.kind in _KNOWN_BY_LABELS
    if child.instance == wanted_by.name and marked:
        return None
    if child.instance not in {"", wanted_by.name} and marked:
        return _conflict(child, f"{KIND}/{child.instance}")
    return Conflict(
        reason=NAME_TAKEN,
        message=f"{child.key} is there already and is not this ServiceLayer's: it is left alone. "
        "Delete or rename it, give this ServiceLayer another name, or hand it over: kubectl "
        f"annotate {child.key.kind.lower()} {child.key.name} "
        f"{ADOPT}={wanted_by.namespace}/{wanted_by.name}",
    )


def _controlled(child: ChildFact, wanted_by: Metadata) -> Conflict:
    if child.owner.startswith(f"{KIND}/"):
        return _conflict(child, child.owner, passing=child.owner == f"{KIND}/{wanted_by.name}")
    return Conflict(
        reason=NAME_TAKEN,
        message=f"{child.key} belongs to {child.owner} and is left alone. Delete or rename it, or "
        "give this ServiceLayer another name.",
    )


def _conflict(child: ChildFact, owner: str, *, passing: bool = False) -> Conflict:
    return Conflict(
        reason=NAME_CONFLICT,
        message=f"{child.key} belongs to {owner} and is left alone. Give one of the two "
        "ServiceLayers another name.",
        passing=passing,
    )


def companions(manifest: Manifest, names: Names) -> tuple[ObjectKey, ...]:
    """Name what other controllers will write or take for a manifest, under names we chose."""
    if manifest.key.kind == "StatefulSet":
        claims = manifest.body["spec"]["volumeClaimTemplates"]
        return tuple(
            ObjectKey(
                api_version="v1",
                kind="PersistentVolumeClaim",
                name=f"{claim['metadata']['name']}-{manifest.key.name}-0",
            )
            for claim in claims
        )
    if manifest.key.kind == "Ingress" and names.issued_secret:
        return (ObjectKey(api_version="v1", kind="Secret", name=names.issued_secret),)
    return ()
