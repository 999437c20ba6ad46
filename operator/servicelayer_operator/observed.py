"""The facts of what is there: small frozen structs, and pure functions that read them off objects.

The invariant: a fact holds only what a decision needs, never a Secret's value or a whole object.
An `observe_*` function takes one object as the API server spells it and refuses nothing: a missing
member reads as its zero value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from servicelayer_operator.live import (
    NOTHING,
    annotation,
    condition,
    controller,
    fingerprint,
    instant,
    items,
    part,
    said,
)
from servicelayer_operator.manifests.labels import (
    ADOPT,
    API,
    APPLIED_HASH,
    COMPONENT,
    FIELD_MANAGER,
    INSTANCE,
    KEPT_BY_ARGO_CD,
    MANAGED_BY,
    MIGRATE,
    MIGRATION_ATTEMPT,
    MIGRATION_HASH,
    POSTGRES,
    TEMPLATE_HASH,
)
from servicelayer_operator.manifests.manifest import Claim, ObjectKey

_MAX_ADDRESSES: Final = 16
_CONTAINERS: Final = {API: "appserver", MIGRATE: MIGRATE, POSTGRES: POSTGRES}


class ChildFact(msgspec.Struct, frozen=True, kw_only=True):
    """Any owned object.

    Attributes:
        key: What and which.
        uid: For the precondition of a deletion.
        resource_version: The version these facts were read from.
        generation: The spec's generation, 0 for kinds that have none.
        applied_hash: The annotation of whoever applied it last; empty when stripped.
        fingerprint: Hash of the live object without what servers and controllers write.
        owner_uid: uid of the controller owner reference, None when there is none.
        owner: The same as `Kind/name`, empty when there is none.
        instance: The ServiceLayer that our labels name, empty without them.
        adopt: The ServiceLayer that whoever owns the object hands it to.
        deleting: A deletion is under way.
    """

    key: ObjectKey
    uid: str
    resource_version: str = ""
    generation: int = 0
    applied_hash: str = ""
    fingerprint: str = ""
    owner_uid: str | None = None
    owner: str = ""
    instance: str = ""
    adopt: str = ""
    deleting: bool = False


class DeploymentFact(msgspec.Struct, frozen=True, kw_only=True):
    """The API Deployment. `template` is our template-hash annotation of its pod template."""

    generation: int = 0
    observed_generation: int = 0
    wanted: int = 0
    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    template: str = ""
    deadline_exceeded: bool = False
    replica_failure: str | None = None


class StatefulSetFact(msgspec.Struct, frozen=True, kw_only=True):
    """The embedded database's StatefulSet."""

    uid: str
    generation: int = 0
    observed_generation: int = 0
    wanted: int = 0
    replicas: int = 0
    ready: int = 0
    current_revision: str = ""
    update_revision: str = ""
    claim: Claim | None = None
    created: datetime | None = None


