"""Edits by hand, one at a time, of everything that a live object holds: for tests of repair.

Each is a JSON patch. Many are refused by the API server or change nothing; the caller sees which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

type Operation = dict[str, Any]


def mutations(value: Any, path: str) -> Iterator[Operation]:
    """Yield an operation for each key that can be added, changed or removed below a path."""
    if isinstance(value, dict):
        yield {"op": "add", "path": f"{path}/added", "value": "by-hand"}
        for name, below in value.items():
            inner = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            yield {"op": "remove", "path": inner}
            yield from mutations(below, inner)
    elif isinstance(value, list):
        yield from _of_list(value, path)
    else:
        yield from ({"op": "replace", "path": path, "value": other} for other in _others(value))


def _of_list(value: list[Any], path: str) -> Iterator[Operation]:
    if value:
        yield {"op": "add", "path": f"{path}/-", "value": _another(value[-1])}
    # The first and the last stand for all: an environment has twenty of one shape.
    for index in sorted({0, len(value) - 1} if value else ()):
        yield {"op": "remove", "path": f"{path}/{index}"}
        yield from mutations(value[index], f"{path}/{index}")


def _another(item: Any) -> Any:
    """An item like this one that is not this one."""
    if isinstance(item, dict):
        return {name: _another(below) for name, below in item.items()}
    if isinstance(item, list):
        return [_another(below) for below in item]
    return next(_others(item), item)


def _others(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        yield f"{value}x"


# What is not there and can be put there: every map and list that our manifests leave out.
_POD: list[tuple[str, Any]] = [
    ("nodeSelector", {"disk": "ssd"}),
    ("tolerations", [{"key": "spot", "operator": "Exists"}]),
    ("hostAliases", [{"ip": "10.0.0.1", "hostnames": ["db"]}]),
    ("dnsConfig", {"searches": ["example.org"]}),
    ("initContainers", [{"name": "first", "image": "first:1"}]),
    ("imagePullSecrets", [{"name": "theirs"}]),
    ("runtimeClassName", "slow"),
    ("containers/-", {"name": "beside", "image": "beside:1"}),
    ("containers/0/envFrom", [{"configMapRef": {"name": "theirs"}}]),
    ("containers/0/env/-", {"name": "ADDED", "value": "by-hand"}),
    ("containers/0/resources/limits", {"cpu": "7"}),
    ("containers/0/volumeMounts/-", {"name": "tmp", "mountPath": "/added"}),
    ("containers/0/command", ["sleep"]),
    ("volumes/-", {"name": "added", "emptyDir": {}}),
]
_POD_OF = [(f"/spec/template/spec/{path}", value) for path, value in _POD]
ADDITIONS: dict[str, list[tuple[str, Any]]] = {
    "Deployment": [("/spec/paused", True), *_POD_OF],
    "StatefulSet": [("/spec/updateStrategy", {"type": "OnDelete"}), *_POD_OF],
    "Service": [
        ("/spec/selector/track", "canary"),
        ("/spec/ports/-", {"name": "added", "port": 81, "protocol": "TCP", "targetPort": 81}),
        ("/spec/externalIPs", ["203.0.113.7"]),
        ("/spec/sessionAffinity", "ClientIP"),
        ("/spec/publishNotReadyAddresses", True),
    ],
    "NetworkPolicy": [
        ("/spec/podSelector/matchLabels/track", "canary"),
        ("/spec/ingress/0/ports/0/endPort", 9999),
        ("/spec/ingress/-", {}),
        ("/spec/egress", [{}]),
    ],
    "PodDisruptionBudget": [
        ("/spec/selector/matchLabels/track", "canary"),
        ("/spec/unhealthyPodEvictionPolicy", "AlwaysAllow"),
    ],
    "Ingress": [
        ("/spec/defaultBackend", {"service": {"name": "theirs", "port": {"number": 80}}}),
        ("/spec/tls", [{"hosts": ["shop.example.org"], "secretName": "theirs"}]),
    ],
    "ConfigMap": [("/data/added", "by-hand"), ("/binaryData", {"added": "AA=="})],
    "Job": [("/spec/ttlSecondsAfterFinished", 9999), ("/spec/suspend", True)],
    "ServiceAccount": [],
}
