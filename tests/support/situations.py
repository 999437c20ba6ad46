"""Situations for the operator's pure core: a ServiceLayer, and facts as if it had converged.

`converged` makes the facts out of what the builders want, so that a test changes the one fact that
it is about and leaves the rest whole.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from servicelayer_operator.checks import run_checks
from servicelayer_operator.conditions import Condition
from servicelayer_operator.manifests import BuildInputs, Claim, Manifest, ObjectKey, build_all
from servicelayer_operator.manifests.labels import API, MIGRATE, POSTGRES
from servicelayer_operator.manifests.migration_job import migration_hash
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.observed import (
    ApiFact,
    ChildFact,
    DeploymentFact,
    IngressFact,
    JobFact,
    JobState,
    ModuleFact,
    Observed,
    PodFact,
    SecretFact,
    StatefulSetFact,
)
from servicelayer_operator.plan import Applied, Plan, build_plan
from servicelayer_operator.resource import ServiceLayer, decode

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
UID = "0f3c7c1e-0000-4000-8000-000000000001"
EMBEDDED: dict[str, Any] = {"database": {"embedded": {}}}
OWN_DATABASE: dict[str, Any] = {"database": {"secretRef": {"name": "shop-dsn"}}}
INPUTS = BuildInputs(
    api_image="registry.example.com/servicelayer/api:1.4.0",
    postgres_image="registry.example.com/library/postgres:17",
    operator_namespace="servicelayer-system",
    secret_fingerprint="5ec2e7f1",
    database_fingerprint="da7aba5e",
)
EMBEDDED_INPUTS = msgspec.structs.replace(
    INPUTS, database_identity="5e7", claim=Claim(storage="1Gi")
)
API_KEYS = frozenset(
    {
        "API_TOKENS",
        "AUTH_JWT_SECRET",
        "AUTH_USERS",
        "ADMIN_PASSWORD",
        "SECRET_ENCRYPTION_KEY",
        "RANDOM_SIGNING_KEY",
    }
)
POSTGRES_KEYS = frozenset(
    {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "DATABASE_URL", "uri"}
)


def layer(
    spec: Mapping[str, Any] = EMBEDDED,
    *,
    status: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    generation: int = 3,
    name: str = "shop",
) -> ServiceLayer:
    """Decode a resource as the API server would hand it out."""
    metadata = {
        "name": name,
        "namespace": "market",
        "uid": UID,
        "generation": generation,
        "annotations": annotations or {},
    }
    return decode({"metadata": metadata, "spec": dict(spec), "status": status or {}})


def inputs_for(resource: ServiceLayer) -> BuildInputs:
    """Return the inputs of a resource whose children are there."""
    return EMBEDDED_INPUTS if resource.spec.database.embedded else INPUTS


def desired_of(resource: ServiceLayer) -> list[Manifest]:
    """Build the resource's objects."""
    return build_all(resource, inputs_for(resource))


def find(desired: Sequence[Manifest], kind: str, name: str = "") -> Manifest:
    """Return the one manifest of a kind (and name)."""
    found = [m for m in desired if m.key.kind == kind and name in {"", m.key.name}]
    assert len(found) == 1, f"{len(found)} manifests of kind {kind}"
    return found[0]


def child(manifest: Manifest, **changes: Any) -> ChildFact:
    """Return the facts of a manifest that was applied."""
    fact = ChildFact(
        key=manifest.key,
        uid=f"uid-of-{manifest.key.name}",
        resource_version="7",
        applied_hash=manifest.hash,
        fingerprint=f"live-{manifest.hash}",
        owner_uid=UID,
        owner="ServiceLayer/shop",
        instance="shop",
    )
    return msgspec.structs.replace(fact, **changes)


def memory_of(desired: Sequence[Manifest]) -> dict[ObjectKey, Applied]:
    """Return what the operator remembers after it applied all of them."""
    return {m.key: Applied(hash=m.hash, fingerprint=f"live-{m.hash}") for m in desired}


def template_of(desired: Sequence[Manifest]) -> str:
    """Return the template hash of the wanted Deployment."""
    meta = find(desired, "Deployment").body["spec"]["template"]["metadata"]
    return meta["annotations"]["servicelayer.r3e.network/template-hash"]


def api_pod(desired: Sequence[Manifest], **changes: Any) -> PodFact:
    """Return a ready API pod of the wanted template."""
    pod = PodFact(
        name="shop-6d5f-abcde",
        component=API,
        template=template_of(desired),
        phase="Running",
        ready=True,
        created=NOW - timedelta(minutes=5),
        image="registry.example.com/servicelayer/api:1.4.0",
    )
    return msgspec.structs.replace(pod, **changes)


