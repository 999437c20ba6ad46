"""The election's Lease in the API; each call is made once, for the election has its own retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servicelayer_operator.kinds import LEASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_operator.cluster import Cluster

CALL_SECONDS = 4.0


class ClusterLease:
    """One Lease.

    Args:
        cluster: The API.
        namespace: Its namespace.
        name: Its name.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name

    async def read(self) -> dict[str, Any]:
        """Read it."""
        path = LEASE.path(self._namespace, self._name)
        return await self._cluster.call("GET", path, attempts=1, timeout=CALL_SECONDS)

    async def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create it."""
        path = LEASE.path(self._namespace)
        return await self._cluster.call("POST", path, body=body, attempts=1, timeout=CALL_SECONDS)

    async def replace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace it under the resourceVersion in the body."""
        path = LEASE.path(self._namespace, self._name)
        return await self._cluster.call("PUT", path, body=body, attempts=1, timeout=CALL_SECONDS)
