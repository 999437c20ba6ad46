"""A spec that passes but cannot work: it is named, old pods serve, and mending it is enough."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.layers import Layer
from support.stage import Database, Stage
from support.steady_load import SteadyLoad

SECRET = "own-database"
POLICY = "servicelayer-e2e-sidecar"


def spec(layer: Layer, **rest: Any) -> dict[str, Any]:
    """Return the spec of one pod on a database of the test's own."""
    return {
        "database": {"secretRef": {"name": SECRET}},
        "api": {"replicas": 1},
        "expose": {"mode": "Ingress", "host": f"{layer.name}.e2e.test"},
        **rest,
    }


def serve(layer: Layer, database: Database) -> None:
    """Bring the layer to Ready, so that there are old pods."""
    layer.make_secret(SECRET, DATABASE_URL=database.url())
    layer.apply(spec(layer))
    layer.wait_ready()


def warned(layer: Layer, reason: str) -> None:
    """Wait for an event that warns with this reason."""
    layer.wait_for(
        lambda: any(line.split()[:2] == ["Warning", f"{reason}:"] for line in layer.events()),
        f"a warning {reason}",
        seconds=10,
    )


def mended(layer: Layer) -> None:
    """Wait for Ready and see that nothing is left of the trouble."""
    layer.wait_ready()
    layer.wait_for(lambda: layer.condition("Stalled") is None, "Stalled is gone", seconds=10)
    with layer.http() as http:
        assert http.get("/accounts").status_code == 200


def test_missing_secret_is_named_and_making_it_is_enough(broken: Layer, database: Database) -> None:
    broken.apply(spec(broken))
    _, _, message = broken.wait_condition("SecretsReady", "False", "SecretMissing")
    broken.wait_condition("Stalled", "True", "SecretMissing")

    assert SECRET in message
    assert broken.find("deployment") is None
    warned(broken, "SecretMissing")
    broken.make_secret(SECRET, DATABASE_URL=database.url())
    mended(broken)


def test_unreachable_database_is_tried_until_it_is_there(broken: Layer, database: Database) -> None:
    broken.make_secret(SECRET, DATABASE_URL=database.url(host="nowhere.e2e.svc"))
    broken.apply(spec(broken))
    broken.wait_condition("DatabaseReachable", "False", "DatabaseUnreachable")

    broken.wait_condition("Ready", "False", "DatabaseUnreachable")
    warned(broken, "DatabaseUnreachable")
    broken.make_secret(SECRET, DATABASE_URL=database.url())
    mended(broken)


def test_wrong_password_stalls_while_old_pods_serve(broken: Layer, database: Database) -> None:
    serve(broken, database)
    with SteadyLoad(broken.clients(), "/accounts") as load:
        broken.make_secret(SECRET, DATABASE_URL=database.url(password="wrong-canary"))
        _, _, message = broken.wait_condition("Stalled", "True", "DatabaseAuthFailed")
        load.wait_more(50)

    assert load.failures == []
    assert "wrong-canary" not in json.dumps(broken.read()) + message
    broken.wait_condition("WorkloadsAvailable", "True")
    warned(broken, "DatabaseAuthFailed")
    broken.make_secret(SECRET, DATABASE_URL=database.url())
    mended(broken)


def test_image_that_is_not_there_stalls_while_old_pods_serve(
    broken: Layer, database: Database
) -> None:
    serve(broken, database)
    with SteadyLoad(broken.clients(), "/accounts") as load:
        broken.edit({"image": {"tag": "no-such-tag", "pullPolicy": "Never"}})
        _, _, message = broken.wait_condition("Stalled", "True", "ImagePullFailed")
        load.wait_more(50)

    assert "no-such-tag" in message
    assert load.failures == []
    broken.wait_condition("WorkloadsAvailable", "True")
    warned(broken, "ImagePullFailed")
    broken.edit({"image": None})
    mended(broken)


def test_setting_that_the_api_refuses_stalls_while_old_pods_serve(
    broken: Layer, database: Database
) -> None:
    serve(broken, database)
    with SteadyLoad(broken.clients(), "/accounts") as load:
        broken.edit({"api": {"extraEnv": [{"name": "ORACLE_MAX_ATTEMPTS", "value": "often"}]}})
        _, _, message = broken.wait_condition("Stalled", "True", "ConfigInvalid")
        load.wait_more(50)

    assert "ORACLE_MAX_ATTEMPTS" in message
    assert load.failures == []
    warned(broken, "ConfigInvalid")
    broken.edit({"api": {"extraEnv": []}})
    mended(broken)


