"""The harness itself: light control planes, the real cluster's parts, and what is left behind.

The whole life of an assembled cluster, with its parts killed, is played in a network and mount
namespace of its own, so that the cluster which other tests use is never touched.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster import choice
from cluster.control_plane import OWNER, ControlPlane, sweep_stale
from cluster.errors import ClusterError
from cluster.families import ASSEMBLED
from cluster.handle import Cluster
from cluster.kubectl import Kubectl
from cluster.layout import PROBE_IMAGE
from cluster.node_images import scratch_image
from cluster.progress import wait_until
from cluster.toolchain import ensure, ensure_all

if TYPE_CHECKING:
    from cluster.processes import ProcessRecord

TESTS = Path(__file__).resolve().parents[1]
WORKLOAD = TESTS / "support" / "probe_workload.json"
LIFE = TESTS / "support" / "cluster_life.py"


def test_two_control_planes_run_side_by_side_and_leave_nothing_behind() -> None:
    with ControlPlane() as one, ControlPlane() as two:
        records = [*one.records, *two.records]
        folders = [one.folder, two.folder]
        assert one.server != two.server
        one.kubectl("create", "namespace", "only-in-one")
        assert "only-in-one" not in two.kubectl("get", "namespaces").stdout
    assert len(records) == 6
    assert not [record.name for record in records if record.alive()]
    assert not [folder for folder in folders if folder.exists()]


def test_a_failing_block_takes_its_control_plane_down_too() -> None:
    records: list[ProcessRecord] = []

    def fail() -> None:
        with ControlPlane() as plane:
            records.extend(plane.records)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(records) == 3
    assert not [record.name for record in records if record.alive()]


def test_a_killed_part_is_named_with_the_end_of_its_log() -> None:
    with ControlPlane() as plane:
        victim = next(r for r in plane.records if r.name == "kube-controller-manager")
        os.kill(victim.pid, signal.SIGKILL)
        assert wait_until(lambda: not victim.alive(), seconds=10)
        with pytest.raises(ClusterError, match="kube-controller-manager has died"):
            plane.kubectl("get", "namespaces")


def test_a_killed_run_takes_its_control_plane_along_and_the_next_one_sweeps_its_folder() -> None:
    script = (
        "import json, time\n"
        "from cluster.control_plane import ControlPlane\n"
        "plane = ControlPlane().start()\n"
        "pids = [record.pid for record in plane.records]\n"
        "print(json.dumps({'folder': str(plane.folder), 'pids': pids}), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        text=True,
    ) as run:
        assert run.stdout is not None
        started = json.loads(run.stdout.readline())
        run.kill()
    gone = [Path(f"/proc/{pid}") for pid in started["pids"]]
    assert wait_until(lambda: not any(path.exists() for path in gone), seconds=10)
    folder = Path(started["folder"])
    assert (folder / OWNER).exists()
    sweep_stale()
    assert not folder.exists()


def test_mutating_calls_stand_in_the_audit_log(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("-n", namespace, "create", "configmap", "seen")
    events = [json.loads(line) for line in control_plane.audit_log.read_text().splitlines()]
    seen = [
        event
        for event in events
        if event["verb"] == "create" and event.get("objectRef", {}).get("namespace") == namespace
    ]
    assert "configmaps" in {event["objectRef"]["resource"] for event in seen}


def test_a_service_account_acts_with_its_own_rights_only(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    admin = control_plane.kubectl
    admin("-n", namespace, "create", "serviceaccount", "reader")
    admin("-n", namespace, "create", "role", "reads", "--verb=get,list", "--resource=configmaps")
    binding = ("create", "rolebinding", "reads", "--role=reads")
    admin("-n", namespace, *binding, f"--serviceaccount={namespace}:reader")
    own = Kubectl(
        admin.service_account_kubeconfig(namespace, "reader", tmp_path / "reader.kubeconfig")
    )
    assert own("-n", namespace, "get", "configmaps").returncode == 0
    with pytest.raises(ClusterError, match="forbidden"):
        own("-n", namespace, "get", "secrets")


def test_the_restricted_pod_security_standard_is_enforced(
    control_plane: ControlPlane, namespace: str
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": namespace},
        "spec": {"containers": [{"name": "root", "image": PROBE_IMAGE}]},
    }
    with pytest.raises(ClusterError, match='violates PodSecurity "restricted'):
        control_plane.kubectl.apply(pod)


def test_children_of_a_deleted_owner_are_collected(
    control_plane: ControlPlane, namespace: str
) -> None:
    kubectl = control_plane.kubectl
    kubectl("-n", namespace, "create", "configmap", "owner")
    uid = kubectl.json("-n", namespace, "get", "configmap", "owner")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    metadata = {"name": "child", "namespace": namespace, "ownerReferences": [owner]}
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    kubectl("-n", namespace, "delete", "configmap", "owner")
    assert wait_until(
        lambda: kubectl("-n", namespace, "get", "configmap", "child", check=False).returncode != 0,
        seconds=60,
        pause=0.3,
    )


@pytest.fixture(scope="module")
def workload(real_cluster: Cluster) -> Iterator[Callable[..., str]]:
    """A deployment, its service and ingress, and a StatefulSet; returns `exec` in a web pod."""
    kubectl = real_cluster.kubectl
    namespace = f"harness-{os.getpid()}"
    objects: list[dict[str, Any]] = json.loads(WORKLOAD.read_text())
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": namespace, "labels": labels}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        for item in objects:
            item["metadata"]["namespace"] = namespace
        kubectl.apply(*objects)
        for name in ("deployment/web", "statefulset/db"):
            kubectl("-n", namespace, "rollout", "status", name, "--timeout=90s")

        def run(*arguments: str) -> str:
            return kubectl("-n", namespace, "exec", "deployment/web", "--", *arguments).stdout

        yield run
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.cluster
def test_names_of_services_resolve_in_a_pod(workload: Callable[..., str]) -> None:
    assert workload("/probe", "resolve", "web").startswith("[10.")


@pytest.mark.cluster
def test_a_pod_reaches_a_service_that_leads_back_to_itself(workload: Callable[..., str]) -> None:
    answers = [workload("/probe", "get", "http://web/x") for _ in range(6)]
    assert all("200 OK" in answer and "path=/x" in answer for answer in answers)


@pytest.mark.cluster
@pytest.mark.usefixtures("workload")
def test_the_ingress_controller_routes_by_host_name(real_cluster: Cluster) -> None:
    request = urllib.request.Request(  # noqa: S310 - the cluster's own address
        real_cluster.ingress_url, headers={"Host": "web.harness.test"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def routed() -> bool:
        try:
            with opener.open(request, timeout=5) as response:
                return "host=web.harness.test" in response.read().decode()
        except OSError:
            return False

    assert wait_until(routed, seconds=20)


@pytest.mark.cluster
@pytest.mark.usefixtures("workload")
def test_a_volume_claim_of_a_statefulset_is_bound_and_written_by_a_non_root_user(
    real_cluster: Cluster,
) -> None:
    # The StatefulSet's init container has written a file as user 999, or it would not be ready.
    claims = real_cluster.kubectl.json("get", "pvc", "-A")["items"]
    own = [c for c in claims if c["metadata"]["namespace"] == f"harness-{os.getpid()}"]
    assert [claim["status"]["phase"] for claim in own] == ["Bound"]


@pytest.mark.cluster
def test_loading_an_image_archive_returns_the_name_that_pods_use(
    real_cluster: Cluster, tmp_path: Path
) -> None:
    if real_cluster.kind != "assembled":
        pytest.skip("kind names the archive, and a named cluster loads nothing")
    archive = scratch_image(ensure("guest") / "probe", PROBE_IMAGE, tmp_path / "probe.tar")
    assert real_cluster.load_image(archive) == [PROBE_IMAGE]
    with pytest.raises(ClusterError, match="no such image archive"):
        real_cluster.load_image(tmp_path / "missing.tar")


@pytest.mark.cluster
def test_bringing_up_a_cluster_that_is_up_starts_nothing(real_cluster: Cluster) -> None:
    before = real_cluster.kubectl.json("get", "namespace", "default")["metadata"]["uid"]
    again = choice.up()
    assert again.kubeconfig == real_cluster.kubeconfig
    assert again.kubectl.json("get", "namespace", "default")["metadata"]["uid"] == before


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and containers need root")
@pytest.mark.parametrize("crash", ["none", "kill-all-and-lose-the-record", "kill-down", "kill-up"])
def test_a_cluster_leaves_nothing_behind_after(crash: str, tmp_path: Path) -> None:
    ensure_all(ASSEMBLED)
    # Sockets need a short path, and the fixed places of kubelet and CNI must exist to be covered.
    state = Path(f"/var/tmp/slc-{os.getpid()}-{time.monotonic_ns() % 10**6}")  # noqa: S108
    done = subprocess.run(
        [
            *("unshare", "--net", "--mount", "--propagation", "private", "--"),
            *(sys.executable, str(LIFE), crash),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "SERVICELAYER_CLUSTER_STATE": str(state),
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    shutil.rmtree(state, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is left" in done.stdout
