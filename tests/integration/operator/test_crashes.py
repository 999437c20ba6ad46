"""The operator is killed with -9 after each mutating call it makes; the end is always the same.

And it meets a bad network: conflicts, throttling, errors and cut connections around every call.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.api_proxy import ApiProxy, Call, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import NewScene, Scene

SIDE_BY_SIDE = 4
NEVER = 0


@pytest.fixture
def proxy(scene: Scene) -> Iterator[ApiProxy]:
    with ApiProxy(scene.plane.kubeconfig, scene.folder) as started:
        yield started


# What the operator takes from the name, the uid and the random Secrets of a resource: hashes, and
# the uids and addresses that the API server gives out.
_OF_ITS_OWN = re.compile(
    r"\b(?:[0-9a-f]{64}|[0-9a-f]{10}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
)
_GIVEN_BY_THE_SERVER = {
    "Service": ("clusterIP", "clusterIPs"),
    "Job": ("selector",),
}
_CONTENT = ("spec", "data", "type", "automountServiceAccountToken")


def shape(scene: Scene) -> dict[str, Any]:
    """The end state, without what differs from resource to resource anyway.

    The content of every child, whose it is, and of each Secret's values the length, for they are
    random; and what the resource says about itself.
    """
    shapes: dict[str, Any] = {
        f"{kind}/{_common(scene, child)}": _common(
            scene, json.dumps(_content(scene, kind, body), sort_keys=True)
        )
        for kind, objects in scene.everything().items()
        for child, body in objects.items()
    }
    told = {item["type"]: (item["status"], item["reason"]) for item in scene.status()["conditions"]}
    return {**shapes, "conditions": told}


def _content(scene: Scene, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
    notes = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith("servicelayer.r3e.network/")
    }
    content: dict[str, Any] = {
        "labels": metadata["labels"],
        "annotations": notes,
        "owners": [(owner["kind"], owner["name"]) for owner in metadata.get("ownerReferences", ())],
        **{part: body[part] for part in _CONTENT if part in body},
    }
    if kind == "Secret":
        values = {key: base64.b64decode(value).decode() for key, value in body["data"].items()}
        content["data"] = {key: len(_common(scene, value)) for key, value in values.items()}
    if "spec" in content:
        given = _GIVEN_BY_THE_SERVER.get(kind, ())
        content["spec"] = {k: v for k, v in content["spec"].items() if k not in given}
    return content


def _common(scene: Scene, text: str) -> str:
    """Say the same in every namespace, and no hash."""
    return _OF_ITS_OWN.sub("#", text.replace(scene.namespace, "NAMESPACE"))


def secrets_of(scene: Scene) -> dict[str, tuple[str, dict[str, str]]]:
    """The uid of each Secret, and the digest of each of its values."""
    return {
        secret: (
            body["metadata"]["uid"],
            {
                key: hashlib.sha256(value.encode()).hexdigest()
                for key, value in body["data"].items()
            },
        )
        for secret, body in scene.children("Secret").items()
    }


@pytest.mark.timeout(900)
def test_killed_after_each_call_it_ends_in_the_same_state(
    new_scene: NewScene, tmp_path: Path
) -> None:
    """Each installation has a namespace, an operator and a kubelet of its own, side by side."""
    expected, calls = installed(new_scene, tmp_path / "whole", NEVER)
    # Some more than an undisturbed installation makes, so that the last ones survive.
    points = range(1, calls + 4)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ends = list(
            pool.map(lambda point: installed(new_scene, tmp_path / str(point), point), points)
        )
    for point, (end, _) in zip(points, ends, strict=True):
        assert end == expected, f"killed after call {point}"
    # The calls must have been gone through to the end, and not have stopped at the first.
    killed = [point for point, (_, made) in zip(points, ends, strict=True) if made]
    assert 10 < len(killed) < len(points)


def installed(new_scene: NewScene, folder: Path, point: int) -> tuple[dict[str, Any], int]:
    """Install once, killed after call number `point`.

    Returns:
        The end state; and the calls made, of one that was killed before it was Ready up to then.
    """
    with new_scene(folder) as scene, ApiProxy(scene.plane.kubeconfig, folder) as proxy:
        operator = scene.operator(kubeconfig=proxy.kubeconfig)

        def after(call: Call) -> None:
            if call.number == point:
                os.kill(operator.pid, signal.SIGKILL)

        proxy.after = after
        scene.create()
        operator.start()
        scene.until(
            f"call {point} or Ready",
            lambda: not operator.running or scene.condition("Ready")[0] == "True",
            90,
        )
        survived, calls = operator.running, len(proxy.mutations)
        before = secrets_of(scene)
        proxy.reset()
        operator.kill()
        if not survived:
            operator.start()
            scene.until_ready()
            operator.kill()
        after_all = secrets_of(scene)
        assert before == {name: after_all[name] for name in before}, f"a Secret changed at {point}"
        return shape(scene), 0 if survived and point != NEVER else calls


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
