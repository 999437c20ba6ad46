"""kind, where a Docker engine answers: one node, Traefik inside it on host ports.

Written from kind's and Traefik's documentation and not run on the machines this project is
developed on, which have no Docker engine. The node image and Traefik's must be pullable.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from cluster.addons import gateway_class
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.kubectl import Kubectl
from cluster.paths import cache_dir
from cluster.progress import timed
from cluster.toolchain import ensure, program

NAME = "servicelayer"
NODE_IMAGE = "kindest/node:v1.36.3"
TRAEFIK_IMAGE = "traefik:v3.7.15"
HTTP_PORT, HTTPS_PORT = 18080, 18443


def up() -> Cluster:
    """Make the kind cluster, or confirm that it is there; deploy the ingress controller."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    if NAME not in _kind("get", "clusters").split():
        config = folder / "kind.yaml"
        config.write_text(json.dumps(_config()))
        with timed("kind cluster made", doing="making a kind cluster"):
            _kind(
                *("create", "cluster", f"--name={NAME}", f"--image={NODE_IMAGE}"),
                *(f"--config={config}", f"--kubeconfig={folder / 'kubeconfig'}", "--wait=120s"),
            )
    cluster = _describe()
    with timed("ingress controller ready"):
        _deploy_ingress(cluster.kubectl)
    return cluster


def current() -> Cluster | None:
    """Return the kind cluster when it exists."""
    return _describe() if (_folder() / "kubeconfig").exists() else None


def down() -> None:
    """Delete the kind cluster when it exists."""
    if (_folder() / "kubeconfig").exists():
        with timed("kind cluster deleted"):
            _kind("delete", "cluster", f"--name={NAME}")
            (_folder() / "kubeconfig").unlink(missing_ok=True)


def _folder() -> Path:
    return cache_dir().parent / "kind"


def _kind(*arguments: str) -> str:
    done = subprocess.run(
        [program("kind"), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ClusterError(f"kind {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def _describe() -> Cluster:
    return Cluster(
        kind="kind",
        kubeconfig=_folder() / "kubeconfig",
        ingress_url=f"http://127.0.0.1:{HTTP_PORT}",
        ingress_tls_url=f"https://127.0.0.1:{HTTPS_PORT}",
        local_url=f"http://127.0.0.1:{HTTP_PORT}",
        ingress_address="127.0.0.1",
        load_image=_load,
        remarks=("the audit log is not collected on kind",),
    )


def _load(archive: Path) -> list[str]:
    _kind("load", "image-archive", str(archive), f"--name={NAME}")
    return [str(archive)]


def _config() -> dict[str, Any]:
    ports = [
        {"containerPort": inside, "hostPort": outside, "listenAddress": "127.0.0.1"}
        for inside, outside in ((80, HTTP_PORT), (443, HTTPS_PORT))
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraPortMappings": ports}],
    }


def _deploy_ingress(kubectl: Kubectl) -> None:
    types = ensure("gateway-api") / "standard"
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(types))
    kubectl.wait_established()
    kubectl.apply(*_ingress_objects(), gateway_class(), manager="servicelayer-cluster")
    kubectl("-n", "traefik", "rollout", "status", "daemonset/traefik", "--timeout=180s")


def _traefik() -> dict[str, Any]:
    arguments = [
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--entrypoints.web.address=:80",
        "--entrypoints.websecure.address=:443",
        "--ping=true",
        "--providers.kubernetesingressnginx=true",
        "--providers.kubernetesingressnginx.httpentrypoint=web",
        "--providers.kubernetesingressnginx.httpsentrypoint=websecure",
        "--providers.kubernetesingressnginx.publishstatusaddress=127.0.0.1",
        "--providers.kubernetesgateway=true",
        "--providers.kubernetesgateway.statusaddress.ip=127.0.0.1",
    ]
    return {
        "name": "traefik",
        "image": TRAEFIK_IMAGE,
        "args": arguments,
        "ports": [{"containerPort": port, "hostPort": port} for port in (80, 443)],
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}},
    }


def _ingress_objects() -> list[dict[str, Any]]:
    labels = {"app.kubernetes.io/name": "traefik"}
    account = {"kind": "ServiceAccount", "name": "traefik", "namespace": "traefik"}
    # A test cluster: the controller may do everything, as the assembled one's may.
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "traefik"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _in_namespace()},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "traefik"},
            "roleRef": role,
            "subjects": [account],
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "nginx"},
            "spec": {"controller": "k8s.io/ingress-nginx"},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": _in_namespace(),
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": "traefik",
                        "tolerations": [{"operator": "Exists"}],
                        "containers": [_traefik()],
                    },
                },
            },
        },
    ]


def _in_namespace() -> dict[str, str]:
    return {"name": "traefik", "namespace": "traefik"}
