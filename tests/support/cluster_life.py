"""Plays the whole life of an assembled cluster in private namespaces, with a crash in it.

Started by the harness's own tests through `unshare --net --mount`; it refuses to run anywhere else,
because it kills what it brings up. Ends with code 0 and "nothing is left" when `down` did its work.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cluster import assembled, leftovers
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.layout import Layout
from cluster.paths import DEFAULT_STATE, state_dir
from cluster.processes import kill_pids
from cluster.progress import wait_until

WORKLOAD = Path(__file__).with_name("probe_workload.json")


def main(crash: str) -> int:
    isolate()
    assembled.up()
    run_pods()
    if crash == "kill-all-and-lose-the-record":
        kill_pids(leftovers.processes())
        (state_dir() / "state.json").unlink()
        assert leftovers.find()
    elif crash == "kill-down":
        run_and_kill("down", until=lambda: not alive("kubelet"))
    elif crash == "kill-up":
        assembled.down()
        run_and_kill("up", until=lambda: alive("kube-apiserver"))
        assembled.up()
        run_pods()
    assembled.down()
    left = leftovers.find()
    sys.stdout.write("\n".join(left) or "nothing is left")
    return 1 if left else 0


def isolate() -> None:
    """Check that this is nobody's cluster; cover the places whose paths cannot be chosen."""
    if Path("/proc/self/ns/net").readlink() == Path(f"/proc/{os.getppid()}/ns/net").readlink():
        raise ClusterError("refusing to play with the machine's own cluster")
    if state_dir() == DEFAULT_STATE:
        raise ClusterError("refusing to play in the machine's own state folder")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for place in ("/var/lib", "/var/log"):
        upper, work = tempfile.mkdtemp(), tempfile.mkdtemp()
        options = f"lowerdir={place},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, place], check=True)


def run_pods() -> None:
    """Run a deployment and a StatefulSet, so that there are shims, links, mounts and volumes."""
    kubectl = Kubectl(Layout.default().kubeconfig)
    kubectl.apply(*json.loads(WORKLOAD.read_text()))
    for name in ("deployment/web", "statefulset/db"):
        kubectl("rollout", "status", name, "--timeout=120s")


def alive(name: str) -> bool:
    """Tell whether the record knows a living program of this name."""
    return name in assembled.living()


def run_and_kill(verb: str, *, until: Callable[[], bool]) -> None:
    """Run a verb in a process of its own and kill that when a condition has come true."""
    script = f"from cluster import assembled; assembled.{verb}()"
    with subprocess.Popen([sys.executable, "-c", script]) as run:
        assert wait_until(until, seconds=120, pause=0.01)
        run.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
