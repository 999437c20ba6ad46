"""A ServiceLayer on a real cluster, in the words of a test: apply, edit, wait, look, ask.

Waiting is for a condition with a deadline, and a wait that fails tells everything there is to see.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from cluster import narration, way_in
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.kubectl import Kubectl
from support.patience import patience

type Object = dict[str, Any]

CHILD_KINDS = (
    "serviceaccounts,secrets,configmaps,services,deployments.apps,statefulsets.apps,jobs.batch,"
    "ingresses.networking.k8s.io,networkpolicies.networking.k8s.io,poddisruptionbudgets.policy"
)
MANAGED = "app.kubernetes.io/managed-by=servicelayer-operator"


@dataclass(frozen=True)
class Layer:
    """One ServiceLayer by its namespace and name."""

    cluster: Cluster
    namespace: str
    name: str
    made: list[str] = field(default_factory=list)

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator."""
        return self.cluster.kubectl

    def call(self, *arguments: str, **options: Any) -> str:
        """Run kubectl in the namespace and return what it printed."""
        return self.kubectl("-n", self.namespace, *arguments, **options).stdout

    def apply(self, spec: Object, *, annotations: dict[str, str] | None = None) -> None:
        """Apply the whole resource as a user does."""
        body = {
            "apiVersion": "servicelayer.r3e.network/v1alpha1",
            "kind": "ServiceLayer",
            "metadata": {"name": self.name, "annotations": annotations or {}},
            "spec": spec,
        }
        self.call("apply", "-f", "-", stdin=json.dumps(body))

    def edit(self, spec: Object) -> None:
        """Merge a part of a spec into the resource."""
        patch = json.dumps({"spec": spec})
        self.call("patch", narration.RESOURCE, self.name, "--type=merge", "-p", patch)

    def restore(self, spec: Object) -> None:
        """Give the parts of the spec that tests rely on their values again, unless they have them.

        What else a test left, such as a variable, stays: to take it back costs a whole rollout.
        """
        present, parts = self.read()["spec"], ("expose", "networkPolicy")
        replicas = spec["api"]["replicas"]
        same = all(present[part] == spec[part] for part in parts)
        if not same or present["api"]["replicas"] != replicas:
            wanted = {part: spec[part] for part in parts}
            self.edit({**wanted, "api": {"replicas": replicas}})

    def read(self) -> Object:
        """Return the resource as it is now."""
        return self.object(narration.RESOURCE, self.name)

    def object(self, kind: str, name: str | None = None) -> Object:
        """Return one object of the namespace, by default the child that has the layer's name."""
        return self.kubectl.json("-n", self.namespace, "get", kind, name or self.name)

    def find(self, kind: str, name: str | None = None) -> Object | None:
        """Return one object of the namespace or None."""
        done = self.kubectl(
            *("-n", self.namespace, "get", kind, name or self.name, "-o", "json"),
            "--ignore-not-found",
        )
        return json.loads(done.stdout) if done.stdout.strip() else None

    def pods(self, component: str, *, ending: bool = False) -> list[Object]:
        """Return the pods of one component; with `ending` also those that are on their way out."""
        selector = f"{self.selector},app.kubernetes.io/component={component}"
        found = self.kubectl.json("-n", self.namespace, "get", "pods", "-l", selector)["items"]
        return [pod for pod in found if ending or "deletionTimestamp" not in pod["metadata"]]

    @property
    def selector(self) -> str:
        """Labels that all children carry."""
        return f"app.kubernetes.io/instance={self.name},{MANAGED}"

    def children(self) -> list[Object]:
        """Return every object that the operator made for it and that is still there."""
        found = self.kubectl.json("-n", self.namespace, "get", CHILD_KINDS, "-l", self.selector)
        return found["items"]

    def condition(self, kind: str) -> tuple[str, str, str] | None:
        """Return status, reason and message of a condition that speaks of the present spec."""
        resource = self.read()
        if not narration.is_current(resource):
            return None
        return narration.conditions_of(resource).get(kind)

    def wait_ready(self, seconds: float = 180) -> None:
        """Wait as a user does, with kubectl."""
        done = self.kubectl(
            *("-n", self.namespace, "wait", "--for=condition=Ready", f"sl/{self.name}"),
            f"--timeout={seconds:.0f}s",
            check=False,
            timeout=seconds + 30,
        )
        if done.returncode != 0:
            raise AssertionError(self.told(done.stderr.strip()))

    def wait_condition(
        self, kind: str, status: str, *reasons: str, seconds: float = 90
    ) -> tuple[str, str, str]:
        """Wait until a condition has this status and, when given, one of these reasons."""

        def holds() -> bool:
            found = self.condition(kind)
            return found is not None and found[0] == status and (not reasons or found[1] in reasons)

        self.wait_for(holds, f"{kind}={status} {'|'.join(reasons)}", seconds=seconds)
        found = self.condition(kind)
        assert found is not None
        return found

    def wait_for(self, probe: Callable[[], bool], what: str, *, seconds: float) -> None:
        """Wait until `probe` says yes; the failure shows the resource's whole story."""
        deadline = time.monotonic() + patience(seconds)
        while not probe():
            if time.monotonic() > deadline:
                raise AssertionError(self.told(f"not seen in {seconds:.0f} s: {what}"))
            time.sleep(0.2)

    def told(self, what: str) -> str:
        """Return `what` with conditions, events and logs."""
        try:
            return narration.failure(self.kubectl, self.namespace, self.name, what)
        except ClusterError as exc:
            return f"{what} (and the resource cannot be read: {exc})"

    def events(self) -> list[str]:
        """Return the events about the resource."""
        return narration.event_lines(self.kubectl, self.namespace, self.name)

    def secret(self, name: str, key: str) -> str:
        """Return one value of a Secret."""
        return base64.b64decode(self.object("secret", name)["data"][key]).decode()

    @property
    def host(self) -> str:
        """The host name that the Ingress of the present spec has."""
        return self.read()["spec"]["expose"]["host"]

    def http(self, *, tenant: str = "e2e", host: str = "") -> httpx.Client:
        """Return a client that reaches the API through the Ingress with the generated token."""
        return self.clients(tenant=tenant, host=host)()

    def clients(self, *, tenant: str = "e2e", host: str = "") -> Callable[[], httpx.Client]:
        """Return a maker of such clients that asks the cluster for host and token only now."""
        token = self.secret(f"{self.name}-secrets", "API_TOKENS").split(",")[0]
        known = host or self.host
        return lambda: way_in.client(self.cluster, known, token=token, tenant=tenant)

    def delete(self, *, wait: bool = True) -> None:
        """Delete it, and what the user's manifests made beside it."""
        self.call("delete", narration.RESOURCE, self.name, "--ignore-not-found", f"--wait={wait}")
        for name in self.made:
            self.call("delete", name, "--ignore-not-found")
        if wait:
            # The claim of a StatefulSet outlives it for a moment; the next test must not find it.
            self.wait_for(lambda: not self.children(), "no child is left", seconds=90)

    def make_secret(self, name: str, **data: str) -> None:
        """Make or change a Secret beside it; it goes with `delete`."""
        self.made.append(f"secret/{name}")
        self.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": self.namespace},
                "stringData": data,
            }
        )
