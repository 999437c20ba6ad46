"""Two operators: one leads, the other follows within 20 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.api_proxy import ApiProxy, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Scene
    from support.operator_process import OperatorProcess

LEADING = 'leader_election_master_status{name="servicelayer-operator"}'


def start_two(
    scene: Scene, first_by: Path | None = None
) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader, which may have a way of its own to the API server, and a standby."""
    first, second = (
        scene.operator(
            "--log-format=json", kubeconfig=way, LEASE_NAMESPACE=scene.namespace, POD_NAME=name
        )
        for name, way in (("operator-a", first_by), ("operator-b", None))
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


@pytest.mark.parametrize("methods", [{"PUT"}, {"GET", "PUT"}], ids=["renewal", "reading-too"])
@pytest.mark.timeout(240)
def test_a_leader_whose_renewal_is_never_answered_ends_before_another_leads(
    scene: Scene, methods: set[str]
) -> None:
    """Its connection is open and silent, so that nothing but its own clock tells it to stop."""
    with ApiProxy(scene.plane.kubeconfig, scene.folder) as proxy:
        first, second = start_two(scene, proxy.kubeconfig)
        scene.create()
        scene.until_ready()
        proxy.fault = lambda call: (
            Fault(hang=True) if "/leases/" in call.path and call.method in methods else None
        )
        lived_on = False

        def second_leads() -> bool:
            nonlocal lived_on
            leads = second.metric(LEADING) == 1
            lived_on = lived_on or (leads and first.running)
            return leads

        scene.until("the second leads", second_leads)
        assert not lived_on
        assert first.wait_ended() == 4
    scene.edit({"api": {"replicas": 3}})
    scene.until("3 replicas", lambda: scene.children("Deployment")["shop"]["spec"]["replicas"] == 3)


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


@pytest.mark.timeout(180)
def test_a_second_operator_tells_it_at_once_and_leaves_the_first_one_s_objects(
    scene: Scene,
) -> None:
    scene.started(LEASE_NAME="first", DEFAULT_API_IMAGE="servicelayer-api:one")
    scene.create()
    scene.until_ready()
    assert scene.status()["servedBy"] == "default/first"
    scene.until_idle()
    writes = len(scene.writes())
    scene.started(LEASE_NAME="second", DEFAULT_API_IMAGE="servicelayer-api:two")

    def told() -> bool:
        notes = [event["note"] for event in scene.events() if event["reason"] == "Contested"]
        return any("operators default/first and default/second" in note for note in notes)

    scene.until("told", told, 20)
    scene.until("taken back", lambda: scene.status()["servedBy"] == "default/first", 20)
    scene.until_idle()
    touched = {write.split(" ")[1].split("/")[0] for write in scene.writes()[writes:]}
    assert touched == {"events", "servicelayers"}
    assert scene.condition("Ready")[0] == "True"


@pytest.mark.timeout(240)
def test_what_an_operator_that_is_gone_served_is_taken_over_by_itself(scene: Scene) -> None:
    first = scene.started(LEASE_NAME="first")
    scene.create()
    scene.until_ready()
    scene.until_idle()
    first.kill()
    scene.edit({"api": {"replicas": 3}})
    scene.started(LEASE_NAME="second")
    scene.until("asked for", lambda: scene.status()["servedBy"] == "default/second", 20)
    # It waits first, since a living operator would take its mark back; nothing else wakes it then.
    assert scene.children("Deployment")["shop"]["spec"]["replicas"] == 2
    scene.until(
        "taken over",
        lambda: scene.children("Deployment")["shop"]["spec"]["replicas"] == 3,
        60,
    )
