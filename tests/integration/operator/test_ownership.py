"""What stands at a name that a ServiceLayer wants, and is somebody else's, is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.kube_api import CORE

if TYPE_CHECKING:
    from conftest import Scene

EXPOSED = {
    "mode": "Ingress",
    "host": "shop.example.org",
    "tls": {"issuerRef": {"name": "ca", "kind": "Issuer"}},
}
POD = {"containers": [{"name": "web", "image": "web:1"}]}
WEB = {"selector": {"matchLabels": {"app": "web"}}}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
# A small valid object of each kind, as somebody else would have made it.
FOREIGN: dict[str, dict[str, Any]] = {
    "ServiceAccount": {"automountServiceAccountToken": True},
    "Secret": {"stringData": {"API_TOKENS": "theirs"}},
    "ConfigMap": {"data": {"theirs": "yes"}},
    "Service": {"spec": {"selector": {"app": "web"}, "ports": [{"port": 81}]}},
    "Deployment": {"spec": {**WEB, "replicas": 0, "template": TEMPLATE}},
    "StatefulSet": {"spec": {**WEB, "replicas": 0, "serviceName": "x", "template": TEMPLATE}},
    "Job": {
        "spec": {
            "suspend": True,
            "template": {"spec": {**POD, "restartPolicy": "Never"}},
        }
    },
    "Ingress": {
        "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}}
    },
    "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"app": "web"}}}},
    "PodDisruptionBudget": {"spec": {**WEB, "minAvailable": 1}},
    "PersistentVolumeClaim": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
    },
}


def derived_names(scene: Scene) -> list[tuple[str, str]]:
    """Every name that a ServiceLayer `shop` takes, as one that runs has taken them."""
    found = [(kind, name) for kind, objects in scene.everything().items() for name in objects]
    return [*found, ("PersistentVolumeClaim", "data-shop-postgres-0"), ("Secret", "shop-tls")]


def untouched(scene: Scene, made: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Which of the foreign objects are not as they were made."""
    changed: list[str] = []
    for (kind, name), before in made.items():
        now = scene.api.find(scene.child_path(kind, name))
        if now is None or essence(now) != essence(before):
            changed.append(f"{kind}/{name}")
    return changed


def essence(obj: dict[str, Any]) -> dict[str, Any]:
    """What nobody but its maker may write; Kubernetes' controllers add a status and a revision."""
    metadata = obj["metadata"]
    kept = {k: v for k, v in obj.items() if k not in {"status", "metadata"}}
    for name in ("uid", "labels", "ownerReferences"):
        kept[name] = metadata.get(name)
    notes = metadata.get("annotations") or {}
    kept["notes"] = {k: v for k, v in notes.items() if not k.startswith("deployment.kubernetes.io")}
    return kept


@pytest.mark.timeout(180)
def test_at_every_derived_name_a_foreign_object_is_left_untouched(scene: Scene) -> None:
    scene.started()
    scene.create(expose=EXPOSED)
    scene.until("serving", lambda: scene.condition("WorkloadsAvailable")[0] == "True")
    names = derived_names(scene)
    assert len(names) >= 15
    scene.api.delete(scene.path())
    scene.until("no children", lambda: not any(scene.everything().values()), 60)
    made = {}
    for kind, name in names:
        group = scene.child_path(kind, "").rstrip("/")
        made[kind, name] = scene.api.create(group, {"metadata": {"name": name}, **FOREIGN[kind]})

    scene.create(expose=EXPOSED)
    scene.until("NameTaken", lambda: scene.condition("Stalled") == ("True", "NameTaken"))
    scene.until_idle()
    assert scene.condition("Ready") == ("False", "NameTaken")
    assert untouched(scene, made) == []
    scene.until("the event", lambda: "NameTaken" in {e["reason"] for e in scene.events()}, 5)
    assert not any(scene.everything().values())
    scene.edit({"expose": {"mode": "None", "host": None, "tls": None}})
    scene.until_idle()
    scene.api.delete(scene.path())
    scene.until("gone", lambda: scene.api.find(scene.path()) is None)
    scene.until_idle()
    assert untouched(scene, made) == []


def test_a_foreign_job_at_the_migrations_name_is_left_untouched(scene: Scene) -> None:
    secrets = f"{CORE}/namespaces/{scene.namespace}/secrets"
    keys = ("API_TOKENS", "AUTH_JWT_SECRET", "SECRET_ENCRYPTION_KEY")
    values = dict.fromkeys(keys, "0123456789abcdef0123456789abcdef")
    scene.api.create(secrets, {"metadata": {"name": "mine"}, "stringData": values})
    url = {"DATABASE_URL": "postgres://u:p@db:5432/x"}
    scene.api.create(secrets, {"metadata": {"name": "db"}, "stringData": url})
    spec = {
        "database": {"secretRef": {"name": "db"}},
        "secrets": {"mode": "Existing", "existing": {"name": "mine"}},
    }
    scene.started()
    scene.create(**spec)
    scene.until_ready()
    ((name, _),) = scene.children("Job").items()
    scene.api.delete(scene.path())
    scene.until("no children", lambda: not any(scene.everything().values()), 60)
    path = scene.child_path("Job", name)
    job = scene.api.create(path.rpartition("/")[0], {"metadata": {"name": name}, **FOREIGN["Job"]})
    scene.create(**spec)
    scene.until("NameTaken", lambda: scene.condition("Stalled") == ("True", "NameTaken"))
    scene.api.delete(scene.path())
    scene.until_idle()
    assert untouched(scene, {("Job", name): job}) == []


