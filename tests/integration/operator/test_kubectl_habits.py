"""What people do with kubectl beside the ServiceLayer: it is taken back and told, or taken up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Scene


@pytest.mark.timeout(240)
def test_a_paused_rollout_goes_on_and_the_pause_is_told(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    path = scene.child_path("Deployment", "shop")
    scene.api.patch(path, {"spec": {"paused": True}}, fieldManager="kubectl-rollout")
    scene.until("it goes on", lambda: not scene.api.get(path)["spec"].get("paused"))

    def told() -> bool:
        notes = [e["note"] for e in scene.events() if e["reason"] == "FieldConflict"]
        return any("Deployment/shop" in n and "spec.paused (kubectl-rollout)" in n for n in notes)

    scene.until("the event", told, 10)


@pytest.mark.timeout(240)
def test_what_an_orphaning_deletion_left_is_owned_again(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    before = {
        (kind, name): obj["metadata"]["uid"]
        for kind, objects in scene.everything().items()
        for name, obj in objects.items()
    }
    scene.api.delete(scene.path(), propagationPolicy="Orphan")
    scene.until("gone", lambda: scene.api.find(scene.path()) is None)
    uid = scene.create()["metadata"]["uid"]
    scene.until_ready()
    after = {
        (kind, name): obj["metadata"]
        for kind, objects in scene.everything().items()
        for name, obj in objects.items()
    }
    owned = {
        place
        for place, metadata in after.items()
        if [owner["uid"] for owner in metadata.get("ownerReferences", ())] == [uid]
    }
    assert set(before) <= set(after)
    # The finished migration cannot be written any more; it is counted, and stays nobody's.
    assert set(after) - owned == {place for place in before if place[0] == "Job"}
    assert {place: after[place]["uid"] for place in before} == before
