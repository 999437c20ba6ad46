"""The conditions of each ServiceLayer as a gauge: 1 for the status that holds, else no sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import Gauge

    from servicelayer_operator.work_queue import Key


class ConditionCounts:
    """Keeps the gauge equal to what was last set for each resource.

    Args:
        gauge: Labelled by namespace, name, type and status.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._statuses: dict[Key, dict[str, str]] = {}

    def set(self, key: Key, statuses: Mapping[str, str]) -> None:
        """Note a resource's conditions."""
        before = self._statuses.get(key, {})
        for pair in before.items() - statuses.items():
            self._gauge.remove(*key, *pair)
        for pair in statuses.items() - before.items():
            self._gauge.labels(*key, *pair).set(1)
        self._statuses[key] = dict(statuses)

    def forget(self, key: Key) -> None:
        """Take a resource out."""
        for pair in self._statuses.pop(key, {}).items():
            self._gauge.remove(*key, *pair)
