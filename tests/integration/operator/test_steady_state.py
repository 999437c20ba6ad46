"""What the operator does when there is nothing to do: it reads now and then, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Scene

SWEEPS = 12


@pytest.mark.timeout(240)
def test_a_settled_resource_is_not_written_to(scene: Scene) -> None:
    operator = scene.started(RESYNC_SECONDS="5")
    scene.create()
    scene.until_ready()
    scene.until_idle()
    writes, swept = len(scene.writes()), operator.text().count("swept")
    # The API is asked anew several times meanwhile, and every round compares all there is.
    scene.until(
        f"{SWEEPS} sweeps", lambda: operator.text().count("swept") >= swept + SWEEPS, 20 * SWEEPS
    )
    assert scene.writes()[writes:] == []


@pytest.mark.timeout(240)
def test_a_restarted_operator_writes_nothing(scene: Scene) -> None:
    operator = scene.started()
    scene.create()
    scene.until_ready()
    scene.until_idle()
    assert operator.terminate() == 0
    writes = len(scene.writes())
    operator.start()
    operator.wait_ready()
    scene.until(
        "a round",
        lambda: (
            operator.metric(
                'controller_runtime_reconcile_total{controller="servicelayer",result="requeue_after"}'
            )
            >= 1
        ),
    )
    scene.until_idle(5)
    assert scene.writes()[writes:] == []
    assert operator.metric('workqueue_depth{name="servicelayer"}') == 0


@pytest.mark.timeout(240)
def test_drift_during_the_operators_absence_is_repaired_at_its_start(scene: Scene) -> None:
    operator = scene.started()
    scene.create()
    scene.until_ready()
    scene.until_idle()
    operator.kill()
    scene.api.delete(scene.child_path("PodDisruptionBudget", "shop"))
    service = scene.child_path("Service", "shop")
    port = scene.api.get(service)["spec"]["ports"][0]
    scene.api.patch(service, {"spec": {"ports": [{**port, "port": 81}]}})
    operator.start()
    scene.until("port 80", lambda: scene.api.get(service)["spec"]["ports"][0]["port"] == 80)
    scene.until("the PodDisruptionBudget", lambda: scene.children("PodDisruptionBudget"))


@pytest.mark.timeout(240)
def test_the_database_going_away_and_coming_back_is_noticed_without_any_event(
    scene: Scene,
) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    scene.operand.database_up = False
    scene.until("not Ready", lambda: scene.condition("Ready")[0] == "False", 30)
    assert scene.condition("DatabaseReachable")[0] == "False"
    scene.operand.database_up = True
    scene.until_ready(seconds=20)


@pytest.mark.timeout(240)
def test_pods_going_unready_are_noticed_by_the_watch(scene: Scene) -> None:
    scene.started()
    scene.create()
    scene.until_ready()
    scene.kubelet.outcomes["api"] = "not-ready"
    scene.until("not Ready", lambda: scene.condition("Ready")[0] == "False", 10)
    scene.kubelet.outcomes["api"] = "run"
    scene.until_ready(seconds=40)
