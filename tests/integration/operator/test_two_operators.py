"""Two operators: one leads, the other follows within 20 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Scene
    from support.operator_process import OperatorProcess

LEADING = 'leader_election_master_status{name="servicelayer-operator"}'


def start_two(scene: Scene) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader and a standby."""
    names = ["operator-a", "operator-b"]
    first, second = (
        scene.operator("--log-format=json", LEASE_NAMESPACE=scene.namespace, POD_NAME=name)
        for name in names
    )
    first.start()
    first.wait_ready()
    scene.until("a leader", lambda: first.metric(LEADING) == 1)
    second.start()
    second.wait_ready()
    return first, second


@pytest.mark.timeout(240)
def test_a_killed_leader_is_followed_within_20_seconds(scene: Scene) -> None:
    first, second = start_two(scene)
    scene.create()
    scene.until_ready()
    assert (first.metric(LEADING), second.metric(LEADING)) == (1, 0)
    first.kill()
    killed = time.monotonic()
    scene.edit({"api": {"replicas": 3}})
    scene.until(
        "3 replicas",
        lambda: scene.children("Deployment")["shop"]["spec"]["replicas"] == 3,
        20,
    )
    assert time.monotonic() - killed < 20
    assert second.metric(LEADING) == 1


@pytest.mark.timeout(240)
def test_a_stopped_leader_hands_over_at_once(scene: Scene) -> None:
    first, second = start_two(scene)
    assert first.terminate() == 0
    scene.until("the second leads", lambda: second.metric(LEADING) == 1, 5)


@pytest.mark.timeout(240)
def test_a_leader_that_lost_its_lease_ends(scene: Scene) -> None:
    first, _ = start_two(scene)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/servicelayer-operator"
    scene.api.patch(path, {"spec": {"holderIdentity": "thief"}})
    assert first.wait_ended() == 4


@pytest.mark.timeout(240)
def test_in_steady_state_only_the_lease_is_written(scene: Scene) -> None:
    start_two(scene)
    scene.create()
    scene.until_ready()
    scene.until("quiet", lambda: True)
    time.sleep(3)
    writes = len(scene.writes())
    time.sleep(15)
    fresh = scene.writes()[writes:]
    assert fresh
    assert set(fresh) == {"update leases/servicelayer-operator"}


@pytest.mark.timeout(180)
def test_two_operators_that_fight_over_a_resource_tell_it_and_stop(scene: Scene) -> None:
    for image in ("servicelayer-api:one", "servicelayer-api:two"):
        scene.started(DEFAULT_API_IMAGE=image)
    scene.create()
    scene.until("told", lambda: "Contested" in {event["reason"] for event in scene.events()}, 90)
