"""What to do about the difference between desired and observed: pure, and able to explain itself.

The invariants:
- a manifest behind a closed gate is not applied, unless the live object already carries its hash:
  then only drift is repaired, and what was admitted before is never held back;
- only objects whose controller owner reference carries our uid are pruned, and never a Secret or a
  volume claim; what `ownership.judge` calls a stranger's is neither changed nor taken over;
- the order is that of `desired`; what is pruned comes sorted.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, cast

import msgspec

from servicelayer_operator.manifests.manifest import Gate, Manifest, ObjectKey
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.observed import ChildFact, JobState, Observed, SecretFact
from servicelayer_operator.ownership import Conflict, companions, judge
from servicelayer_operator.quantities import parse_quantity
from servicelayer_operator.resource import ServiceLayer

_NEVER_PRUNED: Final = frozenset({"Secret", "PersistentVolumeClaim"})
_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "Job"})
_CLOSED: Final = {
    Gate.SECRETS_READY: "a Secret or one of its keys is missing, or the encryption key has changed",
    Gate.DATABASE_READY: "the embedded database is not ready yet",
    Gate.MIGRATED: "the database migration has not completed yet",
}
PREVIOUS_KEY: Final = ("SECRET_ENCRYPTION_KEY_PREVIOUS", "SECRET_ENCRYPTION_KEY_PREVIOUS_FILE")
BEING_DELETED: Final = "the object of this name is still being deleted"


class Change(StrEnum):
    """Why an object is applied."""

    CREATE = "create"
    UPDATE = "update"
    REPAIR = "repair"
    ADOPT = "adopt"


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator remembers of its last successful apply of an object.

    Attributes:
        hash: The manifest's hash.
        fingerprint: The live object's fingerprint as the API server answered.
    """

    hash: str
    fingerprint: str


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that is not applied yet: behind `gate`, or (None) because of another object.

    `conflict` is set where that object stands at the name `key` and is a stranger's.
    """

    key: ObjectKey
    gate: Gate | None
    reason: str
    conflict: Conflict | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, in order.

    `reasons` tells for each key of `apply` why; `fields`, where somebody looked, what differs.
    """

    apply: tuple[Manifest, ...] = ()
    prune: tuple[ChildFact, ...] = ()
    wait: tuple[Wait, ...] = ()
    unchanged: tuple[ObjectKey, ...] = ()
    reasons: Mapping[ObjectKey, Change] = msgspec.field(default_factory=dict[ObjectKey, Change])
    fields: Mapping[ObjectKey, Sequence[str]] = msgspec.field(
        default_factory=dict[ObjectKey, Sequence[str]]
    )


def build_plan(
    desired: Sequence[Manifest],
    observed: Observed,
    applied: Mapping[ObjectKey, Applied],
    resource: ServiceLayer,
) -> Plan:
    """Compare what is wanted with what is there.

    Args:
        desired: From `build_all`, in apply order.
        observed: The facts now.
        applied: The operator's memory. A key that is missing here is applied, unless whoever holds
            the live object has shown by `is_subset` that nothing differs and has put it in.
        resource: Whose they are to be: only its own children are pruned.
    """
    gates = open_gates(desired, observed, resource)
    conflicts = find_conflicts(desired, observed, resource)
    names = names_of(resource)
    apply: list[Manifest] = []
    wait = [
        Wait(key=key, gate=None, reason=conflict.message, conflict=conflict)
        for key, conflict in conflicts.items()
    ]
    unchanged: list[ObjectKey] = []
    reasons: dict[ObjectKey, Change] = {}
    for manifest in desired:
        key = manifest.key
        live = observed.children.get(key) or observed.strangers.get(key)
        if key in conflicts or (live is None and manifest.only_if_present):
            continue
        change = _change(manifest, live, applied.get(key))
        if live is not None and key not in observed.children:
            change = Change.ADOPT
        hindrance = _hindrance(live, companions(manifest, names), conflicts)
        if hindrance:
            wait.append(Wait(key=key, gate=None, reason=hindrance))
        elif change is None:
            unchanged.append(key)
        elif manifest.gate and manifest.gate not in gates and change is not Change.REPAIR:
            wait.append(Wait(key=key, gate=manifest.gate, reason=_CLOSED[manifest.gate]))
        else:
            apply.append(manifest)
            reasons[key] = change
    return Plan(
        apply=tuple(apply),
        prune=tuple(_prune(desired, observed, resource.metadata.uid)),
        wait=tuple(wait),
        unchanged=tuple(unchanged),
        reasons=reasons,
    )


def find_conflicts(
    desired: Sequence[Manifest], observed: Observed, resource: ServiceLayer
) -> dict[ObjectKey, Conflict]:
    """Find what stands at wanted names and is a stranger's; what is going already is none."""
    wanted = (observed.children.get(manifest.key) for manifest in desired)
    there = {child.key: child for child in wanted if child is not None} | dict(observed.strangers)
    judged = {
        key: judge(child, resource.metadata)
        for key, child in sorted(there.items())
        if not child.deleting
    }
    return {key: conflict for key, conflict in judged.items() if conflict is not None}


def _hindrance(
    live: ChildFact | None, beside: Sequence[ObjectKey], conflicts: Mapping[ObjectKey, Conflict]
) -> str | None:
    if live is not None and live.deleting:
        return BEING_DELETED
    taken = next((key for key in beside if key in conflicts), None)
    return f"it would take {taken}" if live is None and taken else None


