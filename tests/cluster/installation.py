"""Chooses the cluster's ports and writes the files its programs read.

Ports are chosen once and kept in the record; files are written at every `up`, and a program whose
file came out differently is restarted.
"""

from pathlib import Path

from cluster import node_files
from cluster.bootstrap import prepare
from cluster.certificates import KeyPair, issue
from cluster.components import ControlPlaneSettings
from cluster.host import read_sysctl
from cluster.kubeconfig import write_kubeconfig
from cluster.layout import GATEWAY, NODE, Layout
from cluster.probes import choose_port
from cluster.state import State

_LOOPBACK = "127.0.0.1"
# name: (address, wanted ports); any free one when those are taken.
_PORTS = {
    "etcd": (_LOOPBACK, (12379,)),
    "etcd-peer": (_LOOPBACK, (12380,)),
    "kube-apiserver": (GATEWAY, (16443,)),
    "kube-controller-manager": (_LOOPBACK, (10257,)),
    "kube-scheduler": (_LOOPBACK, (10259,)),
    "kubelet": (GATEWAY, (10250,)),
    "kubelet-health": (_LOOPBACK, (10248,)),
    "kube-proxy-health": (_LOOPBACK, (10256,)),
    "kube-proxy-metrics": (_LOOPBACK, (10249,)),
    "dns": (GATEWAY, (53, 10053)),
    "coredns-ready": (_LOOPBACK, (18181,)),
    "traefik-ping": (_LOOPBACK, (18082,)),
    "ingress-http": (GATEWAY, (80, 18080)),
    "ingress-https": (GATEWAY, (443, 18443)),
    "local-http": (_LOOPBACK, (18080, 18088)),
    "local-https": (_LOOPBACK, (18443, 18448)),
}

# The programs of ours that are not core Kubernetes act as administrators: this is a test cluster,
# and a name of their own is what tells them apart in the audit log.
_CLIENTS = {
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kube-proxy": ("system:kube-proxy", ()),
    "kubelet": (f"system:node:{NODE}", ("system:nodes",)),
    "coredns": ("servicelayer:coredns", ("system:masters",)),
    "traefik": ("servicelayer:traefik", ("system:masters",)),
    "provisioner": ("servicelayer:provisioner", ("system:masters",)),
    "kubelet-client": ("servicelayer:kube-apiserver", ("system:masters",)),
}


def choose_ports(state: State) -> None:
    """Choose a port for everything that has none yet."""
    for name, (address, wanted) in _PORTS.items():
        if name not in state.ports:
            state.ports[name] = choose_port(address, *wanted)


def write_files(layout: Layout, state: State, runc: Path) -> tuple[ControlPlaneSettings, KeyPair]:
    """Write every file; return the control plane's settings and the administrator's certificate."""
    ports = state.ports
    settings = ControlPlaneSettings(
        folder=layout.root,
        address=GATEWAY,
        etcd_port=ports["etcd"],
        etcd_peer_port=ports["etcd-peer"],
        apiserver_port=ports["kube-apiserver"],
        controller_manager_port=ports["kube-controller-manager"],
        authorization="Node,RBAC",
        kubelet_client=KeyPair(
            layout.pki / "kubelet-client.crt", layout.pki / "kubelet-client.key"
        ),
    )
    admin = prepare(settings)
    authority = KeyPair(layout.pki / "ca.crt", layout.pki / "ca.key")
    for name, (user, groups) in _CLIENTS.items():
        hosts = (f"DNS:{NODE}", f"IP:{GATEWAY}") if name == "kubelet" else ()
        client = issue(layout.pki, name, authority=authority, user=user, groups=groups, hosts=hosts)
        write_kubeconfig(
            layout.kubeconfig_of(name),
            server=settings.server,
            authority=authority.certificate,
            client=client,
        )
    _write_node_files(layout, ports, runc)
    return settings, admin


def _write_node_files(layout: Layout, ports: dict[str, int], runc: Path) -> None:
    resolv_conf = _resolv_conf()
    files = {
        "containerd.toml": node_files.containerd_config(layout, runc / "runc"),
        "cni/10-servicelayer.conflist": node_files.cni_config(layout),
        "kubelet.yaml": node_files.kubelet_config(
            layout,
            port=ports["kubelet"],
            health_port=ports["kubelet-health"],
            resolv_conf=resolv_conf or "",
        ),
        "kube-proxy.yaml": node_files.kube_proxy_config(
            layout,
            health_port=ports["kube-proxy-health"],
            metrics_port=ports["kube-proxy-metrics"],
            masquerade_all=read_sysctl("net/bridge/bridge-nf-call-iptables") != "1",
        ),
        "Corefile": node_files.corefile(
            layout,
            port=ports["dns"],
            ready_port=ports["coredns-ready"],
            resolv_conf=resolv_conf,
        ),
        "traefik.yml": node_files.traefik_config(
            http_port=ports["ingress-http"],
            https_port=ports["ingress-https"],
            ping_port=ports["traefik-ping"],
        ),
    }
    for name, text in files.items():
        path = layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # kube-proxy ends itself when its file is written, even with the same content.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _resolv_conf() -> str | None:
    """Return the host's resolver file when it names a server."""
    path = Path("/etc/resolv.conf")
    named = path.exists() and any(
        line.split()[:1] == ["nameserver"] for line in path.read_text().splitlines()
    )
    return str(path) if named else None
