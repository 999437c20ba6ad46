"""A real Kubernetes of one node, assembled on this host from pinned sources.

Every part is the real program: containers run, services are balanced, names resolve, the ingress
controller routes. Two things are not as in production, and `status` says so: NetworkPolicies are
accepted and not enforced, and Service type LoadBalancer gets no address.

Invariant: `up` may be called at any time. It starts what does not run, restarts what has changed,
and cleans first when it finds remains without a living cluster.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster import leftovers, network
from cluster.addons import cluster_objects, gateway_class
from cluster.certificates import KeyPair
from cluster.components import ControlPlaneSettings
from cluster.daemons import Daemon, all_daemons
from cluster.errors import ClusterError
from cluster.families import ASSEMBLED
from cluster.handle import Cluster
from cluster.host import (
    INOTIFY_INSTANCES,
    ensure_packages,
    make_cgroups,
    read_sysctl,
    read_sysctls,
    write_sysctl,
)
from cluster.installation import choose_ports, write_files
from cluster.kubeconfig import client_context
from cluster.kubectl import Kubectl
from cluster.layout import GATEWAY, NODE, Layout
from cluster.node_images import import_archive, import_own_images
from cluster.paths import MARKER
from cluster.probes import wait_ready
from cluster.processes import ProcessRecord, kill_pids, spawn, stop
from cluster.progress import say, timed, wait_until
from cluster.state import Before, State, load, remember
from cluster.toolchain import ensure_all

PACKAGES = (
    "containernetworking-plugins",
    "conntrack",
    "iproute2",
    "nftables",
    "openssl",
    "procps",
    "util-linux",
)
REMARKS = (
    "NetworkPolicies are accepted but not enforced",
    "Services of type LoadBalancer and hostPort get no address",
)
_READY_SECONDS = 90
_ANSWER_SECONDS = 15


@dataclass
class _Run:
    """One `up` under way."""

    layout: Layout
    state: State
    binaries: Mapping[str, Path]
    cgroup: Path | None
    started: int = 0

    def save(self) -> None:
        self.state.save(self.layout.root)


def up() -> Cluster:
    """Bring the cluster up, or confirm that it is; the caller holds the machine's lock."""
    if os.geteuid() != 0:
        raise ClusterError("assembling a cluster needs root: containers, links, control groups")
    begun = time.monotonic()
    layout = Layout.default()
    ensure_packages(PACKAGES)
    binaries = ensure_all(ASSEMBLED)
    _clean_remains(layout)
    remember(layout.root, Before(read_sysctls(), leftovers.absent_places()))
    state = load(layout.root) or State()
    state.save(layout.root)
    run = _Run(layout, state, binaries, make_cgroups())
    _prepare_network(run)
    settings, admin = write_files(layout, state, binaries["runc"])
    run.save()
    _start_all(run, settings, admin)
    _wait_usable(run)
    _report(run, time.monotonic() - begun)
    return describe(layout, state)


def _clean_remains(layout: Layout) -> None:
    """Remove what a crash, a reboot or a lost record left, unless part of a cluster lives."""
    state = load(layout.root)
    alive = [r for r in state.processes.values() if r.alive()] if state else []
    if not alive or (state and state.removing):
        found = leftovers.find()
        if found:
            say(f"cleaning what an earlier run left ({len(found)} things)")
            leftovers.remove_all()
            if left := leftovers.find():
                raise ClusterError("cannot be removed:\n  " + "\n  ".join(left))
        return
    known = {r.pid for r in alive}
    names = {"etcd", "kube-apiserver", "kube-controller", "kube-scheduler", "containerd"}
    names |= {"kubelet", "kube-proxy", "coredns", "traefik"}
    kill_pids(leftovers.strays(known, names))


def _prepare_network(run: _Run) -> None:
    network.make_bridge()
    write_sysctl("net/ipv4/ip_forward", "1")
    if int(read_sysctl("fs/inotify/max_user_instances") or 0) < INOTIFY_INSTANCES:
        # The usual 128 are used up by a few dozen pods that watch files.
        write_sysctl("fs/inotify/max_user_instances", str(INOTIFY_INSTANCES))
    choose_ports(run.state)
    ports = run.state.ports
    network.make_table(
        {
            ports["local-http"]: ports["ingress-http"],
            ports["local-https"]: ports["ingress-https"],
        }
    )


def _start_all(run: _Run, settings: ControlPlaneSettings, admin: KeyPair) -> None:
    context = client_context(run.layout.pki / "ca.crt", admin)
    daemons = all_daemons(run.layout, settings, run.state.ports, run.binaries, context)
    for phase in sorted({daemon.phase for daemon in daemons}):
        if phase == 4:
            # Pods need the pause image, and Traefik gives up on types that are not there.
            import_own_images(run.layout)
            _apply_addons(run)
        begun = [
            (daemon, record, time.monotonic())
            for daemon in daemons
            if daemon.phase == phase and (record := _start(run, daemon)) is not None
        ]
        for daemon, record, since in begun:
            wait_ready(record, daemon.ready, seconds=_READY_SECONDS)
            say(f"{daemon.name} started in {time.monotonic() - since:.1f} s")


