"""Probes and metrics, a watch that goes silent, and the ways to start and to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from support.api_proxy import ApiProxy, Fault
from support.operator_process import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Scene


@pytest.fixture
def proxy(scene: Scene) -> Iterator[ApiProxy]:
    with ApiProxy(scene.plane.kubeconfig, scene.folder) as started:
        yield started


@pytest.mark.timeout(180)
def test_a_silent_watch_turns_liveness_red(scene: Scene, proxy: ApiProxy) -> None:
    # The API server ends each watch after a few seconds, in good order: that is heard too.
    operator = scene.started(
        kubeconfig=proxy.kubeconfig, WATCH_SERVER_TIMEOUT="5", WATCH_STALL_SECONDS="12"
    )
    scene.create()
    scene.until_ready()
    assert operator.probe("/healthz") == 200
    proxy.silent = True
    scene.until("503", lambda: operator.probe("/healthz") == 503, 60)
    body = httpx.get(f"http://{operator.health}/healthz", trust_env=False).json()
    assert "is silent for" in body["reasons"][0]


@pytest.mark.timeout(180)
def test_watches_that_end_and_come_back_keep_liveness_green(scene: Scene) -> None:
    operator = scene.started(WATCH_SERVER_TIMEOUT="5", WATCH_STALL_SECONDS="12")
    scene.create()
    scene.until_ready()
    probes: list[int] = []

    def long_enough() -> bool:
        probes.append(operator.probe("/healthz"))
        return operator.metric('servicelayer_watch_last_activity_seconds{kind="pods"}') > 0 and (
            len(probes) > 150
        )

    scene.until("a while", long_enough, 90)
    assert set(probes) == {200}


@pytest.mark.timeout(180)
def test_a_deletion_lost_by_the_watch_is_found_by_the_sweep(scene: Scene, proxy: ApiProxy) -> None:
    scene.started(kubeconfig=proxy.kubeconfig, RESYNC_SECONDS="5")
    scene.create()
    scene.until_ready()
    scene.until_idle()
    proxy.silent = True
    scene.api.delete(scene.child_path("PodDisruptionBudget", "shop"))
    scene.until("it is back", lambda: scene.children("PodDisruptionBudget"), 40)


@pytest.mark.timeout(120)
def test_metrics_have_the_names_that_dashboards_know(scene: Scene) -> None:
    operator = scene.started()
    scene.create()
    scene.until_ready()
    text = httpx.get(f"http://{operator.metrics}/metrics", trust_env=False).text
    for name in (
        'controller_runtime_reconcile_total{controller="servicelayer"',
        "controller_runtime_reconcile_time_seconds_bucket",
        "controller_runtime_active_workers",
        'workqueue_depth{name="servicelayer"}',
        "workqueue_adds_total",
        "workqueue_queue_duration_seconds_bucket",
        "workqueue_work_duration_seconds_bucket",
        "workqueue_unfinished_work_seconds",
        "workqueue_longest_running_processor_seconds",
        'rest_client_requests_total{code="200",method="GET"}',
        f'servicelayer_condition{{name="shop",namespace="{scene.namespace}",status="True"',
        'servicelayer_apply_total{kind="Deployment",result="created"} 1.0',
        "servicelayer_event_loop_lag_seconds",
        'servicelayer_watch_last_activity_seconds{kind="deployments"}',
        "servicelayer_operator_definition_current 1.0",
    ):
        assert name in text
    # One metric names the resource, so that an alert can; the labels of all others are bounded.
    named = [line for line in text.splitlines() if "shop" in line]
    assert all(line.startswith("servicelayer_condition{") for line in named)


@pytest.mark.timeout(120)
def test_sigterm_ends_it_with_success_and_quickly(scene: Scene) -> None:
    operator = scene.started()
    scene.create()
    os.kill(operator.pid, signal.SIGTERM)
    assert operator.wait_ended(10) == 0


@pytest.mark.timeout(120)
def test_an_interrupt_ends_it_too(scene: Scene) -> None:
    operator = scene.started()
    os.kill(operator.pid, signal.SIGINT)
    assert operator.wait_ended(10) == 0


@pytest.mark.timeout(120)
def test_a_missing_permission_is_named(scene: Scene, proxy: ApiProxy) -> None:
    refusal = {"reason": "Forbidden", "message": "no"}
    proxy.fault = lambda call: (
        Fault(status=403, body=refusal) if call.path.endswith("/ingresses") else None
    )
    operator = scene.operator(kubeconfig=proxy.kubeconfig)
    operator.start()
    assert operator.wait_ended() == 3
    assert f"not allowed to list ingresses in namespace {scene.namespace}" in operator.text()


@pytest.mark.timeout(120)
def test_a_missing_crd_is_named(scene: Scene, proxy: ApiProxy) -> None:
    proxy.fault = lambda call: (
        Fault(status=404, body={"reason": "NotFound"})
        if call.path.endswith("/servicelayers")
        else None
    )
    operator = scene.operator(kubeconfig=proxy.kubeconfig)
    operator.start()
    assert operator.wait_ended() == 3
    assert "install the CRD" in operator.text()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        env={"HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_wrong_setting_stops_the_start_with_one_line() -> None:
    done = run("run", WORKERS="many")
    assert done.returncode == 2
    assert done.stderr == "servicelayer-operator: WORKERS: 'many' is not a number\n"


def test_no_cluster_stops_the_start_with_one_line() -> None:
    done = run("run", HEALTH_ADDR="127.0.0.1:0", METRICS_ADDR="127.0.0.1:0")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "KUBECONFIG" in line


def test_version_prints_the_version() -> None:
    done = run("version")
    assert done.returncode == 0
    assert done.stdout.startswith("servicelayer-operator ")


@pytest.mark.parametrize("setting", ["HEALTH_ADDR", "METRICS_ADDR"])
def test_a_taken_port_is_told_with_the_setting_to_change(scene: Scene, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        operator = scene.operator(**{setting: f"127.0.0.1:{port}"})
        operator.start()
        code = operator.wait_ended()

    assert code == 3
    assert f"{setting}: port {port} is taken" in scene.log.read_text()
