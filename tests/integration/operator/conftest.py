from __future__ import annotations

import contextlib
import itertools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster.control_plane import ControlPlane
from support.fake_kubelet import FakeKubelet
from support.fake_operand import FakeOperand
from support.kube_api import APPS, BATCH, CORE, OURS, KubeApi
from support.operator_process import OperatorProcess
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
CRD = ROOT / "crds" / "servicelayers.servicelayer.r3e.network.yaml"
NETWORKING = "/apis/networking.k8s.io/v1"
KINDS = {
    "ServiceAccount": (CORE, "serviceaccounts"),
    "Secret": (CORE, "secrets"),
    "ConfigMap": (CORE, "configmaps"),
    "Service": (CORE, "services"),
    "Deployment": (APPS, "deployments"),
    "StatefulSet": (APPS, "statefulsets"),
    "Job": (BATCH, "jobs"),
    "Ingress": (NETWORKING, "ingresses"),
    "NetworkPolicy": (NETWORKING, "networkpolicies"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
}
MANAGED = "app.kubernetes.io/managed-by=servicelayer-operator"
_numbers = itertools.count(1)

type NewScene = Callable[[Path], contextlib.AbstractContextManager[Scene]]


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as started:
        started.kubectl("apply", "--server-side", "-f", str(CRD))
        with KubeApi(started.kubeconfig) as api:
            deadline = time.monotonic() + patience(30)
            # 404 until the CRD is known, 429 until its storage is ready.
            while not api.answers(f"{OURS}/servicelayers"):
                assert time.monotonic() < deadline, "the CRD is not served"
                time.sleep(0.1)
        yield started


class Scene:
    """One namespace of the control plane, a kubelet for it, and operators that watch it."""

    def __init__(self, plane: ControlPlane, folder: Path, stack: contextlib.ExitStack) -> None:
        self.plane = plane
        self.folder = folder
        self.stack = stack
        self.namespace = f"scene-{next(_numbers)}"
        self.api = stack.enter_context(KubeApi(plane.kubeconfig))
        self.api.create(f"{CORE}/namespaces", {"metadata": {"name": self.namespace}})
        self.operand = stack.enter_context(FakeOperand())
        self.kubelet = stack.enter_context(FakeKubelet(plane.kubeconfig, self.namespace))
        self.log = folder / "operator.log"

    def operator(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        release: Path | None = None,
        **environment: str,
    ) -> OperatorProcess:
        """An operator for this namespace, not started; it is killed at the end of the test."""
        settings = {"API_URL": self.operand.url, **environment}
        process = OperatorProcess(
            kubeconfig or self.plane.kubeconfig,
            self.log,
            *(arguments or ("--no-leader-election",)),
            *("--namespace", self.namespace),
            environment=settings,
            release=release,
        )
        self.stack.callback(process.kill)
        return process

    def started(self, *arguments: str, **environment: Any) -> OperatorProcess:
        """An operator that is ready."""
        process = self.operator(*arguments, **environment)
        process.start()
        process.wait_ready()
        return process

    def path(self, name: str = "shop") -> str:
        """Where a ServiceLayer is."""
        return f"{OURS}/namespaces/{self.namespace}/servicelayers/{name}"

    def create(self, name: str = "shop", **spec: Any) -> dict[str, Any]:
        """Create a ServiceLayer with an embedded database, unless the spec says otherwise."""
        body = {
            "apiVersion": "servicelayer.r3e.network/v1alpha1",
            "kind": "ServiceLayer",
            "metadata": {"name": name},
            "spec": {"database": {"embedded": {}}, **spec},
        }
        return self.api.create(f"{OURS}/namespaces/{self.namespace}/servicelayers", body)

    def edit(self, spec: dict[str, Any], name: str = "shop") -> None:
        """Merge-patch the spec of a ServiceLayer."""
        self.api.patch(self.path(name), {"spec": spec})

    def status(self, name: str = "shop") -> dict[str, Any]:
        """The status of a ServiceLayer."""
        return self.api.get(self.path(name)).get("status") or {}

    def condition(self, kind: str, name: str = "shop") -> tuple[str, str]:
        """Status and reason of a condition of the present generation; empty when there is none."""
        body = self.api.get(self.path(name))
        for item in (body.get("status") or {}).get("conditions") or ():
            if (
                item["type"] == kind
                and item["observedGeneration"] == body["metadata"]["generation"]
            ):
                return item["status"], item["reason"]
        return "", ""

    def until(self, what: str, holds: Callable[[], object], seconds: float = 40) -> None:
        """Wait until something holds; fails with what was waited for and the log's end."""
        deadline = time.monotonic() + patience(seconds)
        while not holds():
            if time.monotonic() > deadline:
                status = json.dumps(self.status_or_none(), indent=1)[:4000]
                tail = self.log.read_text()[-4000:] if self.log.exists() else ""
                raise AssertionError(f"not seen in {seconds} s: {what}\n{status}\n{tail}")
            time.sleep(0.1)

    def status_or_none(self) -> Any:
        """The status for a failure's report."""
        found = self.api.find(self.path())
        return found and found.get("status")

    def until_ready(self, name: str = "shop", seconds: float = 60) -> None:
        """Wait until a ServiceLayer is Ready in its present generation."""
        self.until(f"{name} Ready", lambda: self.condition("Ready", name)[0] == "True", seconds)

    def until_idle(self, seconds: float = 3) -> None:
        """Wait until nothing was written by the operator for a while."""
        quiet_since, count = time.monotonic(), len(self.writes())
        deadline = time.monotonic() + patience(60)
        while time.monotonic() - quiet_since < seconds:
            now = len(self.writes())
            if now != count:
                assert time.monotonic() < deadline, f"no end of writing: {self.writes()[-12:]}"
                quiet_since, count = time.monotonic(), now
            time.sleep(0.2)

    def children(self, kind: str) -> dict[str, dict[str, Any]]:
        """The managed objects of a kind by name."""
        group, plural = KINDS[kind]
        path = f"{group}/namespaces/{self.namespace}/{plural}"
        found = self.api.items(path, labelSelector=MANAGED)
        return {item["metadata"]["name"]: item for item in found}

    def child_path(self, kind: str, name: str) -> str:
        """Where a child is."""
        group, plural = (
            (CORE, "persistentvolumeclaims") if kind == "PersistentVolumeClaim" else KINDS[kind]
        )
        return f"{group}/namespaces/{self.namespace}/{plural}/{name}"

    def everything(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All managed objects by kind and name."""
        return {kind: self.children(kind) for kind in KINDS}

    def events(self, name: str = "shop") -> list[dict[str, Any]]:
        """The events about a ServiceLayer."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        return [
            event
            for event in self.api.items(path)
            if event["regarding"].get("kind") == "ServiceLayer"
            and event["regarding"].get("name") == name
        ]

    def writes(self) -> list[str]:
        """The mutating calls of operators on this namespace, from the API server's audit log."""
        found: list[str] = []
        for line in self.plane.audit_log.read_text().splitlines():
            if self.namespace not in line or "servicelayer-operator" not in line:
                continue
            entry = json.loads(line)
            reference = entry.get("objectRef") or {}
            if (
                entry["stage"] == "ResponseComplete"
                and entry.get("userAgent") == "servicelayer-operator"
                and entry["verb"] not in {"get", "list", "watch"}
                and reference.get("namespace") == self.namespace
            ):
                found.append(f"{entry['verb']} {reference.get('resource')}/{reference.get('name')}")
        return found


@pytest.fixture
def scene(plane: ControlPlane, tmp_path: Path) -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        yield Scene(plane, tmp_path, stack)


@pytest.fixture
def new_scene(plane: ControlPlane) -> NewScene:
    """Makes scenes for what runs side by side, each with a folder of its own."""

    @contextlib.contextmanager
    def make(folder: Path) -> Iterator[Scene]:
        folder.mkdir()
        with contextlib.ExitStack() as stack:
            yield Scene(plane, folder, stack)

    return make
