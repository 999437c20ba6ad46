"""The operator is killed with -9 after each mutating call it makes; the end is always the same.

And it meets a bad network: conflicts, throttling, errors and cut connections around every call.
"""

from __future__ import annotations

import base64
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.api_proxy import ApiProxy, Call, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Scene
    from support.operator_process import OperatorProcess

# Generous: an unkilled installation makes about 25; the loop ends itself at the last one.
MOST_CALLS = 60


@pytest.fixture
def proxy(scene: Scene) -> Iterator[ApiProxy]:
    with ApiProxy(scene.plane.kubeconfig, scene.folder) as started:
        yield started


def shape(scene: Scene, name: str) -> dict[str, Any]:
    """What the end state is made of, without what differs from resource to resource anyway."""
    shapes: dict[str, Any] = {}
    for kind, objects in scene.everything().items():
        for child, body in objects.items():
            if body["metadata"]["labels"]["app.kubernetes.io/instance"] != name:
                continue
            # A migration Job is named by a hash that covers the database's own random password.
            alias = child.replace(name, "X")
            if kind == "Job":
                alias = alias.rpartition("-")[0]
            shapes[f"{kind}/{alias}"] = sorted(body.get("data") or {}) or sorted(
                body.get("spec") or {}
            )
    return shapes


@pytest.mark.timeout(900)
def test_killed_after_each_call_it_ends_in_the_same_state(scene: Scene, proxy: ApiProxy) -> None:
    operator = scene.operator(kubeconfig=proxy.kubeconfig)
    operator.start()
    operator.wait_ready()
    scene.create("unkilled")
    scene.until_ready("unkilled")
    expected = shape(scene, "unkilled")
    operator.kill()
    scene.api.delete(scene.path("unkilled"))
    scene.until("no children", lambda: not any(scene.everything().values()), 60)
    point = 0
    while point < MOST_CALLS:
        point += 1
        survived = _install_killed_at(scene, proxy, operator, point, expected)
        if survived:
            break
    # The loop must have run through all calls, and not have stopped at the first.
    assert 10 < point < MOST_CALLS


def _install_killed_at(
    scene: Scene,
    proxy: ApiProxy,
    operator: OperatorProcess,
    point: int,
    expected: dict[str, Any],
) -> bool:
    """Install once, killed after call number `point`; whether it came to Ready before that."""
    name = f"shop{point}"
    proxy.reset()
    secrets: dict[str, set[str]] = {}

    def after(call: Call) -> None:
        if call.number == point:
            os.kill(operator.pid, signal.SIGKILL)

    proxy.after = after
    scene.create(name)
    operator.start()
    scene.until(
        f"call {point} or Ready",
        lambda: not operator.running or scene.condition("Ready", name)[0] == "True",
        90,
    )
    survived = operator.running
    _note_secrets(scene, name, secrets)
    proxy.reset()
    operator.kill()
    if not survived:
        operator.start()
        scene.until_ready(name)
        operator.kill()
    _note_secrets(scene, name, secrets)
    assert shape(scene, name) == expected, f"killed after call {point}"
    assert all(len(uids) == 1 for uids in secrets.values()), f"a secret made twice at {point}"
    scene.api.delete(scene.path(name))
    scene.until("no children", lambda: not any(scene.everything().values()), 60)
    return survived


def _note_secrets(scene: Scene, name: str, seen: dict[str, set[str]]) -> None:
    for secret, body in scene.children("Secret").items():
        if body["metadata"]["labels"]["app.kubernetes.io/instance"] == name:
            seen.setdefault(secret, set()).add(body["metadata"]["uid"] + str(body["data"]))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=409, body={"reason": "Conflict"}), id="conflict"),
        pytest.param(Fault(status=429, headers={"Retry-After": "1"}), id="throttled"),
        pytest.param(Fault(status=500, body={"reason": "InternalError"}), id="broken"),
        pytest.param(Fault(status=503), id="unavailable"),
        pytest.param(Fault(cut="before"), id="cut-before"),
        pytest.param(Fault(cut="after"), id="cut-after"),
    ],
)
@pytest.mark.timeout(180)
def test_a_call_that_fails_is_retried_in_place(scene: Scene, proxy: ApiProxy, fault: Fault) -> None:
    failed: set[str] = set()

    def once_each(call: Call) -> Fault | None:
        if call.watch or not call.mutating or str(call) in failed:
            return None
        failed.add(str(call))
        return fault

    proxy.fault = once_each
    operator = scene.operator(kubeconfig=proxy.kubeconfig)
    operator.start()
    scene.create()
    scene.until_ready(seconds=90)
    assert len(failed) > 10
    assert "round_failed" not in scene.log.read_text()
    data = scene.children("Secret")["shop-secrets"]["data"]
    assert (
        base64.b64decode(data["API_TOKENS"]).decode()
        in scene.operand.tokens[f"{scene.namespace}/shop"]
    )


@pytest.mark.timeout(180)
def test_reads_that_fail_are_retried_in_place(scene: Scene, proxy: ApiProxy) -> None:
    seen: dict[str, int] = {}

    def every_third(call: Call) -> Fault | None:
        if call.watch or call.mutating:
            return None
        seen[str(call)] = seen.get(str(call), 0) + 1
        return Fault(status=503) if seen[str(call)] % 3 == 1 else None

    proxy.fault = every_third
    operator = scene.operator(kubeconfig=proxy.kubeconfig)
    operator.start()
    scene.create()
    scene.until_ready(seconds=90)
    assert "round_failed" not in scene.log.read_text()


@pytest.mark.timeout(180)
def test_a_refused_write_is_told_and_recovers(scene: Scene, proxy: ApiProxy) -> None:
    refusal = {
        "kind": "Status",
        "reason": "Forbidden",
        "message": "networkpolicies is forbidden: not allowed",
    }
    proxy.fault = lambda call: (
        Fault(status=403, body=refusal)
        if call.mutating and "networkpolicies" in call.path
        else None
    )
    operator = scene.operator(kubeconfig=proxy.kubeconfig)
    operator.start()
    scene.create()
    scene.until("Stalled", lambda: scene.condition("Stalled")[0] == "True")
    assert scene.condition("Ready")[0] == "False"
    # One refused object keeps no other back.
    scene.until("a Deployment", lambda: scene.children("Deployment"))
    proxy.reset()
    scene.until_ready(seconds=90)
    scene.until("not stalled", lambda: scene.condition("Stalled") == ("", ""))
