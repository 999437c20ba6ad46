"""The operator and its definition are upgraded one after the other, and taken back, in any order.

Former releases stand packed in `releases/` (`support.operator_release`). Each walks through all
four pairs of operator and definition: in each nothing stalls, drift is repaired, no Secret
changes, and no pod template does, but for what RESTARTS gives a reason for.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.crd import CRD_FILE, walk
from support.kube_api import OURS
from support.operator_release import definition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Scene

RELEASES = Path(__file__).with_name("releases")
RESTARTS = {
    # PROBE_ADDR: probes got a listener of their own, which every pod must have.
    "0001": {"Deployment/shop"},
}
_numbers = itertools.count(1)

type Templates = dict[str, Any]


def definition() -> dict[str, Any]:
    """Read the definition of today."""
    return yaml.load(CRD_FILE.read_text(), yaml.CSafeLoader)


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    """The schema of its one version."""
    (version,) = body["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def serve(scene: Scene, body: dict[str, Any]) -> None:
    """Put a definition in place, and wait until the API server works by it.

    A printer column of its own tells: the API server makes rows and schema from one version.
    """
    (version,) = body["spec"]["versions"]
    mark = f"Mark{next(_numbers)}"
    column = {"name": mark, "type": "string", "jsonPath": ".metadata.name"}
    columns = [*version.get("additionalPrinterColumns", ()), column]
    spec = {**body["spec"], "versions": [{**version, "additionalPrinterColumns": columns}]}
    replace(scene, {**body, "spec": spec})
    listed = f"{OURS}/namespaces/{scene.namespace}/servicelayers"
    scene.until(f"the definition {mark}", lambda: mark in scene.api.columns(listed))


def replace(scene: Scene, body: dict[str, Any]) -> None:
    """Write the definition as a whole: what the new one lacks is gone."""
    scene.plane.kubectl("replace", "-f", "-", stdin=json.dumps(body))


@pytest.fixture
def scene_of_definitions(scene: Scene) -> Iterator[Scene]:
    """A scene whose definition is that of today again afterwards."""
    try:
        yield scene
    finally:
        serve(scene, definition())
        replace(scene, definition())


def templates(scene: Scene) -> Templates:
    """The pod templates of the workloads, whose change restarts pods."""
    return {
        f"{kind}/{name}": body["spec"]["template"]
        for kind in ("Deployment", "StatefulSet")
        for name, body in scene.children(kind).items()
    }


def secrets(scene: Scene) -> dict[str, Any]:
    """What the Secrets hold, and that they are the same ones."""
    return {
        name: (body["metadata"]["uid"], body["data"])
        for name, body in scene.children("Secret").items()
    }


def see_that_all_is_well(scene: Scene, pair: str) -> Templates:
    """See no stall, an end of writing, and drift repaired; gives the pod templates."""
    scene.until_ready()
    scene.until_idle()
    budget = scene.child_path("PodDisruptionBudget", "shop")
    service = scene.child_path("Service", "shop")
    gone = scene.api.get(budget)["metadata"]["uid"]
    port = scene.api.get(service)["spec"]["ports"][0]
    scene.api.patch(service, {"spec": {"ports": [{**port, "port": 81}]}})
    scene.api.delete(budget)

    def repaired() -> bool:
        made = scene.api.find(budget)
        ports = scene.api.get(service)["spec"]["ports"]
        return bool(made and made["metadata"]["uid"] != gone and ports[0]["port"] == port["port"])

    scene.until(f"drift repaired by {pair}", repaired, 15)
    scene.until_idle()
    scene.until_ready()
    assert scene.condition("Stalled") == ("", ""), pair
    return templates(scene)


def restarted(before: Templates, after: Templates) -> set[str]:
    """The workloads whose pods are made anew."""
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("name", sorted(path.stem for path in RELEASES.glob("*.zip")))
@pytest.mark.timeout(480)
def test_operator_and_definition_are_upgraded_and_taken_back_in_any_order(
    scene_of_definitions: Scene, name: str
) -> None:
    scene, release = scene_of_definitions, RELEASES / f"{name}.zip"
    former, today = definition_of(release), definition()

    serve(scene, former)
    operator = scene.started(release=release)
    scene.create()
    before = see_that_all_is_well(scene, "both former")
    kept = secrets(scene)

    serve(scene, today)
    assert restarted(before, see_that_all_is_well(scene, "former operator")) == set()
    assert operator.terminate() == 0

    operator = scene.started()
    after = see_that_all_is_well(scene, "both of today")
    assert restarted(before, after) == RESTARTS[name]

    serve(scene, former)
    assert restarted(after, see_that_all_is_well(scene, "former definition")) == set()
    assert operator.terminate() == 0

    scene.started(release=release)
    assert restarted(before, see_that_all_is_well(scene, "both former again")) == set()
    assert secrets(scene) == kept


def with_news(schema: dict[str, Any]) -> dict[str, Any]:
    """Add a field with a default to every object of a spec, as a later definition may."""
    news = {"type": "string", "default": "news", "description": "What a later version knows."}
    changed = dict(schema)
    if "properties" in schema:
        parts = {key: with_news(part) for key, part in schema["properties"].items()}
        changed["properties"] = {**parts, "news": news}
    if "items" in schema:
        changed["items"] = with_news(schema["items"])
    return changed


@pytest.mark.timeout(240)
def test_a_definition_with_new_defaults_everywhere_changes_nothing(
    scene_of_definitions: Scene,
) -> None:
    scene, later = scene_of_definitions, definition()
    schema = schema_of(later)
    schema["properties"]["spec"] = with_news(schema["properties"]["spec"])
    scene.started()
    scene.create(api={"extraEnv": [{"name": "NOTE", "value": "old"}]})
    before = see_that_all_is_well(scene, "both of today")

    serve(scene, later)
    assert scene.api.get(scene.path())["spec"]["api"]["extraEnv"][0]["news"] == "news"
    assert restarted(before, see_that_all_is_well(scene, "later definition")) == set()
    scene.edit({"api": {"replicas": 3}})
    scene.until("3 replicas", lambda: scene.children("Deployment")["shop"]["spec"]["replicas"] == 3)
    scene.until_ready()
    assert scene.condition("SpecUnderstood") == ("False", "UnknownFields")


@pytest.mark.parametrize("name", sorted(path.stem for path in RELEASES.glob("*.zip")))
def test_a_field_that_a_former_release_did_not_know_has_no_default_of_its_own(name: str) -> None:
    """A default appears in every resource at once, where the former operator reads it."""
    known = {field.path for field in walk(schema_of(definition_of(RELEASES / f"{name}.zip")))}
    fields = list(walk(schema_of(definition())))
    news = {field.path for field in fields} - known
    told = [
        field.path
        for field in fields
        if field.path in news
        and "default" in field.schema
        and field.path.rpartition(".")[0].removesuffix("[]") in known
    ]
    assert told == []
