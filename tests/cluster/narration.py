"""Tells a person how a ServiceLayer gets ready and, when it does not, all there is to see.

It only reads. Each change of a condition is printed once, with the seconds since the start.
"""

import time
from typing import Any

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.progress import say

RESOURCE = "servicelayers.servicelayer.r3e.network"
_SILENCE_SECONDS = 15
_STALLED_SECONDS = 30
_LOG_LINES = 20
_LEFT_OUT = {"Reconciling": None}

type Conditions = dict[str, tuple[str, str, str]]


def conditions_of(resource: dict[str, Any]) -> Conditions:
    """Return (status, reason, message) of each condition by its type."""
    found = resource.get("status", {}).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


def is_current(resource: dict[str, Any]) -> bool:
    """Tell whether the status speaks of the spec as it is now."""
    seen = resource.get("status", {}).get("observedGeneration", -1)
    return seen == resource["metadata"]["generation"]


def follow_until_ready(kubectl: Kubectl, namespace: str, name: str, *, seconds: float) -> None:
    """Wait for Ready and print each change of a condition; a failure raises with its reasons."""
    started = told = time.monotonic()
    stalled: float | None = None
    shown: Conditions = {}
    while True:
        resource = kubectl.json("-n", namespace, "get", RESOURCE, name)
        now, current = time.monotonic(), conditions_of(resource)
        for line in changes(shown, current):
            say(f"  {now - started:5.1f} s  {line}")
            told = now
        shown = current
        if is_current(resource) and current.get("Ready", ("",))[0] == "True":
            return
        stalled = (stalled or now) if current.get("Stalled", ("",))[0] == "True" else None
        if stalled and now - stalled > _STALLED_SECONDS:
            # Waiting longer would only hide the reason.
            raise ClusterError(failure(kubectl, namespace, name, "is stalled"))
        if now - started > seconds:
            raise ClusterError(failure(kubectl, namespace, name, f"not ready in {seconds:.0f} s"))
        if now - told > _SILENCE_SECONDS:
            say(f"  {now - started:5.1f} s  still waiting")
            told = now
        time.sleep(0.5)


def changes(before: Conditions, after: Conditions) -> list[str]:
    """Return one line for each condition that is new, different or gone.

    Reconciling says what Ready says while it is there, and is left out.
    """
    lines = [
        _line(kind, *after[kind])
        for kind in after
        if before.get(kind, ())[:2] != after[kind][:2] and kind != "Reconciling"
    ]
    return lines + [f"{kind} is over" for kind in before if kind not in after | _LEFT_OUT]


def _line(kind: str, status: str, reason: str, message: str) -> str:
    return f"{kind}={status} {reason}: {message}"


def condition_lines(kubectl: Kubectl, namespace: str, name: str) -> list[str]:
    """Return the conditions, one a line."""
    resource = kubectl.json("-n", namespace, "get", RESOURCE, name)
    return [_line(kind, *rest) for kind, rest in conditions_of(resource).items()]


def event_lines(kubectl: Kubectl, namespace: str, name: str) -> list[str]:
    """Return the events about the ServiceLayer, oldest first."""
    events = kubectl.json("-n", namespace, "get", "events.v1.events.k8s.io")["items"]
    own = [event for event in events if event["regarding"].get("name") == name]
    own = [event for event in own if event["regarding"].get("kind") == "ServiceLayer"]
    own.sort(key=lambda event: event["metadata"]["creationTimestamp"])
    return [f"{event['type']:8} {event['reason']}: {event.get('note', '')}" for event in own]


def failure(kubectl: Kubectl, namespace: str, name: str, what: str) -> str:
    """Return a text with the conditions, the events and the logs of pods that do not run."""
    parts = [f"servicelayer/{name} in {namespace} {what}"]
    parts += ["conditions:", *_indent(condition_lines(kubectl, namespace, name))]
    parts += ["events:", *_indent(event_lines(kubectl, namespace, name))]
    pods = kubectl.json("-n", namespace, "get", "pods")["items"]
    for pod in pods:
        pod_name = pod["metadata"]["name"]
        states = [_state(status) for status in pod["status"].get("containerStatuses", [])]
        parts.append(f"pod {pod_name}: {pod['status'].get('phase', '?')} {'; '.join(states)}")
        if not _is_ready(pod):
            options = ("--all-containers", f"--tail={_LOG_LINES}", "--prefix")
            done = kubectl("-n", namespace, "logs", pod_name, *options, check=False)
            parts += _indent((done.stdout or done.stderr).strip().splitlines())
    return "\n".join(parts)


def _is_ready(pod: dict[str, Any]) -> bool:
    found = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found)


def _state(status: dict[str, Any]) -> str:
    ((kind, detail),) = status["state"].items() if status.get("state") else (("unknown", {}),)
    words = [status["name"], kind, detail.get("reason", ""), detail.get("message", "")]
    return " ".join(word for word in words if word)


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines] or ["  (none)"]
