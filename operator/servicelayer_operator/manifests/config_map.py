"""The API's configuration file: what is no secret, under the variables' names in lower case.

The invariant: no secret and no reference to one is ever written here. The environment wins over the
file, and the operator sets in both places only what is the same in both.
"""

import json
from typing import Any, Final

from servicelayer_operator.manifests.ingress import is_rate_limited_by_ingress
from servicelayer_operator.manifests.labels import API
from servicelayer_operator.manifests.metadata import metadata
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.resource import ServiceLayer

CONFIG_DIRECTORY: Final = "/app/configs"
CONFIG_FILE: Final = "config.yaml"
API_PORT: Final = 8080
LISTEN_ADDR: Final = f":{API_PORT}"
PROBE_PORT: Final = 8081
PROBE_ADDR: Final = f":{PROBE_PORT}"
PRIVATE_NETWORKS: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
)


def build_config_map(resource: ServiceLayer, version: str) -> dict[str, Any]:
    """Build the ConfigMap that is mounted at /app/configs."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(resource, names_of(resource).config_map, API, version),
        "data": config_data(resource),
    }


def config_data(resource: ServiceLayer) -> dict[str, str]:
    """Build the files: a flat YAML mapping, one setting a line, sorted."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in sorted(settings(resource).items())]
    return {CONFIG_FILE: "\n".join(lines) + "\n"}


def settings(resource: ServiceLayer) -> dict[str, str | int | bool]:
    """Collect the API's settings that are no secret, by their variable's name in lower case."""
    api = resource.spec.api
    return {
        **_proxies(resource),
        **_public_url(resource),
        **_rate_limit(resource),
        "listen_addr": LISTEN_ADDR,
        "log_format": api.log_format,
        "log_level": api.log_level,
        "migrate": False,
        "module_slow_ms": api.module_slow_ms,
        "probe_addr": PROBE_ADDR,
    }


def _proxies(resource: ServiceLayer) -> dict[str, str]:
    """Believe the Ingress controller about who calls, where nobody else can reach the pods.

    Its pods' addresses are not known here, so every private network is believed, and only while the
    NetworkPolicy keeps others away. TRUSTED_PROXIES in spec.api.extraEnv narrows it.
    """
    if not resource.spec.network_policy.enabled:
        return {}
    return {"trusted_proxies": ",".join(PRIVATE_NETWORKS)}


def _public_url(resource: ServiceLayer) -> dict[str, str]:
    """Tell the API where clients reach it; PUBLIC_URL in spec.api.extraEnv where that differs."""
    expose = resource.spec.expose
    if expose.mode != "Ingress" or not expose.host:
        return {}
    return {"public_url": f"{'https' if expose.tls else 'http'}://{expose.host}"}


def _rate_limit(resource: ServiceLayer) -> dict[str, str | int]:
    """Leave the pace to an Ingress that is known to keep it; where it is not, the API does."""
    limit = resource.spec.expose.rate_limit
    if resource.spec.expose.mode != "Ingress" or limit is None:
        return {}
    if is_rate_limited_by_ingress(resource.spec.expose):
        return {"rate_limit": "off"}
    burst = {} if limit.burst is None else {"rate_limit_burst": limit.burst}
    return {"rate_limit": f"{limit.requests_per_second}/s", **burst}
