"""HTTP through the ingress controller, for a host name that no DNS knows."""

from urllib.parse import urlsplit

import httpx

from cluster.errors import ClusterError
from cluster.handle import Cluster


def client(
    cluster: Cluster, host: str, *, token: str = "", tenant: str = "", tls: bool = False
) -> httpx.Client:
    """Return an HTTP client that reaches `host` at the cluster's ingress controller.

    Args:
        cluster: whose ingress controller it is.
        host: the name in the Ingress; it travels in the Host header and, with TLS, as server name.
        token: sent as bearer token.
        tenant: sent as X-Tenant-ID.
        tls: speak HTTPS; the certificate is not checked, for a test cluster's own signs nothing.
    """
    base = cluster.ingress_tls_url if tls else cluster.ingress_url
    if not base:
        raise ClusterError(
            "this cluster's ingress controller is not known: say where it answers by "
            "SERVICELAYER_INGRESS_URL=http://ADDRESS"
        )
    headers = {"Host": host}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if tenant:
        headers["X-Tenant-ID"] = tenant
    hooks = {"request": [_server_name(host)]} if tls else {}
    # The machine's proxy settings are for the world outside, not for a cluster on this machine.
    return httpx.Client(
        base_url=base,
        headers=headers,
        verify=False,  # noqa: S501 - see the argument
        trust_env=False,
        timeout=10,
        event_hooks=hooks,
    )


def _server_name(host: str):  # noqa: ANN202 - a closure for httpx
    def set_name(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = host

    return set_name


def curl(cluster: Cluster, host: str, path: str, *options: str) -> str:
    """Return a command line that a person can paste to ask for `path` of `host`."""
    base = (cluster.local_url or cluster.ingress_url).rstrip("/")
    port = urlsplit(base).port
    address = base if port not in {80, None} else base.removesuffix(":80")
    return " ".join(["curl", "-s", f"-H 'Host: {host}'", *options, f"{address}{path}"])
