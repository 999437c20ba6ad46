"""Specs that pass but cannot work, secrets that are missing or change, and where they never are."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Scene

CANARY = "canary-4f1d2c7b9e"


def secret(name: str, **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": name}, "data": data}


def test_a_missing_database_secret_is_told_and_found_when_it_comes(scene: Scene) -> None:
    scene.started()
    scene.create(database={"secretRef": {"name": "db"}})
    scene.until("SecretsReady=False", lambda: scene.condition("SecretsReady")[0] == "False")
    assert scene.condition("Ready")[0] == "False"
    assert not scene.children("Deployment")
    path = f"/api/v1/namespaces/{scene.namespace}/secrets"
    scene.api.create(path, secret("db", DATABASE_URL="postgres://u:p@db:5432/x"))
    scene.until_ready(seconds=40)


def test_a_changed_secret_rolls_the_pods_out(scene: Scene) -> None:
    path = f"/api/v1/namespaces/{scene.namespace}/secrets"
    scene.api.create(path, secret("db", DATABASE_URL="postgres://u:p@db:5432/x"))
    scene.started()
    scene.create(database={"secretRef": {"name": "db"}})
    scene.until_ready()
    before = scene.children("Deployment")["shop"]["spec"]["template"]
    changed = secret("db", DATABASE_URL="postgres://u:other@db:5432/x")
    scene.api.patch(f"{path}/db", {"data": changed["data"]})
    scene.until(
        "a new template",
        lambda: scene.children("Deployment")["shop"]["spec"]["template"] != before,
        60,
    )
    scene.until_ready()


def test_a_generated_secret_is_made_once_and_never_rewritten(scene: Scene) -> None:
    operator = scene.started()
    scene.create()
    scene.until_ready()
    before = scene.children("Secret")
    operator.kill()
    operator.start()
    operator.wait_ready()
    scene.until_idle()
    path = scene.child_path("Secret", "shop-secrets")
    scene.api.patch(path, {"data": {"API_TOKENS": base64.b64encode(b"my-own-token-1").decode()}})
    scene.until(
        "the new token",
        lambda: "my-own-token-1" in scene.operand.tokens[f"{scene.namespace}/shop"],
        40,
    )
    after = scene.children("Secret")
    assert after["shop-postgres"] == before["shop-postgres"]
    assert (
        after["shop-secrets"]["data"]["API_TOKENS"] == base64.b64encode(b"my-own-token-1").decode()
    )


def test_a_failing_migration_stalls_and_keeps_the_old_pods_serving(scene: Scene) -> None:
    scene.started()
    scene.create(database={"embedded": {}, "migrations": {"maxRetries": 0}})
    scene.until_ready()
    old = scene.children("Deployment")["shop"]["spec"]["template"]
    scene.kubelet.failure = (5, "MigrationFailed")
    scene.kubelet.outcomes["migrate"] = "fail"
    scene.edit({"image": {"repository": "servicelayer-api", "tag": "2.0"}})
    scene.until("Stalled", lambda: scene.condition("Stalled")[0] == "True", 60)
    assert scene.condition("Migrated")[0] == "False"
    assert scene.children("Deployment")["shop"]["spec"]["template"] == old
    assert "Warning" in {event["type"] for event in scene.events()}
    scene.kubelet.outcomes["migrate"] = "succeed"
    scene.edit({"image": {"repository": "servicelayer-api", "tag": "2.1"}})
    scene.until_ready()
    assert scene.children("Deployment")["shop"]["spec"]["template"] != old


def test_an_image_that_cannot_be_pulled_is_told(scene: Scene) -> None:
    scene.kubelet.outcomes["api"] = "no-image"
    scene.started()
    scene.create()
    scene.until("the reason", lambda: "Image" in scene.condition("WorkloadsAvailable")[1], 60)
    scene.kubelet.outcomes["api"] = "run"
    scene.until_ready()


@pytest.mark.timeout(180)
def test_secrets_appear_nowhere_but_in_secrets(scene: Scene) -> None:
    path = f"/api/v1/namespaces/{scene.namespace}/secrets"
    values = {
        "API_TOKENS": f"{CANARY}-token",
        "AUTH_JWT_SECRET": f"{CANARY}-jwt-0123456789012345678901234567",
        "AUTH_USERS": f"admin:{CANARY}-users:admin",
        "SECRET_ENCRYPTION_KEY": f"{CANARY}-encryption",
        "RANDOM_SIGNING_KEY": f"{CANARY}-signing",
    }
    scene.api.create(path, secret("mine", **values))
    url = f"postgres://u:{CANARY}-password@db:5432/x"
    scene.api.create(path, secret("db", DATABASE_URL=url))
    operator = scene.started()
    scene.create(
        database={"secretRef": {"name": "db"}},
        secrets={"mode": "Existing", "existing": {"name": "mine"}},
    )
    scene.create("generated")
    scene.until_ready()
    scene.until_ready("generated")
    scene.operand.database_up = False
    scene.until("not Ready", lambda: scene.condition("Ready")[0] == "False", 40)
    generated = [
        base64.b64decode(value).decode()
        for item in scene.children("Secret").values()
        for key, value in item["data"].items()
        if key not in {"POSTGRES_USER", "POSTGRES_DB"}
    ]
    seen = {
        "the operator's log": operator.text(),
        "events": json.dumps(
            scene.api.items(f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events")
        ),
        "resources": json.dumps(
            [scene.api.get(scene.path(name)) for name in ("shop", "generated")]
        ),
        "children": json.dumps({k: v for k, v in scene.everything().items() if k != "Secret"}),
        "pods": json.dumps(scene.api.items(f"/api/v1/namespaces/{scene.namespace}/pods")),
        "secrets' metadata": json.dumps([s["metadata"] for s in scene.children("Secret").values()]),
    }
    assert len(generated) == 8
    for where, text in seen.items():
        for value in (CANARY, base64.b64encode(CANARY.encode()).decode()[:12], *generated):
            assert value not in text, f"a secret value is in {where}"
