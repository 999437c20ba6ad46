"""Secrets are made once: lost ones are told, and whose they are follows the deletion policy."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Scene

SECRETS = ["shop-secrets", "shop-postgres"]
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "troubleshoot.md"
CLAIM = ("PersistentVolumeClaim", "data-shop-postgres-0")


def message(scene: Scene, kind: str) -> str:
    found = [item for item in scene.status()["conditions"] if item["type"] == kind]
    return found[0]["message"] if found else ""


@pytest.mark.parametrize("name", SECRETS)
def test_a_deleted_secret_is_told_as_lost_and_taken_back_when_restored(
    scene: Scene, name: str
) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    path = scene.child_path("Secret", name)
    before = scene.api.get(path)
    template = scene.children("Deployment")["shop"]["spec"]["template"]
    scene.api.delete(path)
    scene.until("SecretLost", lambda: scene.condition("Stalled") == ("True", "SecretLost"))
    scene.until_idle()
    assert scene.api.find(path) is None
    assert "pod that still runs" in message(scene, "SecretsReady")
    assert "SecretLost" in {
        event["reason"] for event in scene.events() if event["type"] == "Warning"
    }
    assert scene.children("Deployment")["shop"]["spec"]["template"] == template
    kept = {key: before["metadata"][key] for key in ("name", "labels")}
    scene.api.create(path.rpartition("/")[0], {"metadata": kept, "data": before["data"]})
    scene.until_ready()
    assert scene.children("Deployment")["shop"]["spec"]["template"] == template
    owners = scene.api.get(path)["metadata"]["ownerReferences"]
    assert [owner["name"] for owner in owners] == ["shop"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_lost_secret_is_restored_by_the_commands_of_the_page(scene: Scene, name: str) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    path = scene.child_path("Secret", name)
    data = scene.api.get(path)["data"]
    told = name.replace("shop", "demo")
    _, _, block = PAGE.read_text().partition(f"\n`{told}`")[2].partition("```\n")
    block = block.partition("```")[0]
    keys = {key for key in data if re.search(rf"\b{key}\b", block)}
    scene.api.delete(path)
    scene.until("SecretLost", lambda: scene.condition("Stalled") == ("True", "SecretLost"))
    kept = {key: data[key] for key in keys}
    scene.api.create(path.rpartition("/")[0], {"metadata": {"name": name}, "data": kept})
    (adopt,) = re.findall(r"servicelayer\.r3e\.network/adopt=(\S+)", block)
    assert adopt == "neo/demo"
    note = {"servicelayer.r3e.network/adopt": f"{scene.namespace}/shop"}
    scene.api.patch(path, {"metadata": {"annotations": note}})
    scene.until_ready()
    assert scene.api.get(path)["data"] == kept


def test_a_secret_restored_without_labels_is_known_by_its_key(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    scene.until("the fingerprint", lambda: scene.status().get("encryptionKey"))
    path = scene.child_path("Secret", "shop-secrets")
    data = scene.api.get(path)["data"]
    scene.api.delete(path)
    scene.until("SecretLost", lambda: scene.condition("Stalled") == ("True", "SecretLost"))
    body: dict[str, Any] = {"metadata": {"name": "shop-secrets"}, "data": data}
    scene.api.create(path.rpartition("/")[0], body)
    scene.until_ready()
    assert "shop-secrets" in scene.children("Secret")


def test_another_encryption_key_changes_no_pod(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    scene.until("the fingerprint", lambda: scene.status().get("encryptionKey"))
    template = scene.children("Deployment")["shop"]["spec"]["template"]
    other = base64.b64encode(b"f" * 64).decode()
    path = scene.child_path("Secret", "shop-secrets")
    scene.api.patch(path, {"data": {"SECRET_ENCRYPTION_KEY": other}})
    scene.until("told", lambda: scene.condition("Stalled") == ("True", "EncryptionKeyChanged"))
    scene.until_idle()
    assert scene.children("Deployment")["shop"]["spec"]["template"] == template


def owners(scene: Scene, kind: str, name: str) -> list[str]:
    metadata = scene.api.get(scene.child_path(kind, name))["metadata"]
    return [owner["kind"] for owner in metadata.get("ownerReferences") or ()]


@pytest.mark.timeout(180)
def test_owners_follow_the_deletion_policy_whenever_it_changes(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    kept = [*(("Secret", name) for name in SECRETS), CLAIM]
    notes = scene.api.get(scene.child_path(*CLAIM))["metadata"]["annotations"]
    assert notes["argocd.argoproj.io/sync-options"] == "Prune=false"
    scene.until("owned", lambda: all(owners(scene, *child) for child in kept))
    scene.edit({"deletionPolicy": "Retain"})
    scene.until("nobody's", lambda: not any(owners(scene, *child) for child in kept))
    scene.edit({"deletionPolicy": "Delete"})
    scene.until("owned again", lambda: all(owners(scene, *child) for child in kept))
    scene.edit({"deletionPolicy": "Retain"})
    scene.until("nobody's", lambda: not any(owners(scene, *child) for child in kept))
    data = [scene.api.get(scene.child_path("Secret", name))["data"] for name in SECRETS]
    scene.api.delete(scene.path())
    scene.until("no Deployment", lambda: not scene.children("Deployment"), 60)
    scene.until("no StatefulSet", lambda: not scene.children("StatefulSet"), 60)
    assert [scene.api.get(scene.child_path("Secret", name))["data"] for name in SECRETS] == data
    scene.create()
    scene.until_ready()
    assert [scene.api.get(scene.child_path("Secret", name))["data"] for name in SECRETS] == data
    scene.until("owned by the new one", lambda: all(owners(scene, *child) for child in kept))


@pytest.mark.timeout(180)
def test_a_kept_volume_without_its_secrets_is_not_given_new_ones(scene: Scene) -> None:
    scene.started()
    scene.create(deletionPolicy="Retain")
    scene.until_ready()
    scene.api.delete(scene.path())
    scene.until("no StatefulSet", lambda: not scene.children("StatefulSet"), 60)
    for name in SECRETS:
        scene.api.delete(scene.child_path("Secret", name))
    scene.create(deletionPolicy="Retain")
    scene.until("SecretLost", lambda: scene.condition("Stalled") == ("True", "SecretLost"))
    scene.until_idle()
    assert not scene.children("Secret")
