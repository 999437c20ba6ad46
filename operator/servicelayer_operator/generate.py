"""Once-only secrets: what is put into the Secrets that the operator makes for a ServiceLayer.

Invariant: a value is made once, sent once by POST and never kept; a Secret that exists is never
rewritten. All randomness of the operator's objects is here (`secrets`, the operating system's
generator). Refuses to derive anything from the resource, for whoever may read the resource may not
read its secrets.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bcrypt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicelayer_operator.manifests import labels

if TYPE_CHECKING:
    from servicelayer_operator.resource import ServiceLayer

ADMIN = "admin"
# Guessing is made costly by the password itself, 144 random bits; a slow hash would cost a quarter
# of a second of a core for each resource here, and for each login there.
BCRYPT_ROUNDS = 4
DATABASE = "servicelayer"


def secrets_name(name: str) -> str:
    """Name of the generated Secret that the API pods read."""
    return f"{name}-secrets"


def postgres_name(name: str) -> str:
    """Name of everything that belongs to the embedded database."""
    return f"{name}-postgres"


def generated_secret(resource: ServiceLayer) -> dict[str, Any]:
    """Make the API's Secret: tokens, keys and the first administrator.

    `ADMIN_PASSWORD` is for the person who fetches it; no pod is given it.
    """
    password = secrets.token_urlsafe(18)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=BCRYPT_ROUNDS)).decode()
    data = {
        "API_TOKENS": secrets.token_urlsafe(32),
        "AUTH_JWT_SECRET": secrets.token_urlsafe(48),
        "AUTH_USERS": f"{ADMIN}:{hashed}:admin",
        "ADMIN_PASSWORD": password,
        "SECRET_ENCRYPTION_KEY": secrets.token_hex(32),
        "RANDOM_SIGNING_KEY": _signing_key(),
    }
    return _secret(resource, secrets_name(resource.metadata.name), data)


def postgres_secret(resource: ServiceLayer) -> dict[str, Any]:
    """Make the embedded database's Secret: its user's password and the URL that holds it."""
    host = f"{postgres_name(resource.metadata.name)}.{resource.metadata.namespace}.svc"
    password = secrets.token_urlsafe(32)
    data = {
        "POSTGRES_USER": DATABASE,
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": DATABASE,
        "DATABASE_URL": (
            f"postgres://{DATABASE}:{quote(password, safe='')}@{host}:5432/{DATABASE}"
            "?sslmode=disable"
        ),
    }
    return _secret(resource, postgres_name(resource.metadata.name), data)


def _signing_key() -> str:
    """An Ed25519 key as its 32-byte seed and 32-byte public key, in base64."""
    key = Ed25519PrivateKey.generate()
    return base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()


def secret_metadata(resource: ServiceLayer, name: str) -> dict[str, Any]:
    """Make the marks of a generated Secret: our labels, and what keeps Argo CD from pruning it."""
    component = labels.POSTGRES if name == postgres_name(resource.metadata.name) else labels.API
    marks = labels.labels(resource.metadata.name, component, "")
    # A secret has no version: it outlives every image.
    del marks[labels.VERSION]
    return {"labels": marks, "annotations": dict(labels.KEPT_BY_ARGO_CD)}


def _secret(resource: ServiceLayer, name: str, data: dict[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": resource.metadata.namespace,
        **secret_metadata(resource, name),
    }
    # What is to outlive the resource must not be owned by it: the garbage collector asks nobody.
    if resource.spec.deletion_policy != "Retain":
        metadata["ownerReferences"] = [labels.owner_reference(resource)]
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": encoded,
    }
