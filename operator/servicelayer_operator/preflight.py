"""What must be true of the cluster before the operator starts, told in one line each.

kopf waits in silence for a missing CRD and gives up after a minute for a missing permission; here
both are named at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_operator import definition, observability
from servicelayer_operator.errors import ForbiddenError, NotFoundError
from servicelayer_operator.kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    MANAGED_SELECTOR,
    SERVICE_LAYER,
    WATCHED,
)

if TYPE_CHECKING:
    from servicelayer_operator.cluster import Cluster

_log = observability.get_logger(__name__)


async def complaints(cluster: Cluster, namespaces: tuple[str | None, ...]) -> list[str]:
    """What is missing, each with what to do about it; empty when the operator can start.

    Raises:
        ClusterError: The API server could not be asked.
    """
    found: list[str] = []
    for namespace in namespaces:
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        for kind, selector in (
            (SERVICE_LAYER, ""),
            *((kind, MANAGED_SELECTOR) for kind in WATCHED),
        ):
            query = {"limit": "1"}
            if selector:
                query["labelSelector"] = selector
            try:
                await cluster.call("GET", kind.path(namespace), query=query)
            except ForbiddenError:
                found.append(
                    f"not allowed to list {kind.plural} {where}; extend the operator's role"
                )
            except NotFoundError:
                found.append(f"{kind.plural} ({kind.api_version}) are not served; install the CRD")
    return found


async def compare_definition(cluster: Cluster) -> None:
    """Warn, in the log and as a metric, when the served definition lacks fields; work goes on.

    Raises:
        ClusterError: The API server could not be asked.
    """
    try:
        served = await cluster.get(CUSTOM_RESOURCE_DEFINITION, None, definition.NAME)
    except (ForbiddenError, NotFoundError):
        _log.info("definition_not_compared", reason="not allowed to read it")
        return
    missing = definition.missing_fields(served, definition.built_for())
    observability.DEFINITION_CURRENT.set(not missing)
    if missing:
        _log.warning(
            "definition_outdated",
            missing=missing,
            remedy="upgrade the chart servicelayer-operator-crds: these fields are pruned",
        )
