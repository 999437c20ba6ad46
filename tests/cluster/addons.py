"""The objects a bare API server lacks before an application can live on it. PURE: returns them.

Cluster DNS, a default storage class, the ingress classes. The Gateway API's types are files.
"""

from typing import Any

from cluster.layout import DNS_SERVICE, GATEWAY

STORAGE_CLASS = "standard"
PROVISIONER = "servicelayer.local/folder"


def cluster_objects(*, dns_port: int) -> list[dict[str, Any]]:
    """Return everything but the Gateway API, in the order in which it is applied."""
    return [_dns_service(), _dns_endpoints(dns_port), _storage_class(), _ingress_class()]


def gateway_class() -> dict[str, Any]:
    """Return the class under which Traefik serves Gateways."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "traefik"},
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    }


def _dns_service() -> dict[str, Any]:
    ports = [
        {"name": name, "port": 53, "protocol": protocol, "targetPort": 53}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
        },
        # No selector: CoreDNS runs on the host, where no pod label can find it.
        "spec": {"clusterIP": DNS_SERVICE, "clusterIPs": [DNS_SERVICE], "ports": ports},
    }


def _dns_endpoints(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-host",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "ports": [
            {"name": "dns", "port": port, "protocol": "UDP"},
            {"name": "dns-tcp", "port": port, "protocol": "TCP"},
        ],
        "endpoints": [{"addresses": [GATEWAY], "conditions": {"ready": True}}],
    }


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _ingress_class() -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }
