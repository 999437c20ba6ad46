"""The status subresource: built whole from conditions and facts, and the smallest patch towards it.

The invariants: `lastTransitionTime` moves only when a condition's status does; every condition
carries the generation it speaks of; a status in which nothing changed gives no patch at all, so a
steady resource is never written. No member is ever taken from a Secret.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from servicelayer_operator.checklist import checklist
from servicelayer_operator.conditions import Condition
from servicelayer_operator.manifests.labels import API, selector_text
from servicelayer_operator.manifests.manifest import Manifest
from servicelayer_operator.manifests.migration_job import migration_record
from servicelayer_operator.manifests.names import image_version
from servicelayer_operator.observed import Observed
from servicelayer_operator.plan import Plan, explain, is_key_changed
from servicelayer_operator.resource import ServiceLayer
from servicelayer_operator.retries import WantedJob, judge_migration, next_record, wanted_job

_MAX_CHANGES: Final = 256
_MAX_INVENTORY: Final = 128
_SUMMARY: Final = frozenset({"Ready", "Reconciling", "Stalled"})
_WORKING: Final = 10.0
_STALLED: Final = 30.0


def build_status(
    resource: ServiceLayer,
    desired: Sequence[Manifest],
    conditions: Sequence[Condition],
    observed: Observed,
    plan: Plan,
    now: datetime,
) -> dict[str, Any]:
    """Build the whole wanted status, transition times carried over from `resource.status`."""
    deployment = observed.deployment
    generation = resource.metadata.generation
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": _conditions(resource.status, conditions, generation, now),
        "checklist": [
            msgspec.to_builtins(item) for item in checklist(resource, observed, conditions)
        ],
        "url": _url(resource),
        "version": _version(resource, desired, conditions, observed),
        "replicas": deployment.replicas if deployment else 0,
        "readyReplicas": deployment.ready if deployment else 0,
        "selector": selector_text(resource.metadata.name, API),
        "modules": _modules(resource, observed),
        "migration": _migration(resource, desired, observed, now),
        "inventory": _inventory(resource, observed),
    }
    key = _encryption_key(resource, observed, status["migration"])
    if key:
        status["encryptionKey"] = key
    if resource.spec.mode == "Plan":
        lines = explain(plan)
        summary = f"{len(lines)} changes" if lines else "nothing to change"
        status["plan"] = {"summary": summary, "changes": lines[:_MAX_CHANGES]}
    return status


def _conditions(
    old: Mapping[str, Any], conditions: Sequence[Condition], generation: int, now: datetime
) -> list[dict[str, Any]]:
    before: list[dict[str, Any]] = old.get("conditions") or []
    known = {item.get("type"): item for item in before}
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": condition.type,
            "status": condition.status,
            "observedGeneration": generation,
            "lastTransitionTime": _since(known.get(condition.type), condition, stamp),
            "reason": condition.reason,
            "message": condition.message,
        }
        for condition in conditions
    ]


def _since(known: Mapping[str, Any] | None, condition: Condition, stamp: str) -> str:
    if known is not None and known.get("status") == condition.status:
        return str(known.get("lastTransitionTime") or stamp)
    return stamp


def _url(resource: ServiceLayer) -> str:
    expose, meta = resource.spec.expose, resource.metadata
    if expose.mode == "Ingress" and expose.host is not None:
        return f"{'https' if expose.tls else 'http'}://{expose.host}"
    return f"http://{meta.name}.{meta.namespace}.svc"


def _version(
    resource: ServiceLayer,
    desired: Sequence[Manifest],
    conditions: Sequence[Condition],
    observed: Observed,
) -> str:
    """The API's own word once it runs the wanted image; else the last one; else the tag."""
    ready = any(item.type == "Ready" and item.status == "True" for item in conditions)
    if ready and observed.api is not None and observed.api.version:
        return observed.api.version
    return str(resource.status.get("version") or image_version(wanted_job(desired).image))


