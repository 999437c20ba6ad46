"""The restricted Pod Security Standard as a checker of pod specs, and our own rules on top of it.

Written from the standard's table (version 1.30), not from the builders.
"""

from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def violations(spec: dict[str, Any]) -> list[str]:
    """List what a pod spec breaks."""
    pod = spec.get("securityContext", {})
    found = [f"{name} is set" for name in _HOST if spec.get(name)]
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            found.append(f"volume {volume['name']} is a {kinds}")
    if spec.get("automountServiceAccountToken") is not False:
        found.append("a token of the API server is mounted")
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        found += [f"{container['name']}: {text}" for text in _container(container, pod)]
    return found


def _container(container: dict[str, Any], pod: dict[str, Any]) -> list[str]:
    own = container.get("securityContext", {})
    effective = {**pod, **own}
    seccomp = effective.get("seccompProfile", {}).get("type")
    rules = {
        "privileged": not own.get("privileged"),
        "privilege escalation": own.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot": effective.get("runAsNonRoot") is True,
        "runAsUser is root": effective.get("runAsUser") != 0,
        "runAsUser is not numeric": isinstance(effective.get("runAsUser"), int),
        "seccomp": seccomp in {"RuntimeDefault", "Localhost"},
        "capabilities are not dropped": own.get("capabilities", {}).get("drop") == ["ALL"],
        "capabilities are added": set(own.get("capabilities", {}).get("add", []))
        <= {"NET_BIND_SERVICE"},
        "host ports": not any(port.get("hostPort") for port in container.get("ports", [])),
        "the root file system is writable": own.get("readOnlyRootFilesystem") is True,
        "no cpu is stated": _states(container, "cpu"),
        "no memory is stated": _states(container, "memory"),
    }
    return [text for text, kept in rules.items() if not kept]


def _states(container: dict[str, Any], resource: str) -> bool:
    resources = container.get("resources", {})
    return any(resource in resources.get(part, {}) for part in ("requests", "limits"))
