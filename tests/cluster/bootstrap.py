"""Writes what the control plane reads at its start: certificates, kubeconfigs, audit policy.

Everything is kept when it is there already, so a second start has the same identities.
"""

from cluster.certificates import KeyPair, issue, make_authority, make_signing_key
from cluster.components import AUDIT_POLICY, KUBERNETES_SERVICE, ControlPlaneSettings
from cluster.kubeconfig import write_kubeconfig

ADMIN = "admin"


def prepare(settings: ControlPlaneSettings) -> KeyPair:
    """Write all files of a control plane; return the administrator's certificate."""
    pki = settings.certificates
    pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = make_authority(pki)
    make_signing_key(pki)
    issue(
        pki,
        "apiserver",
        authority=authority,
        user="kube-apiserver",
        hosts=(
            "DNS:localhost",
            "DNS:kubernetes",
            "DNS:kubernetes.default",
            "DNS:kubernetes.default.svc",
            "DNS:kubernetes.default.svc.cluster.local",
            "IP:127.0.0.1",
            f"IP:{KUBERNETES_SERVICE}",
            f"IP:{settings.address}",
        ),
    )
    manager = issue(
        pki, "controller-manager", authority=authority, user="system:kube-controller-manager"
    )
    admin = issue(pki, ADMIN, authority=authority, user=ADMIN, groups=("system:masters",))
    for name, client in (("controller-manager", manager), (ADMIN, admin)):
        write_kubeconfig(
            settings.folder / f"{name}.kubeconfig",
            server=settings.server,
            authority=authority.certificate,
            client=client,
        )
    (settings.folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
    return admin