def test_failing_migration_stalls_and_is_run_again_when_asked(
    broken: Layer, database: Database
) -> None:
    database.run("CREATE TABLE accounts (somebody text)")
    broken.make_secret(SECRET, DATABASE_URL=database.url())
    wanted = spec(broken)
    wanted["database"]["migrations"] = {"maxRetries": 0}
    broken.apply(wanted)
    broken.wait_condition("Migrated", "False", "MigrationFailed")
    broken.wait_condition("Stalled", "True", "MigrationFailed")

    assert broken.find("deployment") is None
    warned(broken, "MigrationFailed")
    database.run("DROP TABLE accounts")
    broken.call("annotate", "sl", broken.name, "servicelayer.r3e.network/retry-migration=mended")
    mended(broken)


@pytest.fixture
def squatter(stage: Stage, broken: Layer) -> Iterator[None]:
    """A policy that puts a container on port 8080 into new API pods, as a service mesh might."""
    stage.cluster.kubectl.apply(*sidecar_policy(broken, stage.provided.names.api))
    broken.wait_for(lambda: squats(broken), "the policy is in effect", seconds=30)
    yield
    evict(stage, broken)


def sidecar_policy(broken: Layer, image: str) -> list[dict[str, Any]]:
    """The policy that adds the container, and what puts it into effect."""
    labels = {
        "app.kubernetes.io/instance": broken.name,
        "app.kubernetes.io/component": "api",
    }
    api, group = "v1", "admissionregistration.k8s.io"
    sidecar = {
        "name": "mesh",
        "image": image,
        "restartPolicy": "Always",
        "command": ["python3", "-m", "http.server", "8080", "--directory", "/tmp"],  # noqa: S108 - the container's own
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    # No API pod has init containers, so the list has to be made first.
    patch = (
        'JSONPatch{op: "add", path: "/spec/initContainers", value: []}, '
        'JSONPatch{op: "add", path: "/spec/initContainers/-", '
        f"value: {typed(sidecar, 'Object.spec.initContainers')}}}"
    )
    policy = {
        "apiVersion": f"{group}/{api}",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": broken.namespace}
                },
                "objectSelector": {"matchLabels": labels},
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
            },
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": f"[{patch}]"},
                }
            ],
        },
    }
    binding = {
        "apiVersion": f"{group}/{api}",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY},
        "spec": {"policyName": POLICY},
    }
    return [policy, binding]


def typed(value: Any, kind: str) -> str:
    """Write a value in the expression language, where every object carries the name of its type."""
    if isinstance(value, dict):
        parts = [f"{key}: {typed(inner, f'{kind}.{key}')}" for key, inner in value.items()]
        return f"{kind}{{{', '.join(parts)}}}"
    return json.dumps(value)


def squats(layer: Layer) -> bool:
    """Ask the API server, changing nothing, whether a new pod gets the container.

    A policy takes effect, and ends to, a moment after the object is made or deleted.
    """
    template = layer.object("deployment")["spec"]["template"]
    labels = template["metadata"]["labels"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asked-only", "labels": labels},
        "spec": template["spec"],
    }
    arguments = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    return "initContainers" in json.loads(layer.call(*arguments, stdin=json.dumps(pod)))["spec"]


def evict(stage: Stage, broken: Layer) -> None:
    kinds = "mutatingadmissionpolicybindings,mutatingadmissionpolicies"
    stage.cluster.kubectl("delete", kinds, POLICY, "--ignore-not-found")
    broken.wait_for(lambda: not squats(broken), "the policy has ended", seconds=30)


def test_port_in_use_stalls_while_old_pods_serve(
    stage: Stage, broken: Layer, database: Database, request: pytest.FixtureRequest
) -> None:
    serve(broken, database)
    request.getfixturevalue("squatter")
    with SteadyLoad(broken.clients(), "/accounts") as load:
        broken.edit({"api": {"moduleSlowMs": 1001}})
        broken.wait_condition("Stalled", "True", "PortInUse", seconds=150)
        load.wait_more(50)

    assert load.failures == []
    broken.wait_condition("WorkloadsAvailable", "True")
    warned(broken, "PortInUse")
    evict(stage, broken)
    broken.edit({"api": {"moduleSlowMs": 1002}})
    mended(broken)