class JobState(StrEnum):
    """Where a Job stands."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


class JobFact(msgspec.Struct, frozen=True, kw_only=True):
    """A migration Job. `reason`, `message` and `finished_at` tell how and when it ended."""

    name: str
    state: JobState = JobState.RUNNING
    migration_hash: str = ""
    attempt: int = 1
    failed_pods: int = 0
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None
    created: datetime | None = None


class PodFact(msgspec.Struct, frozen=True, kw_only=True):
    """One pod of a component, seen through our own container.

    Attributes:
        name: The pod.
        component: api, migrate or postgres.
        job: Name of the Job it belongs to, empty otherwise.
        template: Our template-hash annotation: tells new pods from old ones.
        phase: Pending, Running, Succeeded, Failed or Unknown.
        ready: The pod's Ready condition.
        deleting: It is terminating.
        created: When it was made.
        image: The container's image as the spec names it.
        restarts: Restarts of the container.
        waiting_reason: Why the container does not run, e.g. ImagePullBackOff.
        waiting_message: The kubelet's words for it.
        exit_code: Of the last termination (the present state, else the last state); None if none.
        terminated_reason: Of the same termination, e.g. OOMKilled.
        terminated_message: Its termination message, raw.
        terminated_at: When it ended.
        unschedulable: The scheduler's words when no node takes it, else None.
        address: Its IP address, empty before it has one.
        owner: Its controller as `Kind/name`, empty when there is none.
        owner_uid: uid of its controller.
        replica_set: The end of its ReplicaSet's name, as the Deployment controller's label has it.
    """

    name: str
    component: str = ""
    job: str = ""
    template: str = ""
    phase: str = ""
    ready: bool = False
    deleting: bool = False
    created: datetime | None = None
    image: str = ""
    restarts: int = 0
    waiting_reason: str = ""
    waiting_message: str = ""
    exit_code: int | None = None
    terminated_reason: str = ""
    terminated_message: str = ""
    terminated_at: datetime | None = None
    unschedulable: str | None = None
    address: str = ""
    owner: str = ""
    owner_uid: str = ""
    replica_set: str = ""


class UnreadyFact(msgspec.Struct, frozen=True, kw_only=True):
    """Why a pod is not ready, in its own words; `store`: what it says of its database."""

    pod: str
    why: str
    store: str = ""


class EndpointsFact(msgspec.Struct, frozen=True, kw_only=True):
    """One EndpointSlice: how many addresses of a Service are ready, and the Service's uid."""

    service: str
    ready: int = 0
    owner_uid: str = ""


class IngressFact(msgspec.Struct, frozen=True, kw_only=True):
    """The Ingress: the addresses its controller published, and when it was made."""

    addresses: tuple[str, ...] = ()
    created: datetime | None = None


class SecretFact(msgspec.Struct, frozen=True, kw_only=True):
    """A Secret: the names of its keys with a value that is not empty. Never a value."""

    name: str
    keys: frozenset[str] = frozenset()
    exists: bool = True


class ModuleFact(msgspec.Struct, frozen=True, kw_only=True):
    """One module as /system/status tells it."""

    name: str
    status: str
    ready: bool = False


