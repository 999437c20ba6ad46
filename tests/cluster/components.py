"""Command lines of the control plane's programs, shared by the full cluster and the light one.

PURE: settings in, words out. Nothing here starts a process or writes a file.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.certificates import KeyPair

SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"

# Mutating calls of everybody are kept; only the constant reading of the machinery is left out.
# "RequestReceived" would say everything twice.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    verbs: [get, list, watch]
    users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]
  - level: None
    nonResourceURLs: ["/readyz*", "/livez*", "/healthz*", "/version", "/openapi/*"]
  - level: Metadata
"""


@dataclass(frozen=True)
class ControlPlaneSettings:
    """What differs between one control plane and another."""

    folder: Path
    address: str
    etcd_port: int
    etcd_peer_port: int
    apiserver_port: int
    controller_manager_port: int
    authorization: str = "RBAC"
    kubelet_client: KeyPair | None = None

    @property
    def certificates(self) -> Path:
        """Folder of the authority and all certificates."""
        return self.folder / "pki"

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.apiserver_port}"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON object a line."""
        return self.folder / "audit.log"


def etcd_command(binary: Path, settings: ControlPlaneSettings) -> list[str]:
    """Return etcd on loopback, without fsync: test data need not survive the machine."""
    client = f"http://127.0.0.1:{settings.etcd_port}"
    peer = f"http://127.0.0.1:{settings.etcd_peer_port}"
    return [
        str(binary),
        "--name=default",
        f"--data-dir={settings.folder}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_command(binary: Path, settings: ControlPlaneSettings) -> list[str]:
    """Return the API server; the default admission plugins, Pod Security among them, stay on."""
    pki = settings.certificates
    command = [
        str(binary),
        f"--etcd-servers=http://127.0.0.1:{settings.etcd_port}",
        f"--bind-address={settings.address}",
        f"--advertise-address={settings.address}",
        f"--secure-port={settings.apiserver_port}",
        f"--cert-dir={pki}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        # Nothing is proxied, but other programs complain for ever when this is missing.
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--authorization-mode={settings.authorization}",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--audit-policy-file={settings.folder}/audit-policy.yaml",
        f"--audit-log-path={settings.audit_log}",
        "--audit-log-format=json",
        # One file: tests read it from a remembered place on.
        "--audit-log-maxsize=2000",
        "--profiling=false",
    ]
    if settings.kubelet_client is None:
        # Nobody routes to the service address here, and a lease would only expire noisily.
        return [*command, "--endpoint-reconciler-type=none"]
    return [
        *command,
        "--endpoint-reconciler-type=lease",
        f"--kubelet-client-certificate={settings.kubelet_client.certificate}",
        f"--kubelet-client-key={settings.kubelet_client.key}",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        # Otherwise `logs` and `exec` look the node's name up in DNS, and fail.
        "--kubelet-preferred-address-types=InternalIP",
    ]


def controller_manager_command(binary: Path, settings: ControlPlaneSettings) -> list[str]:
    """Return the controller manager: workloads, garbage collection, service accounts."""
    pki = settings.certificates
    kubeconfig = settings.folder / "controller-manager.kubeconfig"
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={settings.controller_manager_port}",
        f"--cert-dir={settings.folder}/controller-manager",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        # The default roles belong to one service account a controller, not to the whole program.
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--profiling=false",
    ]
