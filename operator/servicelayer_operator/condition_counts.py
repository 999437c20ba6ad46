"""How many ServiceLayers have each status of each condition, as a gauge with bounded labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import Gauge

    from servicelayer_operator.work_queue import Key


class ConditionCounts:
    """Keeps the gauge equal to what was last set for each resource.

    Args:
        gauge: Labelled by type and status.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._statuses: dict[Key, dict[str, str]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def set(self, key: Key, statuses: Mapping[str, str]) -> None:
        """Note a resource's conditions."""
        self._count(self._statuses.get(key, {}), -1)
        self._statuses[key] = dict(statuses)
        self._count(statuses, 1)

    def forget(self, key: Key) -> None:
        """Take a resource out."""
        self._count(self._statuses.pop(key, {}), -1)

    def _count(self, statuses: Mapping[str, str], step: int) -> None:
        for labels in statuses.items():
            self._counts[labels] += step
            self._gauge.labels(*labels).set(self._counts[labels])
