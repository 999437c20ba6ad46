"""The embedded database for trials: one PostgreSQL, its volume, and the address it answers at.

The invariant: a live StatefulSet's volume claim template is never changed, for the API server would
refuse the whole object. When the spec asks for another size, the live one is repeated here and a
condition says how to grow the volume by hand. The claim outlives a scale-down always, and the
ServiceLayer when `deletionPolicy` is Retain.
"""

from typing import Any, Final

from servicelayer_operator.manifests.labels import (
    KEPT_BY_ARGO_CD,
    POSTGRES,
    TEMPLATE_HASH,
    labels,
    selector,
)
from servicelayer_operator.manifests.manifest import BuildInputs, Claim, digest10
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.manifests.names import image_version, names_of, postgres_image
from servicelayer_operator.manifests.pod import (
    POSTGRES_UID,
    TMP_MOUNT,
    TMP_VOLUME,
    container_security,
    placement,
    pod_security,
    resources,
    secret_env,
)
from servicelayer_operator.resource import EmbeddedDatabase, ServiceLayer

_DATA: Final = "/var/lib/postgresql/data"
_SOCKETS: Final = "/var/run/postgresql"
# While the image initialises the data folder it listens on its socket only: TCP tells it is done.
_IS_READY: Final = 'exec pg_isready -q -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
# A plain SIGTERM lets PostgreSQL wait for its clients, and the API's pool never leaves by itself.
_FAST_STOP: Final = 'pg_ctl stop -D "$PGDATA" -m fast -W || true'


def build_postgres_service(resource: ServiceLayer, version: str) -> dict[str, Any] | None:
    """Build the database's Service; None without an embedded database."""
    if resource.spec.database.embedded is None:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(resource, names_of(resource).postgres, POSTGRES, version),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(resource.metadata.name, POSTGRES),
            "ports": [
                {"name": "postgres", "port": 5432, "protocol": "TCP", "targetPort": "postgres"}
            ],
        },
    }


def build_postgres(resource: ServiceLayer, inputs: BuildInputs) -> dict[str, Any] | None:
    """Build the database's StatefulSet; None without an embedded database."""
    embedded = resource.spec.database.embedded
    if embedded is None:
        return None
    image, name = postgres_image(resource, inputs.postgres_image), names_of(resource).postgres
    retain = resource.spec.deletion_policy == "Retain"
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(resource, name, POSTGRES, image_version(image)),
        "spec": {
            "replicas": 0 if resource.spec.suspend else 1,
            "serviceName": name,
            # In order, a pod that never got ready would not be replaced when its spec is mended.
            "podManagementPolicy": "Parallel",
            # Stated, though it is the default: what is not stated would not come back.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "revisionHistoryLimit": 5,
            "selector": {"matchLabels": selector(resource.metadata.name, POSTGRES)},
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain" if retain else "Delete",
                "whenScaled": "Retain",
            },
            "template": _template(resource, embedded, image),
            "volumeClaimTemplates": [_claim_template(inputs.claim or wanted_claim(embedded))],
        },
    }


def wanted_claim(embedded: EmbeddedDatabase) -> Claim:
    """Return the volume claim that the spec asks for."""
    return Claim(storage=embedded.storage, storage_class=embedded.storage_class_name)


def _claim_template(claim: Claim) -> dict[str, Any]:
    kept = {"annotations": dict(KEPT_BY_ARGO_CD)} if claim.annotated else {}
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": claim.storage}},
    }
    if claim.storage_class is not None:
        spec["storageClassName"] = claim.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", **kept},
        "spec": spec,
    }


def _template(resource: ServiceLayer, embedded: EmbeddedDatabase, image: str) -> dict[str, Any]:
    template: dict[str, Any] = {
        "metadata": {
            "labels": {
                **embedded.pod_template.labels,
                **labels(resource.metadata.name, POSTGRES, image_version(image)),
            },
            "annotations": dict(embedded.pod_template.annotations),
        },
        "spec": {
            "serviceAccountName": resource.metadata.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 60,
            "securityContext": pod_security(POSTGRES_UID),
            "containers": [_container(resource, embedded, image)],
            "volumes": [TMP_VOLUME, {"name": "sockets", "emptyDir": {"sizeLimit": "16Mi"}}],
            **placement(resource.spec.api.pod_template),
        },
    }
    template["metadata"]["annotations"][TEMPLATE_HASH] = digest10(template)
    return template


def _container(resource: ServiceLayer, embedded: EmbeddedDatabase, image: str) -> dict[str, Any]:
    secret = names_of(resource).postgres
    return {
        "name": POSTGRES,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "PGDATA", "value": f"{_DATA}/pgdata"},
            *(
                secret_env(key, secret, key)
                for key in ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
            ),
        ],
        "ports": [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}],
        "resources": resources(embedded.resources),
        "securityContext": container_security(),
        "startupProbe": {**_probe(), "periodSeconds": 2, "failureThreshold": 150},
        "livenessProbe": {**_probe(), "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**_probe(), "periodSeconds": 5},
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", _FAST_STOP]}}},
        "volumeMounts": [
            {"name": "data", "mountPath": _DATA},
            {"name": "sockets", "mountPath": _SOCKETS},
            TMP_MOUNT,
        ],
    }


def _probe() -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", _IS_READY]}, "timeoutSeconds": 5}
