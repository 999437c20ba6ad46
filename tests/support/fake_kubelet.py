"""Plays the kubelet on a control plane without nodes: it writes the status of pods, nothing else.

The real controllers make the pods and count them, and publish the addresses of those that are
ready; only what runs in a pod is made up here. Pods that run are put on a node that exists in name
only, without which they would have no addresses. What becomes of a component's pods is set by name:
they run, succeed, fail, or cannot pull their image.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from support.kube_api import CORE, KubeApi

if TYPE_CHECKING:
    from pathlib import Path

RUN = "run"
NOT_READY = "not-ready"
SUCCEED = "succeed"
FAIL = "fail"
NO_IMAGE = "no-image"
PENDING = "pending"

_COMPONENT = "app.kubernetes.io/component"
_PAUSE_SECONDS = 0.1
_NODE = "in-name-only"


class FakeKubelet:
    """Writes pod statuses of one namespace from a thread until the block ends.

    Attributes:
        outcomes: What becomes of the pods of a component; may be changed at any time.
        failure: (exit code, reason) of failing containers, as the migration Job tells it.
        addresses: Whether ready pods get an address.
        unready_address: The address of pods that run and are not ready, where a test may listen.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.outcomes = {"api": RUN, "postgres": RUN, "migrate": SUCCEED}
        self.failure = (3, "DatabaseUnreachable")
        self.addresses = True
        self.unready_address = ""
        self._api = KubeApi(kubeconfig)
        self._pods = f"{CORE}/namespaces/{namespace}/pods"
        self._done: dict[str, tuple[str, bool]] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-kubelet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._end.set()
        self._thread.join(timeout=30)
        self._api.__exit__(*raised)

    def _run(self) -> None:
        self._api.try_create(f"{CORE}/nodes", {"metadata": {"name": _NODE}})
        while not self._end.wait(_PAUSE_SECONDS):
            for pod in self._api.items(self._pods):
                metadata = pod["metadata"]
                if metadata.get("deletionTimestamp") and pod["spec"].get("nodeName") == _NODE:
                    self._api.end(f"{self._pods}/{metadata['name']}")
                component = metadata.get("labels", {}).get(_COMPONENT, "")
                outcome = self.outcomes.get(component, PENDING)
                done = (outcome, self.addresses)
                if self._done.get(metadata["uid"]) == done or metadata.get("deletionTimestamp"):
                    continue
                if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
                    continue
                status = _status(pod, outcome, self.failure)
                if outcome in {RUN, NOT_READY}:
                    self._place(pod, status, ready=outcome == RUN)
                if self._api.try_patch(
                    f"{self._pods}/{metadata['name']}/status", {"status": status}
                ):
                    self._done[metadata["uid"]] = done

    def _place(self, pod: dict[str, Any], status: dict[str, Any], *, ready: bool) -> None:
        """Put a pod on the node and give it an address, as whoever may listen there."""
        if not pod["spec"].get("nodeName"):
            name = pod["metadata"]["name"]
            binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": _NODE}}
            self._api.try_create(f"{self._pods}/{name}/binding", binding)
        address = self.unready_address
        if ready:
            address = _address(pod["metadata"]["uid"]) if self.addresses else ""
        if address:
            status["podIP"], status["podIPs"] = address, [{"ip": address}]


def _address(uid: str) -> str:
    """An address that nobody has: it is reserved for documentation."""
    return f"198.51.100.{int(uid[:8], 16) % 254 + 1}"


def _status(pod: dict[str, Any], outcome: str, failure: tuple[int, str]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    phase = {RUN: "Running", NOT_READY: "Running", SUCCEED: "Succeeded", FAIL: "Failed"}.get(
        outcome, "Pending"
    )
    ready = outcome == RUN
    state = _state(outcome, failure, now)
    flags = {"PodScheduled": True, "Initialized": True, "Ready": ready, "ContainersReady": ready}
    return {
        "phase": phase,
        "startTime": now,
        "conditions": [
            {"type": kind, "status": str(flag), "lastTransitionTime": now}
            for kind, flag in flags.items()
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": ready,
                "started": ready,
                "restartCount": 0,
                "state": state,
            }
            for container in pod["spec"]["containers"]
        ],
    }


def _state(outcome: str, failure: tuple[int, str], now: str) -> dict[str, Any]:
    if outcome in {RUN, NOT_READY}:
        return {"running": {"startedAt": now}}
    if outcome == NO_IMAGE:
        return {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    if outcome == PENDING:
        return {"waiting": {"reason": "ContainerCreating"}}
    code, reason = (0, "Completed") if outcome == SUCCEED else failure
    said = json.dumps({"reason": reason, "message": f"{reason}: told by the migration"})
    return {
        "terminated": {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "message": "" if code == 0 else said,
            "startedAt": now,
            "finishedAt": now,
        }
    }
