"""Who may speak to our pods, and whom they may speak to: everything else is denied, both ways.

The invariant: no rule allows everything. The one rule without a peer (a database of the user's own,
whose host only the Secret knows) is bound to the PostgreSQL and PgBouncer ports; a database on
another port, a Neo node or a broker is opened by `spec.networkPolicy.extraEgress`.
"""

from collections.abc import Iterable
from typing import Any, Final

from servicelayer_operator.manifests.config_map import PROBE_PORT
from servicelayer_operator.manifests.labels import (
    API,
    COMPONENT,
    INSTANCE,
    MIGRATE,
    NAME,
    POSTGRES,
    selector,
)
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.resource import EgressRule, NetworkPolicySpec, ServiceLayer

DATABASE_PORTS: Final = (5432, 6432)

_NODE_LOCAL_DNS: Final = "169.254.20.10/32"
_PRIVATE_V4: Final = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
_PRIVATE_V6: Final = ("::1/128", "fc00::/7", "fe80::/10")


def build_network_policy(
    resource: ServiceLayer, version: str, operator_namespace: str
) -> dict[str, Any] | None:
    """Build the policy of the API and migration pods; None when the user switched policies off."""
    spec = resource.spec.network_policy
    if not spec.enabled:
        return None
    name = resource.metadata.name
    callers = _namespaces((*spec.ingress_namespaces, operator_namespace))
    monitoring = _namespaces((*spec.monitoring_namespaces, operator_namespace))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(resource, names_of(resource).network_policy, API, version),
        "spec": {
            "podSelector": _api_and_migrations(name),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": callers, "ports": _tcp(8080)},
                {"from": monitoring, "ports": _tcp(PROBE_PORT)},
            ],
            "egress": [
                _dns(spec),
                _database(resource),
                _public_https(),
                *(_extra(rule) for rule in spec.extra_egress),
            ],
        },
    }


def build_postgres_network_policy(resource: ServiceLayer, version: str) -> dict[str, Any] | None:
    """Build the policy of the embedded database: only our own pods reach it, it reaches nobody."""
    if not resource.spec.network_policy.enabled or resource.spec.database.embedded is None:
        return None
    name = resource.metadata.name
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(resource, names_of(resource).postgres, POSTGRES, version),
        "spec": {
            "podSelector": {"matchLabels": selector(name, POSTGRES)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [{"podSelector": _api_and_migrations(name)}], "ports": _tcp(5432)}
            ],
        },
    }


def _api_and_migrations(name: str) -> dict[str, Any]:
    return {
        "matchLabels": {NAME: "servicelayer", INSTANCE: name},
        "matchExpressions": [{"key": COMPONENT, "operator": "In", "values": [API, MIGRATE]}],
    }


def _namespaces(names: Iterable[str]) -> list[dict[str, Any]]:
    unique = dict.fromkeys(name for name in names if name)
    return [_namespace(name) for name in unique]


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _dns(spec: NetworkPolicySpec) -> dict[str, Any]:
    networks = dict.fromkeys((_NODE_LOCAL_DNS, *spec.dns.cidrs))
    return {
        "to": [
            _namespace(spec.dns.namespace or spec.dns_namespace),
            *({"ipBlock": {"cidr": cidr}} for cidr in networks),
        ],
        "ports": [
            {"protocol": protocol, "port": port}
            for port in spec.dns.ports
            for protocol in ("UDP", "TCP")
        ],
    }


def _database(resource: ServiceLayer) -> dict[str, Any]:
    if resource.spec.database.embedded is None:
        return {"ports": _tcp(*DATABASE_PORTS)}
    pods = {"podSelector": {"matchLabels": selector(resource.metadata.name, POSTGRES)}}
    return {"to": [pods], "ports": _tcp(5432)}


def _public_https() -> dict[str, Any]:
    return {
        "to": [
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(_PRIVATE_V4)}},
            {"ipBlock": {"cidr": "::/0", "except": list(_PRIVATE_V6)}},
        ],
        "ports": _tcp(443),
    }


def _extra(rule: EgressRule) -> dict[str, Any]:
    block: dict[str, Any] = {"cidr": rule.cidr}
    if rule.except_:
        block["except"] = list(rule.except_)
    built: dict[str, Any] = {"to": [{"ipBlock": block}]}
    if rule.ports:
        built["ports"] = [
            {"protocol": protocol, "port": port}
            for protocol in rule.protocols or ("TCP",)
            for port in rule.ports
        ]
    elif rule.protocols:
        built["ports"] = [{"protocol": protocol} for protocol in rule.protocols]
    return built


def _tcp(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]