class ApiFact(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answered to the operator.

    Attributes:
        reachable: An HTTP answer came (any status).
        store_ready: The module `store`: None when the answer did not tell.
        schema_current: Version of the database schema, None when unknown.
        schema_latest: Version the running code wants, None when unknown.
        version: The API's own version, empty when unknown.
        modules: All modules, in the API's order.
        error: Why it was not reachable, without addresses' credentials.
    """

    reachable: bool = False
    store_ready: bool | None = None
    schema_current: int | None = None
    schema_latest: int | None = None
    version: str = ""
    modules: tuple[ModuleFact, ...] = ()
    error: str = ""


class ApplyError(msgspec.Struct, frozen=True, kw_only=True):
    """A write that the API server refused in this round (after the retries in place).

    Attributes:
        key: The object.
        reason: CamelCase: the API server's reason (Forbidden, Invalid, ...) or a network one.
        message: Its words, without secret values.
        terminal: Trying the same again cannot help (403, 422).
    """

    key: ObjectKey
    reason: str
    message: str
    terminal: bool = False


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """All facts of one ServiceLayer at one moment.

    The facts handed to `run_checks` must already contain the answers to this round's applies, or a
    Deployment's old status would be taken for the new one's.

    Attributes:
        children: Every object with our labels, owned or not, Secrets included.
        strangers: What else stands at names that are wanted, as read in this round.
        deployment: The API Deployment, None when absent.
        postgres: The embedded database, None when absent.
        migration: The Job of the wanted attempt (the one in `desired`), None when absent.
        pods: Pods of all three components, each of the controller that its component has.
        ingress: None when absent.
        endpoints: How many ready addresses each Service has, by its name.
        secrets: The Secret the API pods read; None when missing.
        database_secret: The Secret that holds the database URL; None when missing.
        lost: Generated Secrets that are missing though data depends on them.
        key: Fingerprint of the encryption key as it is now; empty when it is not known.
        tls_secret: The Ingress' certificate; None when nobody looked, `exists=False` when missing.
        api: None when nobody asked it.
        unready: Why a new pod is not ready; None when all are, or none said.
        errors: Writes refused in this round.
        refused: Why no pod is made, by the `Kind/name` of the object that should have one.
    """

    children: Mapping[ObjectKey, ChildFact] = msgspec.field(
        default_factory=dict[ObjectKey, ChildFact]
    )
    strangers: Mapping[ObjectKey, ChildFact] = msgspec.field(
        default_factory=dict[ObjectKey, ChildFact]
    )
    deployment: DeploymentFact | None = None
    postgres: StatefulSetFact | None = None
    migration: JobFact | None = None
    pods: tuple[PodFact, ...] = ()
    ingress: IngressFact | None = None
    endpoints: Mapping[str, int] = msgspec.field(default_factory=dict[str, int])
    secrets: SecretFact | None = None
    database_secret: SecretFact | None = None
    lost: tuple[str, ...] = ()
    key: str = ""
    tls_secret: SecretFact | None = None
    api: ApiFact | None = None
    unready: UnreadyFact | None = None
    errors: tuple[ApplyError, ...] = ()
    refused: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


def observe_child(obj: Mapping[str, Any]) -> ChildFact:
    """Read what is common to all kinds. `obj` must carry apiVersion and kind."""
    meta = part(obj, "metadata")
    annotations, owner = part(meta, "annotations"), controller(meta)
    return ChildFact(
        key=ObjectKey(api_version=obj["apiVersion"], kind=obj["kind"], name=meta["name"]),
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        generation=meta.get("generation", 0),
        applied_hash=annotations.get(APPLIED_HASH, ""),
        fingerprint=fingerprint(obj),
        owner_uid=str(owner["uid"]) if owner else None,
        owner=f"{owner.get('kind', '')}/{owner.get('name', '')}" if owner else "",
        instance=_instance(obj["kind"], part(meta, "labels")),
        adopt=annotations.get(ADOPT, ""),
        deleting="deletionTimestamp" in meta,
    )


def observe_deployment(obj: Mapping[str, Any]) -> DeploymentFact:
    """Read an apps/v1 Deployment."""
    spec, status = part(obj, "spec"), part(obj, "status")
    failure = condition(status, "ReplicaFailure")
    return DeploymentFact(
        generation=part(obj, "metadata").get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        wanted=spec.get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        template=annotation(part(spec, "template"), TEMPLATE_HASH),
        deadline_exceeded=condition(status, "Progressing").get("reason")
        == "ProgressDeadlineExceeded",
        replica_failure=said(failure, "message") if failure.get("status") == "True" else None,
    )


def observe_stateful_set(obj: Mapping[str, Any]) -> StatefulSetFact:
    """Read an apps/v1 StatefulSet."""
    meta, spec, status = part(obj, "metadata"), part(obj, "spec"), part(obj, "status")
    return StatefulSetFact(
        uid=meta.get("uid", ""),
        generation=meta.get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        wanted=spec.get("replicas", 1),
        replicas=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        current_revision=status.get("currentRevision", ""),
        update_revision=status.get("updateRevision", ""),
        claim=_claim(spec),
        created=instant(meta.get("creationTimestamp")),
    )


def observe_job(obj: Mapping[str, Any]) -> JobFact:
    """Read a batch/v1 Job."""
    status = part(obj, "status")
    state, ended = JobState.RUNNING, NOTHING
    for name, verdict in (("Complete", JobState.COMPLETE), ("Failed", JobState.FAILED)):
        found = condition(status, name)
        if found.get("status") == "True":
            state, ended = verdict, found
    return JobFact(
        name=part(obj, "metadata").get("name", ""),
        state=state,
        migration_hash=annotation(obj, MIGRATION_HASH),
        attempt=_attempt(annotation(obj, MIGRATION_ATTEMPT)),
        failed_pods=status.get("failed", 0),
        reason=ended.get("reason", ""),
        message=said(ended, "message"),
        finished_at=instant(ended.get("lastTransitionTime")),
        created=instant(part(obj, "metadata").get("creationTimestamp")),
    )


def observe_pod(obj: Mapping[str, Any]) -> PodFact:
    """Read a v1 Pod."""
    meta, status = part(obj, "metadata"), part(obj, "status")
    labels, owner = part(meta, "labels"), controller(meta)
    named = _CONTAINERS.get(labels.get(COMPONENT, ""), "")
    container = _named(items(status, "containerStatuses"), named)
    state = part(container, "state")
    waiting = part(state, "waiting")
    ended = part(state, "terminated") or part(part(container, "lastState"), "terminated")
    return PodFact(
        name=meta.get("name", ""),
        component=labels.get(COMPONENT, ""),
        job=labels.get("batch.kubernetes.io/job-name", ""),
        template=annotation(obj, TEMPLATE_HASH),
        phase=status.get("phase", ""),
        ready=condition(status, "Ready").get("status") == "True",
        deleting="deletionTimestamp" in meta,
        created=instant(meta.get("creationTimestamp")),
        image=_named(items(part(obj, "spec"), "containers"), named).get("image", ""),
        restarts=container.get("restartCount", 0),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=said(waiting, "message"),
        exit_code=ended.get("exitCode"),
        terminated_reason=ended.get("reason", ""),
        terminated_message=said(ended, "message"),
        terminated_at=instant(ended.get("finishedAt")),
        unschedulable=_unschedulable(status),
        address=said(status, "podIP"),
        owner=f"{owner['kind']}/{owner['name']}" if owner else "",
        owner_uid=str(owner.get("uid", "")),
        replica_set=str(labels.get("pod-template-hash", "")),
    )


def observe_endpoints(obj: Mapping[str, Any]) -> EndpointsFact:
    """Read a discovery.k8s.io/v1 EndpointSlice; readiness that is not told counts as ready."""
    meta = part(obj, "metadata")
    labels, owner = part(meta, "labels"), controller(meta)
    ready = [part(item, "conditions").get("ready") for item in items(obj, "endpoints")]
    return EndpointsFact(
        service=str(labels.get("kubernetes.io/service-name", "")),
        ready=sum(state is not False for state in ready),
        owner_uid=str(owner.get("uid", "")),
    )


def observe_ingress(obj: Mapping[str, Any]) -> IngressFact:
    """Read a networking.k8s.io/v1 Ingress."""
    points = items(part(part(obj, "status"), "loadBalancer"), "ingress")
    return IngressFact(
        addresses=tuple(
            said(point, "ip") or said(point, "hostname") for point in points[:_MAX_ADDRESSES]
        ),
        created=instant(part(obj, "metadata").get("creationTimestamp")),
    )


def observe_secret(obj: Mapping[str, Any]) -> SecretFact:
    """Read a v1 Secret's key names; the values are looked at only for being empty."""
    return SecretFact(
        name=part(obj, "metadata").get("name", ""),
        keys=frozenset(key for key, value in part(obj, "data").items() if value),
    )


def _attempt(text: str) -> int:
    """Read our own annotation, which others may have edited."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len("99999") else 1


def _instance(kind: str, labels: Mapping[str, Any]) -> str:
    """Read whose the labels say that it is; a claim carries those of its StatefulSet's selector."""
    ours = labels.get(MANAGED_BY) == FIELD_MANAGER or (
        kind == "PersistentVolumeClaim" and labels.get(COMPONENT) == POSTGRES
    )
    return str(labels.get(INSTANCE, "")) if ours else ""


def _named(found: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return our own container: others may have put theirs before it."""
    return next((item for item in found if item.get("name") == name), NOTHING)


def _unschedulable(status: Mapping[str, Any]) -> str | None:
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return said(scheduled, "message")
    return None


def _claim(spec: Mapping[str, Any]) -> Claim | None:
    claims = items(spec, "volumeClaimTemplates")
    if not claims:
        return None
    wanted = part(claims[0], "spec")
    storage = part(part(wanted, "resources"), "requests").get("storage", "")
    notes = part(part(claims[0], "metadata"), "annotations")
    return Claim(
        storage=str(storage),
        storage_class=wanted.get("storageClassName"),
        annotated=notes.items() >= KEPT_BY_ARGO_CD.items(),
    )
