"""The migration Job: one for each database, image and setting, and the rule when it is wanted.

The migration hash covers what a migration depends on: image, database reference, the fingerprint of
the connection string, the identity of an embedded database, the limits, where its pods may run, and
the token of the retry annotation. Replicas, log levels and hosts are not in it, so such edits never
wait for a migration.

The rule, level-triggered, from `status.migration` and the hash H of now:
- H is `completedHash`: migrated. The Job is `only_if_present`: kept while it exists, never run
  again once somebody deletes it.
- else the Job of H is wanted, gated by Secrets and database. Its name is derived from H and the
  attempt number kept in the status; a deleted unfinished Job is made again under the same name.
- A pod that ends with 2, 3, 4 or 6 fails the Job at once; other failures (5: a migration failed)
  are retried inside the Job `maxRetries` times. Which failures lead to a next attempt, and when, is
  decided in `retries.py`; the next attempt has another name, and the old Job is pruned.
- A Job of another hash is no longer desired and is pruned, running or not: migrations hold an
  advisory lock and run in transactions.
- While suspended no Job is started.
"""

from typing import Any, Final

import msgspec

from servicelayer_operator.manifests.labels import (
    MIGRATE,
    MIGRATION_ATTEMPT,
    MIGRATION_HASH,
    RETRY_MIGRATION,
    labels,
)
from servicelayer_operator.manifests.manifest import BuildInputs, Gate, Manifest, digest10
from servicelayer_operator.manifests.metadata import metadata, seal
from servicelayer_operator.manifests.names import DATABASE_URL, api_image, image_version, names_of
from servicelayer_operator.manifests.pod import (
    API_UID,
    TMP_MOUNT,
    TMP_VOLUME,
    container_security,
    placement,
    pod_security,
    pull_secrets,
    resources,
    secret_env,
)
from servicelayer_operator.resource import MigrationsSpec, ServiceLayer

BAD_CONFIGURATION: Final = 2
DATABASE_UNREACHABLE: Final = 3
DATABASE_AUTH_FAILED: Final = 4
MIGRATION_FAILED: Final = 5
DATABASE_UNSUPPORTED: Final = 6

# A Job ends when all its containers do, and a classic sidecar never does.
_NO_SIDECAR_LABELS: Final = {"sidecar.istio.io/inject": "false"}
_NO_SIDECAR_ANNOTATIONS: Final = {
    "consul.hashicorp.com/connect-inject": "false",
    "kuma.io/sidecar-injection": "disabled",
    "linkerd.io/inject": "disabled",
    "sidecar.istio.io/inject": "false",
}

_NOT_WORTH_A_RETRY: Final = [
    BAD_CONFIGURATION,
    DATABASE_UNREACHABLE,
    DATABASE_AUTH_FAILED,
    DATABASE_UNSUPPORTED,
]


class MigrationRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`status.migration`: the operator's memory of migrations across restarts.

    `started`: a pod of `job` has run. A fact of its own, for the state says how the Job stands.
    """

    hash: str = ""
    image: str = ""
    job: str = ""
    state: str = ""
    attempts: int = 0
    message: str = ""
    completed_hash: str = ""
    started: bool = False


def migration_record(resource: ServiceLayer) -> MigrationRecord:
    """Read the record; a missing or unreadable one counts as empty, which only costs a rerun."""
    try:
        return msgspec.convert(resource.status.get("migration") or {}, MigrationRecord)
    except msgspec.ValidationError:
        return MigrationRecord()


def migration_hash(resource: ServiceLayer, inputs: BuildInputs) -> str:
    """Hash what the migration depends on: ten hexadecimal digits."""
    names, spec = names_of(resource), resource.spec
    return digest10(
        {
            "image": api_image(resource, inputs.api_image),
            "pull": msgspec.to_builtins((spec.image.pull_policy, spec.image.pull_secrets)),
            "database": [names.database_secret, names.database_key],
            "fingerprint": inputs.database_fingerprint,
            "identity": inputs.database_identity if spec.database.embedded else None,
            "limits": _limits(spec.database.migrations),
            "placement": placement(spec.api.pod_template),
            "retry": resource.metadata.annotations.get(RETRY_MIGRATION, ""),
        }
    )


def _limits(migrations: MigrationsSpec) -> dict[str, Any]:
    """What is left out when it is empty adds nothing to the hashes of before it existed."""
    stated = msgspec.to_builtins(migrations)
    marks = {name: value for name, value in stated.pop("podTemplate").items() if value}
    return {**stated, **marks}


def wanted_attempt(resource: ServiceLayer, inputs: BuildInputs) -> int:
    """Return which attempt of the present hash is wanted; a new hash starts at 1."""
    record = migration_record(resource)
    return max(1, record.attempts) if record.hash == migration_hash(resource, inputs) else 1


def is_migrated(resource: ServiceLayer, inputs: BuildInputs) -> bool:
    """Tell whether the migration of the present hash has completed."""
    return migration_record(resource).completed_hash == migration_hash(resource, inputs)


def job_name(resource: ServiceLayer, inputs: BuildInputs) -> str:
    """Name the Job of the wanted attempt."""
    key, attempt = migration_hash(resource, inputs), wanted_attempt(resource, inputs)
    suffix = key if attempt == 1 else digest10([key, attempt])
    return f"{resource.metadata.name}-migrate-{suffix}"


def build_migration_job(resource: ServiceLayer, inputs: BuildInputs) -> Manifest:
    """Build the Job of the wanted attempt. Its template can never be patched."""
    image = api_image(resource, inputs.api_image)
    migrations = resource.spec.database.migrations
    embedded = resource.spec.database.embedded is not None
    annotations = {
        MIGRATION_HASH: migration_hash(resource, inputs),
        MIGRATION_ATTEMPT: str(wanted_attempt(resource, inputs)),
    }
    version = image_version(image)
    body: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(resource, job_name(resource, inputs), MIGRATE, version, annotations),
        "spec": {
            "backoffLimit": migrations.max_retries,
            "activeDeadlineSeconds": migrations.timeout_seconds,
            "podFailurePolicy": _failure_policy(),
            "template": {
                "metadata": {
                    "labels": {
                        **_NO_SIDECAR_LABELS,
                        **migrations.pod_template.labels,
                        **labels(resource.metadata.name, MIGRATE, version),
                    },
                    "annotations": {
                        **_NO_SIDECAR_ANNOTATIONS,
                        **migrations.pod_template.annotations,
                    },
                },
                "spec": _pod_spec(resource, image),
            },
        },
    }
    return seal(
        body,
        gate=Gate.DATABASE_READY if embedded else Gate.SECRETS_READY,
        immutable=True,
        only_if_present=resource.spec.suspend or is_migrated(resource, inputs),
    )


def _failure_policy() -> dict[str, Any]:
    """Evicted pods do not count; what the same Job cannot mend ends it at once."""
    exits = {"containerName": MIGRATE, "operator": "In", "values": _NOT_WORTH_A_RETRY}
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": exits},
            {"action": "Ignore", "onPodConditions": disrupted},
        ]
    }


def _pod_spec(resource: ServiceLayer, image: str) -> dict[str, Any]:
    names, spec = names_of(resource), resource.spec
    container = {
        "name": MIGRATE,
        "image": image,
        "imagePullPolicy": spec.image.pull_policy,
        "args": ["migrate"],
        "env": [
            {"name": "LOG_FORMAT", "value": spec.api.log_format},
            secret_env(DATABASE_URL, names.database_secret, names.database_key),
        ],
        "resources": resources(spec.api.resources),
        "securityContext": container_security(),
        "terminationMessagePolicy": "File",
        "volumeMounts": [TMP_MOUNT],
    }
    return {
        "serviceAccountName": names.base,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": pod_security(API_UID),
        "containers": [container],
        "volumes": [TMP_VOLUME],
        **placement(spec.api.pod_template),
        **pull_secrets(spec.image),
    }
