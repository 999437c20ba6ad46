"""The domain checks: Secrets, database, migration, exposure, storage. One function each.

The invariant: a check looks at the facts of now and at nothing it said before, so every verdict
falls and rises by itself. Each names the object it speaks of and what to do next.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from servicelayer_operator.conditions import Situation, Verdict, bad, good, unsure
from servicelayer_operator.failures import find_failure
from servicelayer_operator.manifests.labels import POSTGRES, TEMPLATE_HASH
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.manifests.postgres import wanted_claim
from servicelayer_operator.observed import IngressFact
from servicelayer_operator.plan import is_key_changed, missing_keys
from servicelayer_operator.quantities import parse_quantity
from servicelayer_operator.retries import MigrationState
from servicelayer_operator.rollout_checks import (
    WAITING,
    late_pod,
    pods_of,
    ready_endpoints,
    refused_pods,
)

_KEY_CHANGED: Final = (
    "SECRET_ENCRYPTION_KEY in Secret {secret} is not the key that the data was written with; no "
    "pod is changed. Put the old key back. To change it on purpose, name the old one in "
    "spec.api.extraEnv as SECRET_ENCRYPTION_KEY_PREVIOUS."
)

ADDRESS_GRACE: Final = timedelta(seconds=60)
"""How long an Ingress controller may take to publish an address; many never do."""

_DATABASE_REASONS: Final = frozenset(
    {"DatabaseUnreachable", "DatabaseAuthFailed", "DatabaseUnsupported"}
)


def check_secrets(situation: Situation) -> Verdict:
    """Judge whether every Secret and key that the pods require is there."""
    resource, observed = situation.resource, situation.observed
    names = names_of(resource)
    if observed.lost:
        return _lost(observed.lost[0], situation)
    if is_key_changed(resource, observed):
        return bad(
            "EncryptionKeyChanged", _KEY_CHANGED.format(secret=names.api_secret), stalled=True
        )
    generated = resource.spec.secrets.mode == "Generate"
    embedded = resource.spec.database.embedded is not None
    for fact, name, made in (
        (observed.secrets, names.api_secret, generated),
        (observed.database_secret, names.database_secret, embedded),
    ):
        if fact is None or not fact.exists:
            todo = "The operator is about to make it." if made else "Create it in this namespace."
            return bad("SecretMissing", f"Secret {name} does not exist. {todo}", stalled=not made)
    missing = missing_keys(situation.desired, observed)
    known = resource.status.get("encryptionKey")
    if known and (names.api_secret, "SECRET_ENCRYPTION_KEY") in missing:
        return _lost(names.api_secret, situation)
    if missing:
        told = ", ".join(f"{secret}/{key}" for secret, key in missing)
        return bad(
            "SecretKeyMissing",
            f"Missing or empty keys (Secret/key): {told}. Add them; the operator never changes an "
            "existing Secret.",
            stalled=True,
        )
    return good("SecretsFound", "All Secrets and keys that the pods need exist.")


def _lost(secret: str, situation: Situation) -> Verdict:
    """A running pod still has the values in its environment; without one there is the backup."""
    names, observed = names_of(situation.resource), situation.observed
    why = "what is stored can be read only with its encryption key"
    pod, fetch = f"deployment/{names.base}", "SECRET_ENCRYPTION_KEY"
    workload = observed.postgres if secret == names.postgres else observed.deployment
    if secret == names.postgres:
        why = "the database in the volume knows only its password"
        pod, fetch = f"{names.postgres}-0", "POSTGRES_PASSWORD"
    show = f"import os; print(os.environ['{fetch}'])"
    told = f'python3 -c "{show}"' if secret != names.postgres else f"printenv {fetch}"
    restore = "from a backup; no pod runs that still has it"
    if workload is not None and workload.ready:
        space = situation.resource.metadata.namespace
        restore = (
            "from a backup or from a pod that still runs (restart none): "
            f"kubectl --namespace {space} exec {pod} -- {told}"
        )
    return bad(
        "SecretLost",
        f"Secret {secret} or its {fetch} is gone and is not made anew, because {why}. Restore it "
        f"{restore}. To begin without the data, delete this ServiceLayer and its volume claim.",
        stalled=True,
    )


def check_database(situation: Situation) -> Verdict:
    """Judge whether the database answers, by what was last heard of it."""
    resource, observed = situation.resource, situation.observed
    migration = situation.migration
    if resource.spec.suspend:
        return unsure("Suspended", "Nothing asks the database while spec.suspend is true.")
    embedded = _check_embedded(situation)
    if embedded is not None:
        return embedded
    if migration.reason in _DATABASE_REASONS:
        return bad(migration.reason, migration.message, stalled=migration.stalled)
    api, deployment = observed.api, observed.deployment
    if api is not None and api.store_ready is False:
        return bad(
            "DatabaseUnreachable",
            "The API answers that its database does not. Check that the database runs; the API "
            "connects again by itself.",
        )
    if (api is not None and api.store_ready) or (deployment is not None and deployment.ready):
        return good("DatabaseAnswers", _database_text(situation))
    return _told_by_unready(situation) or unsure(
        "NotAsked", "No API pod is ready, and so none tells whether the database answers."
    )


def _told_by_unready(situation: Situation) -> Verdict | None:
    """A pod that only starts says of its database that it does not know it yet."""
    unready = situation.observed.unready
    if unready is None or not unready.store or late_pod(situation) is None:
        return None
    return bad("DatabaseUnreachable", f"Pod {unready.pod} says: {unready.store.rstrip('.')}.")


def _check_embedded(situation: Situation) -> Verdict | None:
    if situation.resource.spec.database.embedded is None:
        return None
    name, postgres = names_of(situation.resource).postgres, situation.observed.postgres
    if postgres is not None and postgres.ready:
        return None
    failure = find_failure(pods_of(situation, POSTGRES), situation.now)
    if failure is not None:
        return bad(failure.reason, f"Database: {failure.message}", stalled=failure.stalled)
    refused = situation.observed.refused.get(f"StatefulSet/{name}")
    if refused is not None:
        return refused_pods(f"StatefulSet {name}", refused)
    return bad("DatabaseStarting", f"StatefulSet {name} has no ready pod yet.")


def _database_text(situation: Situation) -> str:
    if situation.resource.spec.database.embedded is None:
        return "The database answers."
    return (
        "The embedded database answers. It is one pod without backups, for trials; use "
        "spec.database.secretRef in production."
    )


def check_migrated(situation: Situation) -> Verdict | None:
    """Judge whether the database has the schema that the wanted image needs."""
    verdict = situation.migration
    if is_only_planned(situation):
        return _last_said(situation, "Migrated")
    if verdict.state is MigrationState.COMPLETED:
        return good(verdict.reason, verdict.message)
    if situation.resource.spec.suspend:
        return bad("Suspended", "The migration starts when spec.suspend is false again.")
    job = situation.observed.migration
    refused = situation.observed.refused.get(f"Job/{job.name}") if job is not None else None
    if job is not None and refused is not None:
        return refused_pods(f"Job {job.name}", refused)
    for wait in situation.plan.wait:
        if wait.key.kind == "Job" and wait.gate is not None:
            return bad(WAITING[wait.gate], f"{wait.key} is not started: {wait.reason}.")
    return bad(verdict.reason, verdict.message, stalled=verdict.stalled)


def check_exposed(situation: Situation) -> Verdict | None:
    """Judge the way in from outside; None when none is wanted."""
    resource, ingress = situation.resource, situation.observed.ingress
    expose, name = resource.spec.expose, resource.metadata.name
    if expose.mode != "Ingress":
        return None
    if resource.spec.suspend:
        return bad("Suspended", f"{expose.host} answers 503 while spec.suspend is true.")
    if ingress is None:
        return bad("IngressMissing", f"Ingress {name} does not exist yet.")
    certificate = _check_certificate(situation)
    if certificate is not None:
        return certificate
    return _check_backend(situation) if ingress.addresses else _no_address(situation, ingress)


def _no_address(situation: Situation, ingress: IngressFact) -> Verdict:
    name, expose = situation.resource.metadata.name, situation.resource.spec.expose
    text = f"Ingress {name} has no address: does a controller of class "
    text = f"{text}{expose.ingress.class_name} run?"
    if ingress.created is None or situation.now - ingress.created < ADDRESS_GRACE:
        return bad("IngressPending", text)
    return unsure("AddressNotPublished", text)


def _check_backend(situation: Situation) -> Verdict:
    """An Ingress with an address answers 503 while its Service has nothing to send to."""
    resource, ready = situation.resource, ready_endpoints(situation)
    name, host = resource.metadata.name, resource.spec.expose.host
    if not ready:
        return bad(
            "NoReadyEndpoints",
            f"Ingress {name} has an address, but {host} answers 503: its Service {name} has no "
            "ready pod.",
        )
    return good("IngressReady", f"Ingress {name} sends {host} to {ready} ready pods.")


def _check_certificate(situation: Situation) -> Verdict | None:
    tls, fact = situation.resource.spec.expose.tls, situation.observed.tls_secret
    if tls is None or fact is None or (fact.exists and {"tls.crt", "tls.key"} <= fact.keys):
        return None
    if tls.issuer_ref is None:
        return bad(
            "TLSSecretMissing",
            f"Secret {fact.name} with tls.crt and tls.key does not exist. Create it.",
            stalled=True,
        )
    return bad(
        "CertificatePending",
        f"cert-manager has not written Secret {fact.name} yet: kubectl describe certificate "
        f"{fact.name}",
    )


def check_storage(situation: Situation) -> Verdict | None:
    """Tell when the embedded database's volume cannot become what the spec asks for."""
    embedded, live = situation.resource.spec.database.embedded, situation.observed.postgres
    if embedded is None or live is None or live.claim is None:
        return None
    wanted = wanted_claim(embedded)
    same_size = parse_quantity(wanted.storage) == parse_quantity(live.claim.storage or "0")
    if same_size and wanted.storage_class in {None, live.claim.storage_class}:
        return None
    name = names_of(situation.resource).postgres
    return bad(
        "ResizeByHand",
        f"StatefulSet {name} keeps a volume of {live.claim.storage}: Kubernetes does not let a "
        f"StatefulSet change it. Enlarge PersistentVolumeClaim data-{name}-0 to {wanted.storage}, "
        f"if its class allows it, then: kubectl delete statefulset {name} --cascade=orphan",
    )


def is_only_planned(situation: Situation) -> bool:
    """Tell whether the desired objects are for review, and what runs is of an earlier spec."""
    return situation.resource.spec.mode == "Plan"


def _last_said(situation: Situation, kind: str) -> Verdict | None:
    """Return what was said of what runs before the spec was one to be reviewed only."""
    before: list[dict[str, str]] = situation.resource.status.get("conditions") or []
    told = next((item for item in before if item.get("type") == kind), None)
    if told is None:
        return None
    return Verdict(status=told["status"], reason=told["reason"], message=told["message"])


def template_of(situation: Situation) -> str:
    """Return the template hash that the desired Deployment carries."""
    body = next(item.body for item in situation.desired if item.key.kind == "Deployment")
    return str(body["spec"]["template"]["metadata"]["annotations"][TEMPLATE_HASH])


def held_since(conditions: Sequence[dict[str, str]], reason: str) -> datetime | None:
    """Return since when Ready has not been True for this reason."""
    for item in conditions:
        if item.get("type") == "Ready" and item.get("reason") == reason:
            return datetime.fromisoformat(item["lastTransitionTime"])
    return None
