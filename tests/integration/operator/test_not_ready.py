"""Why a pod is not ready reaches the conditions, from the real API's own listener for probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.api_server import ApiProcess
from support.fake_kubelet import NOT_READY, RUN
from support.local_http import own_loopback

if TYPE_CHECKING:
    from conftest import Scene

# The fake kubelet says that the pods are there; a /8 of addresses is this machine's.
HOST = own_loopback()
REASON = "the database's host is not known to DNS: db.nowhere.invalid:5432"


def said(scene: Scene, kind: str) -> str:
    found = [item for item in scene.status().get("conditions") or () if item["type"] == kind]
    return found[0]["message"] if found else ""


@pytest.mark.timeout(180)
def test_a_pod_s_own_reason_is_told_and_goes_with_its_cause(scene: Scene) -> None:
    scene.kubelet.outcomes["api"] = NOT_READY
    scene.kubelet.unready_address = HOST
    probes = {"PROBE_ADDR": f"{HOST}:8081", "MIGRATE": "false"}
    api = ApiProcess("postgres://u:hidden@db.nowhere.invalid/d", scene.folder, probes)
    try:
        # Nobody answers at the Service, for no pod is ready.
        scene.started(API_URL="http://127.0.0.1:1")
        scene.create()
        for kind in ("WorkloadsAvailable", "Ready"):
            scene.until(kind, lambda kind=kind: f"store: {REASON}" in said(scene, kind))
            assert scene.condition(kind) == ("False", "PodsNotReady")
        scene.until(
            "the database",
            lambda: scene.condition("DatabaseReachable") == ("False", "DatabaseUnreachable"),
            60,
        )
        assert REASON in said(scene, "DatabaseReachable")
    finally:
        api.close()
    everything = str(scene.api.get(scene.path())) + str(scene.events()) + scene.log.read_text()
    assert "hidden" not in everything
    scene.kubelet.outcomes["api"] = RUN
    scene.until_ready()
    assert scene.condition("DatabaseReachable") == ("True", "DatabaseAnswers")
