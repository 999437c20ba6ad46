"""`GET /metrics`: the registry in Prometheus' text format.

They tell how the platform is used, so they need a credential here, where everybody comes. The
listener for probes (`PROBE_ADDR`), which nobody reaches from outside, gives them without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from servicelayer_api.errors import Forbidden
from servicelayer_api.web.gate import caller_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_MEDIA_TYPE = CONTENT_TYPE.partition(";")[0]


class Exposition:
    """Writes a registry as text."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Write this registry."""
        self._registry = registry

    def text(self) -> bytes:
        """Give the present figures."""
        return generate_latest(self._registry)


@get(
    "/metrics",
    operation_id="metrics",
    summary="Figures for Prometheus",
    tags=["probes"],
    media_type=_MEDIA_TYPE,
)
async def expose_metrics(
    request: Request[Any, Any, Any], exposition: NamedDependency[Exposition]
) -> Response[bytes]:
    """Give the figures in Prometheus' text format; they are of the whole platform.

    Raises:
        Forbidden: the credential is bound to a tenant.
    """
    if caller_of(request.scope).require_principal().credential.tenant is not None:
        raise Forbidden("the metrics are for platform tokens and users that are bound to no tenant")
    return Response(exposition.text(), headers={"content-type": CONTENT_TYPE})
