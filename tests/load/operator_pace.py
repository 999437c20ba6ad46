"""How fast the operator takes many new resources up, on an etcd and an API server of its own.

The controllers of Kubernetes are stopped meanwhile, so that nothing but the operator and the API
server is measured: the operator writes each resource's objects up to its migration Job, and the
status. Another operator may be driven beside it in the same minutes: a program that is started as
`PROGRAM -config KUBECONFIG`, with the definition of its kind, which has a status member
`observedGeneration`. Operators write different numbers of objects: what is compared is objects
written a second, the status among them, as the API server's audit log counts them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from cluster.control_plane import ControlPlane
from load.processes import usage
from support.crd import CRD_FILE
from support.kube_api import CORE, KubeApi
from support.operator_process import OperatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE = 16
_LONGEST = 300.0
_SPEC = {"database": {"secretRef": {"name": "db"}}, "expose": {"mode": "None"}}
_WRITES = frozenset({"create", "update", "patch"})


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: a name, the definition of its kind and the spec of each resource."""

    name: str
    definition: dict[str, Any]
    spec: dict[str, Any]

    @property
    def resources(self) -> str:
        """The path of the kind's API, with a place for the namespace."""
        spec = self.definition["spec"]
        version = spec["versions"][0]["name"]
        return f"/apis/{spec['group']}/{version}/namespaces/{{}}/{spec['names']['plural']}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One round: seconds from the first create to the last status, and what was written."""

    side: str
    seconds: float
    resources: int
    objects: int
    events: int
    cpu_ms: float
    rss_mib: float

    def __str__(self) -> str:
        rate = self.objects / self.seconds
        return (
            f"{self.side:10} {self.resources / self.seconds:6.1f} resources/s "
            f"{rate:7.1f} objects/s {self.objects / self.resources:5.1f} objects each "
            f"{self.events / self.resources:4.1f} events each {self.cpu_ms:6.1f} ms CPU each "
            f"{self.rss_mib:5.0f} MiB"
        )


def main() -> None:
    """Measure, and print a line a round and side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--beside", type=Path, help="another operator's program")
    parser.add_argument("--definition", type=Path, help="the definition of its kind")
    chosen = parser.parse_args()
    ours = Side(name="operator", definition=_read(CRD_FILE), spec=_SPEC)
    sides = [ours]
    if chosen.beside:
        sides.append(Side(name="beside", definition=_read(chosen.definition), spec={}))
    rates: dict[str, list[float]] = {}
    with ControlPlane() as plane, KubeApi(plane.kubeconfig) as api:
        for side in sides:
            plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(side.definition))
        for number in range(chosen.rounds):
            for side in sides:
                namespace = f"{side.name}-{number}"
                _namespace(api, namespace)
                with stopped(plane, "kube-controller-manager"), ExitStack() as stack:
                    pid = _start(stack, plane, side, namespace, chosen.beside)
                    outcome = measured(plane, api, side, namespace, pid, chosen.resources)
                rates.setdefault(side.name, []).append(outcome.objects / outcome.seconds)
                print(outcome, flush=True)
    if len(rates) > 1:
        ratio = sum(rates["operator"]) / sum(rates["beside"])
        print(f"objects a second, operator / beside: {ratio:.2f}")


def measured(
    plane: ControlPlane, api: KubeApi, side: Side, namespace: str, pid: int, count: int
) -> Outcome:
    """Create resources and wait until the operator has told of each."""
    path = side.resources.format(namespace)
    spec = side.definition["spec"]
    kind = spec["names"]["kind"]
    version = f"{spec['group']}/{spec['versions'][0]['name']}"
    before, began = usage(pid), time.monotonic()

    def make(number: int) -> None:
        body = {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": f"b{number}"},
            "spec": side.spec,
        }
        api.create(path, body)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make, range(count)))
    while (done := sum(map(_is_told, api.items(path)))) < count:
        if time.monotonic() - began > _LONGEST:
            raise SystemExit(f"{side.name}: {done} of {count} after {_LONGEST:.0f} s")
        time.sleep(0.25)
    seconds, after = time.monotonic() - began, usage(pid)
    objects, events = written(plane, namespace)
    return Outcome(
        side=side.name,
        seconds=seconds,
        resources=count,
        objects=objects - count,
        events=events,
        cpu_ms=(after.cpu_seconds - before.cpu_seconds) * 1000 / count,
        rss_mib=after.largest_rss_mib,
    )


def written(plane: ControlPlane, namespace: str) -> tuple[int, int]:
    """Count the successful writes in a namespace: of objects and statuses, and of events."""
    objects = events = 0
    for line in plane.audit_log.read_text().splitlines():
        if namespace not in line:
            continue
        entry = json.loads(line)
        reference = entry.get("objectRef") or {}
        code = (entry.get("responseStatus") or {}).get("code", 0)
        if (
            entry["stage"] == "ResponseComplete"
            and reference.get("namespace") == namespace
            and entry["verb"] in _WRITES
            and code < 300
        ):
            if reference["resource"] == "events":
                events += 1
            elif reference["resource"] != "leases":
                objects += 1
    return objects, events


@contextmanager
def stopped(plane: ControlPlane, name: str) -> Iterator[None]:
    """Stop a part of the control plane for a while, by SIGSTOP."""
    (pid,) = [record.pid for record in plane.records if record.name == name]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _start(
    stack: ExitStack, plane: ControlPlane, side: Side, namespace: str, program: Path | None
) -> int:
    """Start a side's operator and wait until it watches; gives its process id."""
    if side.name == "operator":
        log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "operator.log"
        operator = stack.enter_context(
            OperatorProcess(
                plane.kubeconfig,
                log,
                *("--no-leader-election", "--namespace", namespace),
                environment={"LOG_LEVEL": "info"},
            )
        )
        operator.wait_ready()
        return operator.pid
    assert program is not None
    process = stack.enter_context(
        subprocess.Popen(
            [str(program), "-config", str(plane.kubeconfig)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
    stack.callback(process.kill)
    _until_watched(plane, side)
    return process.pid


def _until_watched(plane: ControlPlane, side: Side) -> None:
    """Wait until the API server has seen a watch of the side's kind."""
    plural = side.definition["spec"]["names"]["plural"]
    deadline = time.monotonic() + 60
    seen = _watches(plane, plural)
    while _watches(plane, plural) <= seen and time.monotonic() < deadline:
        time.sleep(0.2)


def _watches(plane: ControlPlane, plural: str) -> int:
    return sum(
        f'"resource":"{plural}"' in line and '"verb":"watch"' in line
        for line in plane.audit_log.read_text().splitlines()
    )


def _namespace(api: KubeApi, name: str) -> None:
    """Make a namespace with the account that pods need and the database's Secret."""
    api.create(f"{CORE}/namespaces", {"metadata": {"name": name}})
    account = f"{CORE}/namespaces/{name}/serviceaccounts/default"
    while api.find(account) is None:
        time.sleep(0.05)
    api.create(
        f"{CORE}/namespaces/{name}/secrets",
        {"metadata": {"name": "db"}, "stringData": {"DATABASE_URL": "postgres://u:p@db/n"}},
    )


def _is_told(resource: dict[str, Any]) -> bool:
    told = (resource.get("status") or {}).get("observedGeneration")
    return told == resource["metadata"]["generation"]


def _read(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


if __name__ == "__main__":
    main()
