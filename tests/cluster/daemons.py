"""Every program of the assembled cluster: its command line and how one sees that it answers.

PURE, but for the questions, which are asked later.
"""

import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.components import (
    ControlPlaneSettings,
    apiserver_command,
    controller_manager_command,
    etcd_command,
)
from cluster.layout import GATEWAY, NODE, Layout
from cluster.probes import http_ok, tcp_open


@dataclass(frozen=True)
class Daemon:
    """One program; those of one `phase` start together, when all of the phase before answer."""

    name: str
    phase: int
    command: list[str]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    # Their content belongs to the program's identity: a changed file restarts it.
    config: tuple[Path, ...] = ()


def all_daemons(
    layout: Layout,
    settings: ControlPlaneSettings,
    ports: Mapping[str, int],
    binaries: Mapping[str, Path],
    admin: ssl.SSLContext,
) -> list[Daemon]:
    """Return the programs of the cluster in the order of their start."""
    return [
        *_control_plane(layout, settings, ports, binaries["kubernetes"], binaries["etcd"], admin),
        *_node(layout, ports, binaries),
        *_services(layout, ports, binaries),
    ]


def _control_plane(
    layout: Layout,
    settings: ControlPlaneSettings,
    ports: Mapping[str, int],
    kubernetes: Path,
    etcd: Path,
    admin: ssl.SSLContext,
) -> list[Daemon]:
    scheduler = layout.kubeconfig_of("kube-scheduler")
    return [
        Daemon(
            "etcd",
            1,
            etcd_command(etcd / "etcd", settings),
            lambda: http_ok(f"http://127.0.0.1:{settings.etcd_port}/health"),
        ),
        Daemon(
            "kube-apiserver",
            2,
            apiserver_command(kubernetes / "kube-apiserver", settings),
            lambda: http_ok(f"{settings.server}/readyz", admin),
            config=(layout.root / "audit-policy.yaml",),
        ),
        Daemon(
            "kube-controller-manager",
            3,
            controller_manager_command(kubernetes / "kube-controller-manager", settings),
            lambda: tcp_open("127.0.0.1", settings.controller_manager_port),
        ),
        Daemon(
            "kube-scheduler",
            3,
            [
                str(kubernetes / "kube-scheduler"),
                f"--kubeconfig={scheduler}",
                f"--authentication-kubeconfig={scheduler}",
                f"--authorization-kubeconfig={scheduler}",
                "--bind-address=127.0.0.1",
                f"--secure-port={ports['kube-scheduler']}",
                f"--cert-dir={layout.root}/scheduler",
                "--leader-elect=false",
            ],
            lambda: tcp_open("127.0.0.1", ports["kube-scheduler"]),
        ),
    ]


def _node(layout: Layout, ports: Mapping[str, int], binaries: Mapping[str, Path]) -> list[Daemon]:
    root = layout.root
    # containerd looks for its shim and runc beside itself and on PATH only.
    path = f"{binaries['containerd']}:{binaries['runc']}:/usr/sbin:/usr/bin:/sbin:/bin"
    return [
        Daemon(
            "containerd",
            3,
            [str(binaries["containerd"] / "containerd"), f"--config={root}/containerd.toml"],
            layout.containerd_socket.is_socket,
            env={"PATH": path},
            config=(root / "containerd.toml", root / "cni" / "10-servicelayer.conflist"),
        ),
        Daemon(
            "kubelet",
            4,
            [
                str(binaries["kubernetes"] / "kubelet"),
                f"--config={root}/kubelet.yaml",
                f"--kubeconfig={layout.kubeconfig_of('kubelet')}",
                f"--root-dir={root}/kubelet",
                f"--cert-dir={root}/kubelet/pki",
                f"--hostname-override={NODE}",
                f"--node-ip={GATEWAY}",
            ],
            lambda: http_ok(f"http://127.0.0.1:{ports['kubelet-health']}/healthz"),
            config=(root / "kubelet.yaml",),
        ),
        Daemon(
            "kube-proxy",
            4,
            [str(binaries["kubernetes"] / "kube-proxy"), f"--config={root}/kube-proxy.yaml"],
            lambda: http_ok(f"http://127.0.0.1:{ports['kube-proxy-health']}/livez"),
            config=(root / "kube-proxy.yaml",),
        ),
    ]


def _services(
    layout: Layout, ports: Mapping[str, int], binaries: Mapping[str, Path]
) -> list[Daemon]:
    root = layout.root
    here = Path(__file__).resolve().parent
    # Not the virtual environment's name for it: that goes with a checkout, the cluster stays.
    python = str(Path(sys.executable).resolve())
    return [
        Daemon(
            "coredns",
            4,
            [str(binaries["coredns"] / "coredns"), f"-conf={root}/Corefile"],
            lambda: http_ok(f"http://127.0.0.1:{ports['coredns-ready']}/ready"),
            config=(root / "Corefile",),
        ),
        Daemon(
            "traefik",
            4,
            [str(binaries["traefik"] / "traefik"), f"--configfile={root}/traefik.yml"],
            lambda: http_ok(f"http://127.0.0.1:{ports['traefik-ping']}/ping"),
            env={"KUBECONFIG": str(layout.kubeconfig_of("traefik"))},
            config=(root / "traefik.yml",),
        ),
        Daemon(
            "provisioner",
            4,
            [python, "-m", "cluster", "provisioner", str(root)],
            lambda: (layout.logs / "provisioner.log").stat().st_size > 0,
            env={"PYTHONPATH": str(here.parent), "PYTHONUNBUFFERED": "1"},
            config=(here / "provisioner.py",),
        ),
    ]