def _change(manifest: Manifest, live: ChildFact | None, memory: Applied | None) -> Change | None:
    if live is None:
        return Change.CREATE
    if live.applied_hash != manifest.hash:
        if not live.applied_hash:
            return Change.REPAIR if manifest.immutable else Change.UPDATE
        return None if manifest.immutable else Change.UPDATE
    known = memory is not None and memory.hash == manifest.hash
    if known and memory is not None and memory.fingerprint == live.fingerprint:
        return None
    return Change.REPAIR


def _prune(desired: Sequence[Manifest], observed: Observed, owner_uid: str) -> Iterator[ChildFact]:
    wanted = {manifest.key for manifest in desired}
    for key, child in sorted(observed.children.items()):
        ours = child.owner_uid == owner_uid and not child.deleting
        if ours and key not in wanted and key.kind not in _NEVER_PRUNED:
            yield child


def open_gates(
    desired: Sequence[Manifest], observed: Observed, resource: ServiceLayer
) -> frozenset[Gate]:
    """Tell which gates the facts open."""
    if is_key_changed(resource, observed):
        return frozenset()
    if not secrets_exist(observed) or missing_keys(desired, observed):
        return frozenset()
    gates = {Gate.SECRETS_READY}
    if observed.postgres is not None and observed.postgres.ready > 0:
        gates.add(Gate.DATABASE_READY)
    jobs = {manifest.key.name for manifest in desired if manifest.key.kind == "Job"}
    job = observed.migration
    if job is not None and job.name in jobs and job.state is JobState.COMPLETE:
        gates.add(Gate.MIGRATED)
    return frozenset(gates)


def is_key_changed(resource: ServiceLayer, observed: Observed) -> bool:
    """Tell whether the encryption key is another than the one that the data was written with.

    While the key is changed on purpose, the one before is named in spec.api.extraEnv.
    """
    known = resource.status.get("encryptionKey")
    return bool(known and observed.key) and observed.key != known and not _is_rotating(resource)


def _is_rotating(resource: ServiceLayer) -> bool:
    names = {variable.name for variable in resource.spec.api.extra_env}
    return not names.isdisjoint(PREVIOUS_KEY)


def secrets_exist(observed: Observed) -> bool:
    """Tell whether both Secrets, the API's and the database's, are there."""
    return all(
        fact is not None and fact.exists for fact in (observed.secrets, observed.database_secret)
    )


def missing_keys(desired: Sequence[Manifest], observed: Observed) -> list[tuple[str, str]]:
    """List (Secret, key) that the desired pods require and an observed Secret lacks, sorted."""
    facts = (observed.secrets, observed.database_secret)
    known: dict[str, SecretFact] = {
        fact.name: fact for fact in facts if fact is not None and fact.exists
    }
    required = {pair for manifest in desired for pair in required_keys(manifest)}
    return sorted(
        (secret, key)
        for secret, key in required
        if secret in known and key not in known[secret].keys
    )


def required_keys(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield (Secret, key) without which the pods of a workload cannot start."""
    if manifest.key.kind not in _WORKLOADS:
        return
    for container in manifest.body["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env", ()):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield reference["name"], reference["key"]


def explain(plan: Plan) -> list[str]:
    """Say the plan in lines for people: `create Deployment/shop`, `wait Ingress/shop: ...`."""
    return [
        *(_explained(plan, manifest.key) for manifest in plan.apply),
        *(f"wait {wait.key}: {wait.reason}" for wait in plan.wait),
        *(f"delete {child.key}" for child in plan.prune),
    ]


def _explained(plan: Plan, key: ObjectKey) -> str:
    fields = plan.fields.get(key)
    return f"{plan.reasons[key]} {key}" + (f": {', '.join(fields)}" if fields else "")


_AMOUNTS: Final = frozenset({"cpu", "memory", "ephemeral-storage", "storage", "sizeLimit"})
# What identifies an item of a list that others may add to; other lists must match as a whole.
_ITEM_KEYS: Final = {
    "containers": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "topologySpreadConstraints": "topologyKey",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


def is_subset(desired: Any, live: Any) -> bool:
    """Tell whether the live object already says all that the desired one says.

    What the API server filled in and what others added is passed over (`fields.is_ours_alone` sees
    to that); quantities compare by value; an empty member equals a missing one.
    """
    return next(differences(desired, live), None) is None


def differences(desired: Any, live: Any, path: str = "", field: str = "") -> Iterator[str]:
    """Yield the paths at which the live object does not say what the desired one says."""
    if isinstance(desired, dict) and isinstance(live, dict):
        there = cast("dict[str, Any]", live)
        for name, value in cast("dict[str, Any]", desired).items():
            inner = f"{path}.{name}".lstrip(".")
            if name in there:
                yield from differences(value, there[name], inner, name)
            elif value not in (None, "", {}, []):
                yield inner
    elif isinstance(desired, list) and isinstance(live, list):
        yield from _in_list(cast("list[Any]", desired), cast("list[Any]", live), path, field)
    elif not _is_same(cast("object", desired), cast("object", live), field):
        yield path


def _in_list(desired: list[Any], live: list[Any], path: str, field: str) -> Iterator[str]:
    identity = _ITEM_KEYS.get(field)
    if identity is None:
        if len(desired) != len(live):
            yield path
        for index, (item, there) in enumerate(zip(desired, live, strict=False)):
            yield from differences(item, there, f"{path}[{index}]")
        return
    found = {item.get(identity): item for item in live}
    for item in desired:
        name = item[identity]
        yield from differences(item, found.get(name), f"{path}[{name}]")


def _is_same(desired: object, live: object, field: str) -> bool:
    if field in _AMOUNTS and isinstance(desired, str | int) and isinstance(live, str | int):
        return desired == live or parse_quantity(desired) == parse_quantity(live)
    return desired == live and type(desired) is type(live)
