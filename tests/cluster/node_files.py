"""The configuration files of the node's programs. PURE: settings in, text out.

JSON stands where YAML is read: it is YAML, and needs no library to be written.
"""

import json
from pathlib import Path
from typing import Any

from cluster.layout import (
    BRIDGE,
    CNI_PLUGINS,
    DNS_DOMAIN,
    DNS_SERVICE,
    GATEWAY,
    NETWORK,
    NODE,
    PAUSE_IMAGE,
    POD_RANGE,
    Layout,
)
from cluster.paths import cgroup_name


def containerd_config(layout: Layout, runc: Path) -> str:
    """Return containerd's configuration; every path of it lies in the state folder."""
    root = layout.root
    return f"""\
version = 4
root = "{root}/containerd"
state = "{root}/run"
imports = []
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.server.v1.grpc"]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.server.v1.ttrpc"]
  address = "{layout.containerd_socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.shim.v1.manager"]
  # Otherwise the shims' sockets lie under /run/containerd, among those of other people.
  socket_dir = "{root}/s"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.image-verifier.v1.bindir"]
  bin_dir = "{root}/opt/image-verifier"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE a score below our own is refused, and with it every sandbox.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  cdi_spec_dirs = []
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{CNI_PLUGINS}"]
  conf_dir = "{root}/cni"
  use_internal_loopback = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  Root = "{root}/run/runc"
  SystemdCgroup = false
"""


def cni_config(layout: Layout) -> str:
    """Return the pods' network: one bridge, addresses handed out by the node.

    Masquerading is done by our own nftables table, so that no iptables rule is left anywhere.
    """
    bridge: dict[str, Any] = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{layout.root}/cni-addresses",
            "ranges": [[{"subnet": POD_RANGE, "gateway": GATEWAY}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return _json({"cniVersion": "1.0.0", "name": NETWORK, "plugins": [bridge]})


def kubelet_config(layout: Layout, *, port: int, health_port: int, resolv_conf: str) -> str:
    """Return the kubelet's configuration, for cgroup v1 and v2 alike."""
    pki = layout.pki
    return _json(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": GATEWAY,
            "port": port,
            "healthzBindAddress": "127.0.0.1",
            "healthzPort": health_port,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/kubelet.crt",
            "tlsPrivateKeyFile": f"{pki}/kubelet.key",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup_name()}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            # A test machine's full disk or memory is not the tests' business.
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": "1%",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": DNS_DOMAIN,
            "resolvConf": resolv_conf,
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "podLogsDir": f"{layout.root}/pod-logs",
            "volumePluginDir": f"{layout.root}/volume-plugins",
            # Its iptables chains would stay behind; kube-proxy runs on nftables and needs none.
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "logging": {"verbosity": 1},
        }
    )


def kube_proxy_config(
    layout: Layout, *, health_port: int, metrics_port: int, masquerade_all: bool
) -> str:
    """Return kube-proxy's configuration.

    Args:
        layout: the state folder.
        health_port: where its health page listens, on loopback.
        metrics_port: where its metrics listen, on loopback.
        masquerade_all: needed where bridged packets do not pass the host's connection tracking:
            there the answer of a neighbouring pod would come straight, under a wrong address.
    """
    return _json(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(layout.kubeconfig_of("kube-proxy"))},
            "hostnameOverride": NODE,
            "clusterCIDR": POD_RANGE,
            "mode": "nftables",
            "nftables": {"masqueradeAll": masquerade_all, "minSyncPeriod": "100ms"},
            # Zero leaves the kernel's connection tracking as it is.
            "conntrack": {
                "maxPerCore": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
            "healthzBindAddress": f"127.0.0.1:{health_port}",
            "metricsBindAddress": f"127.0.0.1:{metrics_port}",
            "oomScoreAdj": 0,
        }
    )


def corefile(layout: Layout, *, port: int, ready_port: int, resolv_conf: str | None) -> str:
    """Return CoreDNS's configuration; names outside are passed on when the host can resolve any."""
    forward = f"  forward . {resolv_conf}\n" if resolv_conf else ""
    return f"""\
.:{port} {{
  bind {GATEWAY}
  errors
  ready 127.0.0.1:{ready_port}
  kubernetes {DNS_DOMAIN} in-addr.arpa ip6.arpa {{
    kubeconfig {layout.kubeconfig_of("coredns")}
    pods insecure
    ttl 5
  }}
{forward}  cache 5
}}
"""


def traefik_config(*, http_port: int, https_port: int, ping_port: int) -> str:
    """Return Traefik's static configuration: Ingress class nginx, and the Gateway API."""
    return _json(
        {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "INFO"},
            "ping": {"entryPoint": "ping"},
            "entryPoints": {
                "ping": {"address": f"127.0.0.1:{ping_port}"},
                "web": {"address": f"{GATEWAY}:{http_port}"},
                "websecure": {"address": f"{GATEWAY}:{https_port}"},
            },
            "providers": {
                "kubernetesIngressNGINX": {
                    "httpEntryPoint": "web",
                    "httpsEntryPoint": "websecure",
                    "publishStatusAddress": GATEWAY,
                },
                "kubernetesGateway": {"statusAddress": {"ip": GATEWAY}},
            },
        }
    )


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
