"""The API's address outside the cluster: host, TLS, and annotations for the Ingress controller.

The invariant: our annotations win over the user's, and an annotation that could inject a proxy's
configuration reaches the object only where the user has put it among the unsafe ones.
"""

import math
from typing import Any, Final

from servicelayer_operator.manifests.labels import API, PREFIX
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.resource import ExposeSpec, ServiceLayer
from servicelayer_operator.spec_rules import is_listed

_NGINX: Final = "nginx.ingress.kubernetes.io/"
_KEEPS_LIMITS: Final = frozenset({"nginx"})


def build_ingress(resource: ServiceLayer, version: str) -> dict[str, Any] | None:
    """Build the Ingress; None unless `spec.expose.mode` asks for one."""
    expose = resource.spec.expose
    if expose.mode != "Ingress" or expose.host is None:
        return None
    name = resource.metadata.name
    backend = {"service": {"name": name, "port": {"number": 80}}}
    spec: dict[str, Any] = {
        "ingressClassName": expose.ingress.class_name,
        "rules": [
            {
                "host": expose.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ],
    }
    if expose.tls is not None:
        spec["tls"] = [{"hosts": [expose.host], "secretName": names_of(resource).tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(resource, name, API, version, _annotations(expose)),
        "spec": spec,
    }


def is_rate_limited_by_ingress(expose: ExposeSpec) -> bool:
    """Tell whether the class is one whose controller keeps the limit that we write for it."""
    return expose.rate_limit is not None and expose.ingress.class_name in _KEEPS_LIMITS


def _annotations(expose: ExposeSpec) -> dict[str, str]:
    listed = {k: v for k, v in expose.ingress.annotations.items() if is_listed(k)}
    unsafe = expose.ingress.unsafe_annotations
    given = {k: v for k, v in {**listed, **unsafe}.items() if not k.startswith(PREFIX)}
    return {**given, **_tls(expose), **_rate_limit(expose)}


def _tls(expose: ExposeSpec) -> dict[str, str]:
    if expose.tls is None:
        return {}
    annotations = {f"{_NGINX}ssl-redirect": "true"}
    issuer = expose.tls.issuer_ref
    if issuer is not None:
        kind = "cluster-issuer" if issuer.kind == "ClusterIssuer" else "issuer"
        annotations[f"cert-manager.io/{kind}"] = issuer.name
    return annotations


def _rate_limit(expose: ExposeSpec) -> dict[str, str]:
    limit = expose.rate_limit
    if limit is None or not is_rate_limited_by_ingress(expose):
        return {}
    annotations = {f"{_NGINX}limit-rps": str(limit.requests_per_second)}
    if limit.burst is not None:
        multiplier = max(1, math.ceil(limit.burst / limit.requests_per_second))
        annotations[f"{_NGINX}limit-burst-multiplier"] = str(multiplier)
    return annotations
