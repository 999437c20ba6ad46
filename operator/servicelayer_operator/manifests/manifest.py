"""What a desired object is: its key, its body, and the gate it waits behind.

The invariant: a `Manifest` is complete. The body already carries name, namespace, labels, the
owner reference and the `applied-hash` annotation, so whoever applies it adds nothing. Two manifests
with the same body have the same hash, whatever the order of their keys.
"""

import hashlib
import json
from enum import StrEnum
from typing import Any

import msgspec

from servicelayer_operator.manifests.labels import APPLIED_HASH


class ObjectKey(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Names one object within the namespace of its ServiceLayer."""

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        """Read as `Deployment/shop`."""
        return f"{self.kind}/{self.name}"


class Gate(StrEnum):
    """What must hold before a manifest may be applied. The later two contain the first."""

    SECRETS_READY = "SecretsReady"
    """Every Secret and key that the pods require exists."""
    DATABASE_READY = "DatabaseReady"
    """The embedded database has a ready pod."""
    MIGRATED = "Migrated"
    """The migration Job of the wanted hash has completed."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One desired object.

    Attributes:
        body: The whole object to apply; treat it as read-only.
        gate: What must hold first; None means at once.
        immutable: The API server refuses changes of the body (a Job's template): a live object
            whose `applied-hash` differs is left alone; only drift from the same hash is repaired.
        only_if_present: The object has done its work (a finished migration Job). It is kept and
            repaired while it exists, and not made again once somebody deleted it.
    """

    body: dict[str, Any]
    gate: Gate | None = None
    immutable: bool = False
    only_if_present: bool = False

    @property
    def key(self) -> ObjectKey:
        """The object's key."""
        return ObjectKey(
            api_version=self.body["apiVersion"],
            kind=self.body["kind"],
            name=self.body["metadata"]["name"],
        )

    @property
    def hash(self) -> str:
        """The hash stamped into the body: 64 hexadecimal digits."""
        return str(self.body["metadata"]["annotations"][APPLIED_HASH])


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What the live StatefulSet's volume claim template says. It can never be changed in place.

    `annotated`: claims made from it are kept by Argo CD.
    """

    storage: str
    storage_class: str | None = None
    annotated: bool = True


class BuildInputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that the builders need and the resource does not say. Holds no secret value.

    Attributes:
        api_image: The operator's default API image; the resource's `spec.image` is laid over it.
        postgres_image: The operator's default image of the embedded database.
        operator_namespace: Where the operator runs: the NetworkPolicy lets it ask /system/status.
        secret_fingerprint: Keyed hash (HMAC) of everything in the Secret that the API pods read
            (N-secrets or the existing one). None while the Secret is missing.
        database_fingerprint: Keyed hash of the value behind the database's secretRef (N-postgres'
            DATABASE_URL when embedded). None while it is missing. Part of the migration's hash.
        database_identity: `metadata.uid` of the live embedded StatefulSet, None when it is absent
            or the database is a secretRef. A new one may hold an empty volume, so it is migrated.
        claim: The live StatefulSet's volume claim template, None when there is no StatefulSet yet.
    """

    api_image: str
    postgres_image: str
    operator_namespace: str
    secret_fingerprint: str | None = None
    database_fingerprint: str | None = None
    database_identity: str | None = None
    claim: Claim | None = None


def digest(value: Any) -> str:
    """Hash a JSON value by its canonical form (sorted keys, no spaces): 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest10(value: Any) -> str:
    """Hash a JSON value to ten hexadecimal digits: short enough for a name."""
    return digest(value)[:10]