def migrate_pod(desired: Sequence[Manifest], **changes: Any) -> PodFact:
    """Return a pod of the wanted migration Job."""
    job = find(desired, "Job").key.name
    pod = PodFact(
        name=f"{job}-x1",
        component=MIGRATE,
        job=job,
        phase="Failed",
        created=NOW - timedelta(minutes=2),
        terminated_at=NOW - timedelta(minutes=1),
        image="registry.example.com/servicelayer/api:1.4.0",
    )
    return msgspec.structs.replace(pod, **changes)


def postgres_pod(**changes: Any) -> PodFact:
    """Return a ready pod of the embedded database."""
    pod = PodFact(
        name="shop-postgres-0",
        component=POSTGRES,
        phase="Running",
        ready=True,
        created=NOW - timedelta(minutes=5),
        image="registry.example.com/library/postgres:17",
    )
    return msgspec.structs.replace(pod, **changes)


def job_fact(desired: Sequence[Manifest], **changes: Any) -> JobFact:
    """Return the wanted migration Job, completed."""
    body = find(desired, "Job").body
    annotations = body["metadata"]["annotations"]
    fact = JobFact(
        name=body["metadata"]["name"],
        state=JobState.COMPLETE,
        migration_hash=annotations["servicelayer.r3e.network/migration-hash"],
        attempt=int(annotations["servicelayer.r3e.network/migration-attempt"]),
        finished_at=NOW - timedelta(minutes=4),
    )
    return msgspec.structs.replace(fact, **changes)


def rolled_out(
    resource: ServiceLayer, desired: Sequence[Manifest], **changes: Any
) -> DeploymentFact:
    """Return the Deployment's facts when all its pods are up to date."""
    count = 0 if resource.spec.suspend else resource.spec.api.replicas
    fact = DeploymentFact(
        generation=4,
        observed_generation=4,
        wanted=count,
        replicas=count,
        updated=count,
        ready=count,
        available=count,
        template=template_of(desired),
    )
    return msgspec.structs.replace(fact, **changes)


def converged(resource: ServiceLayer, **changes: Any) -> Observed:
    """Return the facts of a resource that has all it wants; `changes` replace single facts."""
    desired, names = desired_of(resource), names_of(resource)
    tls = SecretFact(name=names.tls_secret, keys=frozenset({"tls.crt", "tls.key"}))
    facts: dict[str, Any] = {
        "children": {m.key: child(m) for m in desired},
        "deployment": rolled_out(resource, desired),
        "postgres": StatefulSetFact(
            uid="5e7", wanted=1, replicas=1, ready=1, claim=Claim(storage="1Gi")
        )
        if resource.spec.database.embedded
        else None,
        "migration": job_fact(desired),
        "pods": (api_pod(desired),),
        "ingress": IngressFact(addresses=("203.0.113.7",), created=NOW - timedelta(hours=1))
        if resource.spec.expose.mode == "Ingress"
        else None,
        "endpoints": {"shop": 0 if resource.spec.suspend else resource.spec.api.replicas},
        "secrets": SecretFact(name=names.api_secret, keys=API_KEYS),
        "database_secret": SecretFact(
            name=names.database_secret, keys=POSTGRES_KEYS | {names.database_key}
        ),
        "tls_secret": tls if names.tls_secret else None,
        "api": ApiFact(
            reachable=True,
            store_ready=True,
            schema_current=12,
            schema_latest=12,
            version="1.4.0",
            modules=(
                ModuleFact(name="store", status="started", ready=True),
                ModuleFact(name="accounts", status="started", ready=True),
            ),
        ),
    }
    return Observed(**(facts | changes))


def migrated_status(resource: ServiceLayer) -> dict[str, Any]:
    """Return the status of a resource whose migration of today has been recorded as complete."""
    key = migration_hash(resource, inputs_for(resource))
    return {"migration": {"hash": key, "completedHash": key, "state": "Completed", "attempts": 1}}


def plan_of(resource: ServiceLayer, observed: Observed) -> Plan:
    """Plan as the operator does whose memory holds all that was applied."""
    desired = desired_of(resource)
    return build_plan(desired, observed, memory_of(desired), resource)


def judge(resource: ServiceLayer, observed: Observed, now: datetime = NOW) -> dict[str, Condition]:
    """Run the checks and return the conditions by type."""
    conditions = run_checks(
        resource, desired_of(resource), observed, plan_of(resource, observed), now
    )
    found = {condition.type: condition for condition in conditions}
    assert len(found) == len(conditions), "a condition occurs twice"
    return found
