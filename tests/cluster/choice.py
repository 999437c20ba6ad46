"""Which cluster it is: the one that is named, else kind where Docker answers, else assembled here.

The choice is made anew at each call and said aloud; `down` never touches a named cluster.
"""

import os
import shutil
import subprocess
from pathlib import Path

from cluster import assembled, kind_cluster
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.kubectl import Kubectl
from cluster.progress import say
from cluster.state import machine_lock

NAMED = "SERVICELAYER_KUBECONFIG"
NAMED_INGRESS = "SERVICELAYER_INGRESS_URL"
NAMED_INGRESS_TLS = "SERVICELAYER_INGRESS_TLS_URL"
_DOCKER_SECONDS = 5


def up() -> Cluster:
    """Bring up, or confirm, the cluster of this machine; say which one it is."""
    if named := _named():
        say(f"using the cluster of {NAMED}={named.kubeconfig}")
        _verify(named)
        return named
    with machine_lock():
        if docker_answers():
            say("a Docker engine answers: using kind")
            return kind_cluster.up()
        say("no Docker engine answers: assembling a Kubernetes on this host")
        return assembled.up()


def current() -> Cluster | None:
    """Return the cluster that is up, or None; starts nothing."""
    return _named() or assembled.current() or (kind_cluster.current() if docker_answers() else None)


def healthy(cluster: Cluster) -> bool:
    """Print the state of the cluster's parts; False when one does not work."""
    if cluster.kind == "assembled":
        return assembled.report_processes()
    return cluster.kubectl("get", "--raw", "/readyz", check=False).returncode == 0


def down() -> None:
    """Take down what `up` brought up; a named cluster stays as it is."""
    if named := _named():
        say(f"{NAMED}={named.kubeconfig} is not ours to take down")
        return
    with machine_lock():
        assembled.down()
        if docker_answers():
            kind_cluster.down()


def docker_answers() -> bool:
    """Tell whether a Docker engine (not only its client) answers within a few seconds."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            check=False,
            timeout=_DOCKER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _named() -> Cluster | None:
    path = os.environ.get(NAMED)
    if not path:
        return None
    return Cluster(
        kind="named",
        kubeconfig=Path(path),
        ingress_url=os.environ.get(NAMED_INGRESS, ""),
        ingress_tls_url=os.environ.get(NAMED_INGRESS_TLS, ""),
        remarks=(f"{NAMED_INGRESS} says where its ingress controller answers",),
    )


def _verify(cluster: Cluster) -> None:
    if not cluster.kubeconfig.is_file():
        raise ClusterError(f"{NAMED} names no file: {cluster.kubeconfig}")
    done = Kubectl(cluster.kubeconfig)("get", "--raw", "/readyz", check=False)
    if done.returncode != 0:
        raise ClusterError(f"the cluster of {NAMED} does not answer: {done.stderr.strip()}")
