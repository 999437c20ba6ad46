"""Ready looks at what the Service can send to, as Kubernetes itself publishes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Scene


@pytest.mark.timeout(180)
def test_available_pods_without_an_address_are_not_ready(scene: Scene) -> None:
    scene.kubelet.addresses = False
    scene.started()
    scene.create()
    scene.until(
        "told", lambda: scene.condition("WorkloadsAvailable") == ("False", "NoReadyEndpoints"), 60
    )
    deployment = scene.api.get(scene.child_path("Deployment", "shop"))
    assert deployment["status"]["availableReplicas"] > 0
    assert scene.condition("Ready") == ("False", "NoReadyEndpoints")
    scene.kubelet.addresses = True
    scene.until_ready()