def test_a_name_is_taken_up_when_the_stranger_is_gone(scene: Scene) -> None:
    path = scene.child_path("Service", "shop")
    services = path.rpartition("/")[0]
    scene.api.create(services, {"metadata": {"name": "shop"}, **FOREIGN["Service"]})
    scene.started()
    scene.create()
    scene.until("NameTaken", lambda: scene.condition("Ready") == ("False", "NameTaken"))
    assert "Service/shop" in next(
        item["message"] for item in scene.status()["conditions"] if item["type"] == "Ready"
    )
    scene.api.delete(path)
    scene.until_ready()
    assert "shop" in scene.children("Service")


def test_an_object_that_is_handed_over_is_adopted(scene: Scene) -> None:
    path = scene.child_path("Service", "shop")
    services = path.rpartition("/")[0]
    scene.api.create(services, {"metadata": {"name": "shop"}, **FOREIGN["Service"]})
    scene.started()
    uid = scene.create()["metadata"]["uid"]
    scene.until("NameTaken", lambda: scene.condition("Ready") == ("False", "NameTaken"))
    adopt = {"servicelayer.r3e.network/adopt": f"{scene.namespace}/shop"}
    scene.api.patch(path, {"metadata": {"annotations": adopt}})
    scene.until_ready()
    service = scene.api.get(path)
    assert service["metadata"]["ownerReferences"][0]["uid"] == uid
    assert service["spec"]["selector"]["app.kubernetes.io/instance"] == "shop"


@pytest.mark.timeout(180)
def test_of_two_resources_that_want_one_name_the_later_is_told(scene: Scene) -> None:
    scene.started()
    scene.create("shop")
    scene.until_ready("shop")
    service = scene.api.get(scene.child_path("Service", "shop-postgres"))
    scene.create("shop-postgres")
    scene.until(
        "NameConflict",
        lambda: scene.condition("Stalled", "shop-postgres") == ("True", "NameConflict"),
    )
    scene.until_idle()
    after = scene.api.get(scene.child_path("Service", "shop-postgres"))
    assert after["metadata"]["resourceVersion"] == service["metadata"]["resourceVersion"]
    assert scene.condition("Ready", "shop") == ("True", "Ready")
    assert "NameConflict" in {event["reason"] for event in scene.events("shop-postgres")}
    scene.api.delete(scene.path("shop-postgres"))
    scene.until_idle()
    assert scene.api.get(scene.child_path("Service", "shop-postgres")) == after


def test_of_two_that_come_at_once_one_keeps_the_name(scene: Scene) -> None:
    scene.create("shop")
    scene.create("shop-postgres")
    scene.started()

    def ready() -> list[tuple[str, str]]:
        return sorted(scene.condition("Ready", name) for name in ("shop", "shop-postgres"))

    scene.until(
        "one Ready, one NameConflict",
        lambda: ready() == [("False", "NameConflict"), ("True", "Ready")],
    )
    scene.until_idle()


@pytest.mark.parametrize("name", ["default", "kubernetes"])
def test_names_of_kubernetes_are_refused(scene: Scene, name: str) -> None:
    with pytest.raises(Exception, match="422"):
        scene.create(name)
    assert scene.api.find(scene.path(name)) is None
    assert scene.api.get(f"{CORE}/namespaces/default/services/kubernetes")


@pytest.mark.timeout(180)
def test_the_platform_token_is_not_sent_where_a_stranger_has_the_service_s_name(
    scene: Scene,
) -> None:
    process = scene.started()
    scene.create()
    scene.until_ready()
    process.kill()
    path = scene.child_path("Service", "shop")
    scene.api.delete(path)
    scene.until("gone", lambda: scene.api.find(path) is None)
    elsewhere = {"type": "ExternalName", "externalName": "elsewhere.example.org"}
    scene.api.create(path.rpartition("/")[0], {"metadata": {"name": "shop"}, "spec": elsewhere})
    scene.operand.tokens.clear()
    scene.started()
    # The API is asked before the verdict of the same round is told.
    scene.until("told", lambda: scene.condition("Ready") == ("False", "NameTaken"), 60)
    assert scene.operand.tokens == {}
    assert scene.api.get(path)["spec"]["type"] == "ExternalName"


@pytest.mark.timeout(180)
def test_the_platform_token_is_shown_to_pods_of_the_deployment_alone(scene: Scene) -> None:
    scene.started(API_URL=f"http://127.0.0.1:{scene.operand.port}/{{address}}")
    scene.create()
    scene.until_ready()
    scene.until("asked", lambda: scene.status().get("modules"))
    pods = scene.api.items(f"{CORE}/namespaces/{scene.namespace}/pods")
    owned = {
        pod["status"]["podIP"]
        for pod in pods
        if pod["metadata"].get("ownerReferences", [{}])[0].get("kind") == "ReplicaSet"
    }
    assert scene.operand.tokens
    assert set(scene.operand.tokens) <= owned
