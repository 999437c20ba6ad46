from __future__ import annotations

import base64
from typing import Any

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicelayer_operator.generate import generated_secret, postgres_secret
from servicelayer_operator.resource import ServiceLayer, decode


def resource(**spec: Any) -> ServiceLayer:
    return decode(
        {
            "apiVersion": "servicelayer.r3e.network/v1alpha1",
            "kind": "ServiceLayer",
            "metadata": {"name": "shop", "namespace": "trade", "uid": "u-1", "generation": 1},
            "spec": {"database": {"embedded": {}}, **spec},
        }
    )


def values(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return generated_secret(resource())


def test_the_secret_has_the_keys_of_the_contract(made: dict[str, Any]) -> None:
    assert made["metadata"]["name"] == "shop-secrets"
    assert set(made["data"]) == {
        "API_TOKENS",
        "AUTH_JWT_SECRET",
        "AUTH_USERS",
        "ADMIN_PASSWORD",
        "SECRET_ENCRYPTION_KEY",
        "RANDOM_SIGNING_KEY",
    }


def test_the_hash_matches_the_administrators_password(made: dict[str, Any]) -> None:
    data = values(made)
    user, hashed, role = data["AUTH_USERS"].split(":")
    assert (user, role) == ("admin", "admin")
    assert bcrypt.checkpw(data["ADMIN_PASSWORD"].encode(), hashed.encode())
    assert not bcrypt.checkpw(b"changeme", hashed.encode())


def test_keys_have_the_sizes_that_the_api_wants(made: dict[str, Any]) -> None:
    data = values(made)
    assert len(bytes.fromhex(data["SECRET_ENCRYPTION_KEY"])) == 32
    assert len(data["AUTH_JWT_SECRET"]) >= 32
    assert len(data["API_TOKENS"]) >= 32
    assert "," not in data["API_TOKENS"]


def test_the_signing_key_is_a_seed_followed_by_its_public_key(made: dict[str, Any]) -> None:
    raw = base64.b64decode(values(made)["RANDOM_SIGNING_KEY"])
    assert len(raw) == 64
    public = Ed25519PrivateKey.from_private_bytes(raw[:32]).public_key().public_bytes_raw()
    assert public == raw[32:]


def test_no_two_secrets_are_alike(made: dict[str, Any]) -> None:
    other = values(generated_secret(resource()))
    assert not set(other.values()) & set(values(made).values())


def test_the_database_url_holds_the_password_of_the_same_secret() -> None:
    secret = postgres_secret(resource())
    data = values(secret)
    assert secret["metadata"]["name"] == "shop-postgres"
    assert data["DATABASE_URL"] == (
        f"postgres://servicelayer:{data['POSTGRES_PASSWORD']}"
        "@shop-postgres.trade.svc:5432/servicelayer?sslmode=disable"
    )


def test_a_secret_belongs_to_its_resource_and_carries_our_labels(made: dict[str, Any]) -> None:
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"], owner["controller"]) == ("shop", "u-1", True)
    assert owner["blockOwnerDeletion"] is False
    labels = made["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "servicelayer-operator"
    assert labels["app.kubernetes.io/instance"] == "shop"


def test_a_secret_that_is_to_be_retained_has_no_owner() -> None:
    kept = resource(deletionPolicy="Retain")
    assert "ownerReferences" not in generated_secret(kept)["metadata"]
    assert "ownerReferences" not in postgres_secret(kept)["metadata"]
