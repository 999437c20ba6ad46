"""`GET /metrics`: the registry in Prometheus' text format, public like the probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4.partition(";")[0]


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
    opt={"public": True},
    media_type=_MEDIA_TYPE,
)
async def expose_metrics(exposition: NamedDependency[Exposition]) -> Response[bytes]:
    """Give the figures in Prometheus' text format."""
    return Response(exposition.text(), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})
