"""What can go wrong with Secrets, database and migration, a row each; the words for such rows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from servicelayer_operator.manifests import Manifest
from servicelayer_operator.observed import (
    ApiFact,
    ApplyError,
    JobFact,
    JobState,
    SecretFact,
    StatefulSetFact,
    UnreadyFact,
)
from servicelayer_operator.resource import ServiceLayer
from support.situations import (
    API_KEYS,
    EMBEDDED,
    NOW,
    OWN_DATABASE,
    api_pod,
    child,
    converged,
    find,
    job_fact,
    migrate_pod,
    postgres_pod,
    rolled_out,
)

type Facts = Callable[[ServiceLayer, list[Manifest]], dict[str, Any]]

EXPOSED = {**EMBEDDED, "expose": {"mode": "Ingress", "host": "a.example.com"}}
ISSUED = {**EMBEDDED, "expose": {**EXPOSED["expose"], "tls": {"issuerRef": {"name": "ca"}}}}
CERTIFICATE = {**EMBEDDED, "expose": {**EXPOSED["expose"], "tls": {"secretName": "mine"}}}
EXISTING = {**EMBEDDED, "secrets": {"mode": "Existing", "existing": {"name": "keys"}}}
YOUNG = NOW - timedelta(seconds=3)


class Trouble(NamedTuple):
    """One kind of trouble.

    Attributes:
        name: test id.
        spec: the resource.
        facts: what differs from a converged resource.
        condition: the domain condition that falls, empty when only Ready does.
        reason: the reason of Ready, and of the domain condition.
        stalled: whether somebody must act.
        says: words of the message.
    """

    name: str
    spec: dict[str, Any]
    facts: Facts
    condition: str
    reason: str
    stalled: bool
    says: str


def api(resource: ServiceLayer, desired: list[Manifest], **pod: Any) -> dict[str, Any]:
    """One of two pods fails, the other serves."""
    one_down = rolled_out(resource, desired, updated=1, replicas=3, ready=2, available=2)
    return {"deployment": one_down, "pods": (api_pod(desired, ready=False, **pod),)}


def failing(**pod: Any) -> Facts:
    return lambda resource, desired: api(resource, desired, **pod)


def not_ready(
    *,
    available: int,
    unready: UnreadyFact | None = None,
    created: datetime = NOW - timedelta(minutes=5),
    **changes: Any,
) -> Facts:
    """A new pod runs and is not ready; of the old ones so many serve."""

    def facts(resource: ServiceLayer, desired: list[Manifest]) -> dict[str, Any]:
        counts = {"updated": 1, "replicas": 3, "ready": available, "available": available}
        return {
            "deployment": rolled_out(resource, desired, **(counts | changes)),
            "pods": (api_pod(desired, ready=False, created=created, address="10.1.2.3"),),
            "unready": unready,
            "api": ApiFact() if not available else converged(resource).api,
        }

    return facts


def deployment(**changes: Any) -> Facts:
    return lambda resource, desired: {"deployment": rolled_out(resource, desired, **changes)}


def job(
    state: JobState = JobState.FAILED, pods: tuple[dict[str, Any], ...] = (), **changes: Any
) -> Facts:
    def facts(_resource: ServiceLayer, desired: list[Manifest]) -> dict[str, Any]:
        made: JobFact = job_fact(desired, state=state, finished_at=NOW, **changes)
        return {"migration": made, "pods": tuple(migrate_pod(desired, **pod) for pod in pods)}

    return facts


def fixed(**facts: Any) -> Facts:
    return lambda _resource, _desired: facts


def ended(reason: str, message: str = "as said") -> str:
    return msgspec.json.encode({"reason": reason, "message": message}).decode()


def refused(message: str, *, terminal: bool) -> Facts:
    def facts(_resource: ServiceLayer, desired: list[Manifest]) -> dict[str, Any]:
        key = find(desired, "Service", "shop").key
        return {"errors": (ApplyError(key=key, reason="Oops", message=message, terminal=terminal),)}

    return facts


def without(kind: str) -> Facts:
    def facts(_resource: ServiceLayer, desired: list[Manifest]) -> dict[str, Any]:
        return {"children": {m.key: child(m) for m in desired if m.key.kind != kind}}

    return facts


DATA_TROUBLES = [
    Trouble(
        "the user's secret is missing",
        EXISTING,
        fixed(secrets=None),
        "SecretsReady",
        "SecretMissing",
        True,
        "Secret keys does not exist. Create it",
    ),
    Trouble(
        "the secret of the database is missing",
        OWN_DATABASE,
        fixed(database_secret=SecretFact(name="shop-dsn", exists=False)),
        "SecretsReady",
        "SecretMissing",
        True,
        "Secret shop-dsn does not exist",
    ),
    Trouble(
        "the generated secret is not made yet",
        EMBEDDED,
        fixed(secrets=None),
        "SecretsReady",
        "SecretMissing",
        False,
        "The operator is about to make it",
    ),
    Trouble(
        "the generated secret is lost",
        EMBEDDED,
        fixed(secrets=None, lost=("shop-secrets",)),
        "SecretsReady",
        "SecretLost",
        True,
        "kubectl --namespace market exec deployment/shop -- python3",
    ),
    Trouble(
        "the generated secret is lost and no pod runs",
        EMBEDDED,
        fixed(secrets=None, lost=("shop-secrets",), deployment=None),
        "SecretsReady",
        "SecretLost",
        True,
        "Restore it from a backup; no pod runs that still has it.",
    ),
    Trouble(
        "the embedded database's secret is lost",
        EMBEDDED,
        fixed(database_secret=None, lost=("shop-postgres",)),
        "SecretsReady",
        "SecretLost",
        True,
        "kubectl --namespace market exec shop-postgres-0 -- printenv POSTGRES_PASSWORD",
    ),
    Trouble(
        "a key of a secret is missing",
        EXISTING,
        fixed(secrets=SecretFact(name="keys", keys=API_KEYS - {"AUTH_JWT_SECRET"})),
        "SecretsReady",
        "SecretKeyMissing",
        True,
        "keys/AUTH_JWT_SECRET",
    ),
    Trouble(
        "the embedded database starts",
        EMBEDDED,
        fixed(postgres=StatefulSetFact(uid="5e7", wanted=1, replicas=1), pods=()),
        "DatabaseReachable",
        "DatabaseStarting",
        False,
        "StatefulSet shop-postgres has no ready pod",
    ),
    Trouble(
        "the embedded database's pod is refused",
        EMBEDDED,
        fixed(
            postgres=StatefulSetFact(uid="5e7", wanted=1),
            pods=(),
            refused={"StatefulSet/shop-postgres": "denied: no such pods here"},
        ),
        "DatabaseReachable",
        "PodsRefused",
        True,
        "denied: no such pods here",
    ),
    Trouble(
        "the embedded database's image cannot be pulled",
        EMBEDDED,
        fixed(
            postgres=StatefulSetFact(uid="5e7", wanted=1, replicas=1),
            pods=(postgres_pod(ready=False, waiting_reason="ImagePullBackOff"),),
        ),
        "DatabaseReachable",
        "ImagePullFailed",
        True,
        "cannot pull registry.example.com/library/postgres:17",
    ),
    Trouble(
        "the running API has lost its database",
        OWN_DATABASE,
        lambda resource, desired: {
            "deployment": rolled_out(resource, desired, ready=0, available=0),
            "pods": (api_pod(desired, ready=False),),
            "api": ApiFact(reachable=True, store_ready=False),
        },
        "DatabaseReachable",
        "DatabaseUnreachable",
        False,
        "connects again by itself",
    ),
    Trouble(
        "the migration cannot reach the database",
        OWN_DATABASE,
        job(pods=({"exit_code": 3, "terminated_message": ended("DatabaseUnreachable")},)),
        "DatabaseReachable",
        "DatabaseUnreachable",
        False,
        "as said. Check that the database runs",
    ),
    Trouble(
        "the database refuses the migration's login",
        OWN_DATABASE,
        job(pods=({"exit_code": 4, "terminated_message": ended("DatabaseAuthFailed")},)),
        "DatabaseReachable",
        "DatabaseAuthFailed",
        True,
        "Correct user and password in the Secret",
    ),
    Trouble(
        "the database is too old",
        OWN_DATABASE,
        job(pods=({"exit_code": 6},)),
        "DatabaseReachable",
        "DatabaseUnsupported",
        True,
        "Use PostgreSQL 14 or newer",
    ),
    Trouble(
        "the migration runs",
        EMBEDDED,
        job(JobState.RUNNING, ({"phase": "Running"},)),
        "Migrated",
        "MigrationRunning",
        False,
        "the present pods keep serving",
    ),
    Trouble(
        "the migration is tried again within its job",
        EMBEDDED,
        job(JobState.RUNNING, ({"exit_code": 5},), failed_pods=1),
        "Migrated",
        "MigrationFailed",
        False,
        "It is tried again by itself",
    ),
    Trouble(
        "the migration failed",
        EMBEDDED,
        job(pods=({"exit_code": 5, "terminated_message": ended("MigrationFailed", "0007.sql")},)),
        "Migrated",
        "MigrationFailed",
        True,
        "0007.sql. Read the Job's log",
    ),
    Trouble(
        "the migration's pods are gone and the job remembers their exit code",
        EMBEDDED,
        job(message="Container migrate for pod a/b failed with exit code 2 matching FailJob rule"),
        "Migrated",
        "ConfigInvalid",
        True,
        "Correct the connection string",
    ),
    Trouble(
        "the migration took too long",
        EMBEDDED,
        job(
            JobState.FAILED,
            ({"exit_code": 143},),
            reason="DeadlineExceeded",
            message="Job was active longer than specified deadline",
        ),
        "Migrated",
        "MigrationTimedOut",
        True,
        "spec.database.migrations.timeoutSeconds",
    ),
    Trouble(
        "the migration's image cannot be pulled",
        EMBEDDED,
        job(
            JobState.RUNNING,
            ({"phase": "Pending", "waiting_reason": "ErrImagePull", "waiting_message": "404"},),
        ),
        "Migrated",
        "ImagePullFailed",
        True,
        "(ErrImagePull): 404",
    ),
]
