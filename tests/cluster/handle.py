"""A running cluster as its users see it, whoever brought it up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl


def _cannot_load(archive: Path) -> list[str]:
    raise ClusterError(
        f"{archive} cannot be loaded into a cluster that was named by SERVICELAYER_KUBECONFIG: "
        "push the image to a registry which that cluster pulls from"
    )


@dataclass(frozen=True)
class Cluster:
    """How to reach a cluster.

    Attributes:
        kind: `named`, `kind` or `assembled`.
        kubeconfig: the administrator's kubeconfig.
        ingress_url: base URL of plain HTTP through the ingress controller; send the Host header.
        ingress_tls_url: the same for HTTPS; send the server name too.
        local_url: the same HTTP on this machine's 127.0.0.1, for browsers.
        ingress_address: the address that Ingress objects show in their status.
        audit_log: the API server's audit log, None where it cannot be read.
        load_image: imports an image archive, returns the image names.
        remarks: what users of this cluster should know.
    """

    kind: str
    kubeconfig: Path
    ingress_url: str = ""
    ingress_tls_url: str = ""
    local_url: str = ""
    ingress_address: str = ""
    audit_log: Path | None = None
    load_image: Callable[[Path], list[str]] = _cannot_load
    remarks: tuple[str, ...] = field(default=())

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator."""
        return Kubectl(self.kubeconfig)

    def describe(self) -> None:
        """Print what a person needs to use the cluster."""
        lines = [
            ("cluster", self.kind),
            ("kubeconfig", self.kubeconfig),
            ("ingress", self.ingress_url),
            ("ingress (TLS)", self.ingress_tls_url),
            ("ingress (local)", self.local_url),
            ("audit log", self.audit_log or ""),
            *(("note", remark) for remark in self.remarks),
        ]
        for name, value in lines:
            if value:
                print(f"{name:16} {value}")
