"""Specs that must be taken, one for each thing that a user may say."""

from __future__ import annotations

from typing import Any

from support.specs import KEYREF, MINIMAL, ZONE, egress, ingress, minimal, pod

DIGEST = "sha256:" + "0" * 64

GOOD_SPECS: dict[str, dict[str, Any]] = {
    "the smallest": MINIMAL,
    "a database of one's own": {"database": {"secretRef": {"name": "dsn", "key": "uri"}}},
    "an image by tag": minimal(image={"repository": "localhost:5000/team/api", "tag": "1.0"}),
    "an image by digest": minimal(
        image={"repository": "registry.example.com/api", "digest": DIGEST}
    ),
    "another tag of the default image": minimal(image={"tag": "1.2.3"}),
    "amounts as numbers": minimal(api={"resources": {"requests": {"cpu": 1, "memory": "1.5Gi"}}}),
    "a toleration of everything": pod(tolerations=[{"operator": "Exists"}]),
    "a strict spread": pod(
        topologySpreadConstraints=[
            {"topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2}
        ]
    ),
    "pods kept apart": pod(
        affinity={
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "db"}}}
                ]
            }
        }
    ),
    "variables": minimal(
        api={
            "extraEnv": [
                {"name": "NEO_RPC_URL", "value": ""},
                {"name": "GASBANK_RESOLVER_KEY", "valueFrom": {"secretKeyRef": KEYREF}},
            ]
        }
    ),
    "existing secrets": minimal(secrets={"mode": "Existing", "existing": {"name": "keys"}}),
    "a host kept while not exposed": minimal(expose={"mode": "None", "host": "api.example.com"}),
    "HTTPS by an issuer": ingress(tls={"issuerRef": {"name": "ca", "kind": "Issuer"}}),
    "HTTPS by a certificate": ingress(tls={"secretName": "api-tls"}),
    "a rate limit": ingress(rateLimit={"requestsPerSecond": 10, "burst": 10}),
    "annotations of the controller": ingress(
        ingress={
            "annotations": {
                "nginx.ingress.kubernetes.io/proxy-body-size": "8m",
                "nginx.ingress.kubernetes.io/whitelist-source-range": "10.0.0.0/8, 2001:db8::/32",
                "nginx.ingress.kubernetes.io/cors-allow-origin": "https://*.example.com",
                "external-dns.alpha.kubernetes.io/hostname": "a.example.com,b.example.com",
            }
        }
    ),
    "further networks": egress(cidr="10.0.0.0/8", **{"except": ["10.1.0.0/16"]}, ports=[443]),
    "a network of IPv6": egress(cidr="2001:db8::/32"),
    "no network policy": minimal(networkPolicy={"enabled": False}),
    "suspended": minimal(suspend=True),
}
