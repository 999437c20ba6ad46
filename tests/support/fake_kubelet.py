"""Plays the kubelet on a control plane without nodes: it writes the status of pods, nothing else.

The real controllers make the pods and count them; only what runs in a pod is made up here. What
becomes of a component's pods is set by name: they run, succeed, fail, or cannot pull their image.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from support.kube_api import CORE, KubeApi

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

RUN = "run"
NOT_READY = "not-ready"
SUCCEED = "succeed"
FAIL = "fail"
NO_IMAGE = "no-image"
PENDING = "pending"

_COMPONENT = "app.kubernetes.io/component"
_PAUSE_SECONDS = 0.1


class FakeKubelet:
    """Writes pod statuses of one namespace from a thread until the block ends.

    Attributes:
        outcomes: What becomes of the pods of a component; may be changed at any time.
        failure: (exit code, reason) of failing containers, as the migration Job tells it.
        unready_address: The address of pods that run and are not ready, where a test may listen.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.outcomes = {"api": RUN, "postgres": RUN, "migrate": SUCCEED}
        self.failure = (3, "DatabaseUnreachable")
        self.unready_address = ""
        self._api = KubeApi(kubeconfig)
        self._pods = f"{CORE}/namespaces/{namespace}/pods"
        self._done: dict[str, str] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-kubelet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(timeout=30)
        self._api.__exit__(kind, value, trace)

    def _run(self) -> None:
        while not self._end.wait(_PAUSE_SECONDS):
            for pod in self._api.items(self._pods):
                metadata = pod["metadata"]
                component = metadata.get("labels", {}).get(_COMPONENT, "")
                outcome = self.outcomes.get(component, PENDING)
                if self._done.get(metadata["uid"]) == outcome or metadata.get("deletionTimestamp"):
                    continue
                if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
                    continue
                status = _status(pod, outcome, self.failure)
                if outcome == NOT_READY and self.unready_address:
                    status["podIP"] = self.unready_address
                    status["podIPs"] = [{"ip": self.unready_address}]
                if self._api.try_patch(
                    f"{self._pods}/{metadata['name']}/status", {"status": status}
                ):
                    self._done[metadata["uid"]] = outcome


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