def _modules(resource: ServiceLayer, observed: Observed) -> list[dict[str, Any]]:
    """The modules as last told; forgotten when no pod is there to tell."""
    if observed.api is not None and observed.api.modules:
        return [
            {"name": item.name, "status": item.status, "ready": item.ready}
            for item in observed.api.modules
        ]
    alive = observed.deployment is not None and observed.deployment.ready > 0
    return list(resource.status.get("modules") or []) if alive else []


def _migration(
    resource: ServiceLayer, desired: Sequence[Manifest], observed: Observed, now: datetime
) -> dict[str, Any]:
    if resource.spec.mode == "Plan":
        return dict(resource.status.get("migration") or {})
    wanted = wanted_job(desired)
    verdict = judge_migration(resource, wanted, observed, now)
    built = msgspec.to_builtins(next_record(resource, wanted, verdict, observed.pods, now))
    return {name: value for name, value in built.items() if value}


def _encryption_key(
    resource: ServiceLayer, observed: Observed, migration: Mapping[str, Any]
) -> str:
    """Keep the fingerprint of the key from the moment that something may be written with it."""
    known = str(resource.status.get("encryptionKey") or "")
    if is_key_changed(resource, observed) or not observed.key:
        return known
    return observed.key if known or migration.get("completedHash") else ""


def _inventory(resource: ServiceLayer, observed: Observed) -> list[dict[str, str]]:
    ours = [
        child
        for _, child in sorted(observed.children.items())
        if child.owner_uid == resource.metadata.uid
    ]
    return [
        {
            "apiVersion": child.key.api_version,
            "kind": child.key.kind,
            "name": child.key.name,
            "uid": child.uid,
        }
        for child in ours[:_MAX_INVENTORY]
    ]


def status_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make the merge patch `{"status": ...}` that turns old into new; None when nothing differs."""
    difference = _merge_patch(old, new)
    return {"status": difference} if difference else None


def _merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _merge_patch(cast("dict[str, Any]", before), cast("dict[str, Any]", value))
            if inner:
                patch[name] = inner
        elif name not in old or before != value:
            patch[name] = value
    return patch


def requeue_after(
    resource: ServiceLayer, observed: Observed, conditions: Sequence[Condition], now: datetime
) -> float | None:
    """Seconds until time alone may change the verdict; None when only an event can.

    Honour it: migration retries and grace periods depend on it.
    """
    retry = _retry_in(resource, observed, now)
    found = {condition.type: condition.status for condition in conditions}
    if found.get("Ready") == "True":
        return retry
    poll = _STALLED if "Stalled" in found else _WORKING
    return poll if retry is None else min(retry, poll)


def _retry_in(resource: ServiceLayer, observed: Observed, now: datetime) -> float | None:
    """Seconds until the failed migration, if it is the last one recorded, is tried again."""
    record, job = migration_record(resource), observed.migration
    if job is None or record.completed_hash == job.migration_hash:
        return None
    wanted = WantedJob(
        name=job.name, hash=job.migration_hash, attempt=job.attempt, image=record.image
    )
    verdict = judge_migration(resource, wanted, observed, now)
    if verdict.retry_at is None:
        return None
    return max(0.0, (verdict.retry_at - now).total_seconds())


def invalid_status(
    resource_status: Mapping[str, Any], generation: int, field: str, message: str, now: datetime
) -> dict[str, Any]:
    """Build the status of a resource that cannot be decoded: Ready=False, Stalled=True.

    What runs is left as it is, so all the rest of the status stays.
    """
    text = f"{field}: {message}"
    verdicts = [
        Condition(type="Ready", status="False", reason="SpecInvalid", message=text),
        Condition(type="Stalled", status="True", reason="SpecInvalid", message=text),
    ]
    told = _conditions(resource_status, verdicts, generation, now)
    before: list[dict[str, Any]] = resource_status.get("conditions") or []
    kept = [item for item in before if item.get("type") not in _SUMMARY]
    return {**resource_status, "observedGeneration": generation, "conditions": [*told, *kept]}