def _start(run: _Run, daemon: Daemon) -> ProcessRecord | None:
    """Start one program unless it runs as it should; return its record when it was started."""
    digest = _digest(daemon)
    known = run.state.processes.get(daemon.name)
    if known is not None and known.alive():
        unchanged = run.state.digests.get(daemon.name) == digest
        # It may still be starting, or ending: a run may have been killed at any point.
        if unchanged and wait_until(daemon.ready, seconds=_ANSWER_SECONDS):
            return None
        reason = "does not answer" if unchanged else "has changed"
        say(f"{daemon.name} {reason}, restarting it")
        stop([known])
    elif known is not None:
        say(f"{daemon.name} had died, starting it again (its log: {known.log})")
    if daemon.name == "containerd":
        # The file of a dead one would look like an answer.
        run.layout.containerd_socket.unlink(missing_ok=True)
    record = spawn(
        daemon.name,
        daemon.command,
        log=run.layout.logs / f"{daemon.name}.log",
        env={**daemon.env, MARKER: str(run.layout.root)},
        cgroup=run.cgroup,
    )
    run.started += 1
    run.state.processes[daemon.name] = record
    run.state.digests[daemon.name] = digest
    run.save()
    return record


def _digest(daemon: Daemon) -> str:
    digest = hashlib.sha256("\0".join(daemon.command).encode())
    for path in daemon.config:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _apply_addons(run: _Run) -> None:
    kubectl = Kubectl(run.layout.kubeconfig)
    types = run.binaries["gateway-api"] / "standard"
    objects = cluster_objects(dns_port=run.state.ports["dns"])
    digest = hashlib.sha256(f"{types}{objects}{gateway_class()}".encode()).hexdigest()[:16]
    if run.state.digests.get("addons") == digest and not run.started:
        return
    with timed("cluster objects applied"):
        kubectl.apply(*objects, manager="servicelayer-cluster")
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(types))
        kubectl.wait_established()
        kubectl.apply(gateway_class(), manager="servicelayer-cluster")
    run.state.digests["addons"] = digest
    run.save()


def _wait_usable(run: _Run) -> None:
    if not run.started:
        return
    kubectl = Kubectl(run.layout.kubeconfig)
    with timed(f"node {NODE} ready"):
        if not wait_until(lambda: _node_ready(kubectl), seconds=_READY_SECONDS, pause=0.5):
            raise ClusterError(f"node {NODE} does not become ready; see {run.layout.logs}")


def _node_ready(kubectl: Kubectl) -> bool:
    path = '{.status.conditions[?(@.type=="Ready")].status}{.spec.taints}'
    return kubectl("get", "node", NODE, "-o", f"jsonpath={path}", check=False).stdout == "True"


def _report(run: _Run, seconds: float) -> None:
    total = len(run.state.processes)
    if run.started:
        say(f"cluster up: {run.started} of {total} programs started, {seconds:.1f} s in all")
    else:
        say(f"cluster already up: {total} programs running, checked in {seconds:.1f} s")


def describe(layout: Layout, state: State) -> Cluster:
    """Return the handle of the cluster that a record tells of."""
    ports = state.ports
    return Cluster(
        kind="assembled",
        kubeconfig=layout.kubeconfig,
        ingress_url=_url("http", GATEWAY, ports["ingress-http"]),
        ingress_tls_url=_url("https", GATEWAY, ports["ingress-https"]),
        local_url=_url("http", "127.0.0.1", ports["local-http"]),
        ingress_address=GATEWAY,
        audit_log=layout.root / "audit.log",
        load_image=lambda archive: import_archive(layout, archive),
        remarks=REMARKS,
    )


def _url(scheme: str, host: str, port: int) -> str:
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}" if port == usual else f"{scheme}://{host}:{port}"


def current() -> Cluster | None:
    """Return the handle of the assembled cluster when one is recorded and its API server lives."""
    layout = Layout.default()
    state = load(layout.root)
    if state is None:
        return None
    server = state.processes.get("kube-apiserver")
    return describe(layout, state) if server is not None and server.alive() else None


def living() -> set[str]:
    """Return the names of the recorded programs that run."""
    state = load(Layout.default().root)
    return {name for name, r in state.processes.items() if r.alive()} if state else set()


def report_processes() -> bool:
    """Print what runs and what has died; True when all runs."""
    state = load(Layout.default().root)
    records = state.processes.values() if state else ()
    for record in records:
        print(f"{record.name:24} {'running' if record.alive() else 'DEAD':8} {record.log}")
    return bool(records) and all(record.alive() for record in records)


def down() -> None:
    """Remove the cluster and all its traces; raises when something cannot be removed."""
    found = leftovers.find()
    if not found:
        say("no assembled cluster on this machine, nothing to remove")
        return
    root = Layout.default().root
    if (state := load(root)) is not None:
        # When this run is killed, the next `up` must not build on what is half gone.
        state.removing = True
        state.save(root)
    with timed(f"cluster removed ({len(found)} things)", doing="taking the cluster down"):
        leftovers.remove_all()
    if left := leftovers.find():
        raise ClusterError("left behind, run it again:\n  " + "\n  ".join(left))
