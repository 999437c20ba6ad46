"""Names, addresses and paths of the assembled cluster; every room of the harness asks here.

Whatever the cluster leaves on the machine carries one of these names, which is how `down` tells
its own from other people's.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.paths import state_dir

NODE = "servicelayer-node"
BRIDGE = "slcni0"
NETWORK = "servicelayer"
NFT_TABLE = "servicelayer_cluster"
# kube-proxy fixes the names of its own tables.
KUBE_PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
GATEWAY = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
DNS_SERVICE = "10.96.0.10"
DNS_DOMAIN = "cluster.local"
PAUSE_IMAGE = "servicelayer.local/pause:1"
PROBE_IMAGE = "servicelayer.local/probe:1"
CNI_PLUGINS = Path("/usr/lib/cni")


@dataclass(frozen=True)
class Layout:
    """The state folder and what lies in it."""

    root: Path

    @classmethod
    def default(cls) -> "Layout":
        """Return the layout of this machine's one assembled cluster."""
        return cls(state_dir())

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "admin.kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One log file a program."""
        return self.root / "logs"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd and its CRI plugin listen."""
        return self.root / "containerd.sock"

    @property
    def volumes(self) -> Path:
        """Folders behind the persistent volumes."""
        return self.root / "volumes"

    def kubeconfig_of(self, name: str) -> Path:
        """Return the kubeconfig of one of the cluster's own programs."""
        return self.root / f"{name}.kubeconfig"
