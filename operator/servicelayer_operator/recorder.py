"""Kubernetes events of the operator: few, on transitions, and one object however often it repeats.

Invariants: the name of an event is made of what it says, so that a repetition finds the same
object and raises its count; each resource has a budget of new events, so that a broken one cannot
flood etcd; failing to write an event never fails a reconciliation. Refuses texts longer than the
API takes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from servicelayer_operator import observability
from servicelayer_operator.errors import AlreadyExistsError, ClusterError, NotFoundError
from servicelayer_operator.kinds import EVENT, SERVICE_LAYER

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.happenings import Happening
    from servicelayer_operator.resource import Metadata

BUDGET = 10
WARNING_BUDGET = 30
BUDGET_OF_ONE = 5
WINDOW_SECONDS = 600.0
_LONGEST_NOTE = 1000
_LONGEST_PREFIX = 200

_log = observability.get_logger(__name__)


class Recorder:
    """Writes events about ServiceLayers.

    Args:
        cluster: The API.
        identity: Which operator reports.
        now: Aware time.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        identity: str,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._identity = identity
        self._now = now
        self._clock = clock
        self._counts: dict[str, dict[str, int]] = {}
        self._spent: dict[str, list[tuple[float, str]]] = {}

    async def record(self, about: Metadata, happening: Happening) -> None:
        """Write one event, or raise the count of the same one."""
        name = event_name(about, happening)
        counts = self._counts.setdefault(about.uid, {})
        try:
            if name in counts:
                await self._repeat(about, happening, name, counts)
            elif self._affords(about.uid, happening):
                await self._create(about, happening, name, counts)
            else:
                _log.info("event_budget_spent", name=about.name, reason=happening.reason)
        except ClusterError as error:
            # An event is a courtesy; what it tells is in the conditions too.
            _log.warning("event_not_written", reason=happening.reason, error=str(error))

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a resource that is gone."""
        self._counts.pop(uid, None)
        self._spent.pop(uid, None)

    async def _create(
        self, about: Metadata, happening: Happening, name: str, counts: dict[str, int]
    ) -> None:
        counts[name] = 1
        try:
            await self._cluster.create(self._body(about, happening, name))
        except AlreadyExistsError:
            # Written before a restart of the operator: its count is not known any more.
            await self._repeat(about, happening, name, counts)

    async def _repeat(
        self, about: Metadata, happening: Happening, name: str, counts: dict[str, int]
    ) -> None:
        counts[name] += 1
        series = {"count": counts[name], "lastObservedTime": self._time()}
        try:
            await self._cluster.merge_patch(EVENT, about.namespace, name, {"series": series})
        except NotFoundError:
            # Events expire after an hour.
            counts[name] = 1
            await self._cluster.create(self._body(about, happening, name))

    def _affords(self, uid: str, happening: Happening) -> bool:
        """Whether one more new event fits; a flood of one reason leaves room for the others."""
        now = self._clock()
        spent = [item for item in self._spent.get(uid, ()) if now - item[0] < WINDOW_SECONDS]
        self._spent[uid] = spent
        same = sum(reason == happening.reason for _, reason in spent)
        limit = BUDGET if happening.type == "Normal" else WARNING_BUDGET
        if len(spent) >= limit or same >= BUDGET_OF_ONE:
            return False
        spent.append((now, happening.reason))
        return True

    def _body(self, about: Metadata, happening: Happening, name: str) -> dict[str, Any]:
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": name, "namespace": about.namespace},
            "eventTime": self._time(),
            "reportingController": "servicelayer.r3e.network/operator",
            "reportingInstance": self._identity[:128],
            "action": happening.action,
            "reason": happening.reason,
            "type": happening.type,
            "note": happening.note[:_LONGEST_NOTE],
            "regarding": {
                "apiVersion": SERVICE_LAYER.api_version,
                "kind": SERVICE_LAYER.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
        }

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event_name(about: Metadata, happening: Happening) -> str:
    """The event's name: the same happening to the same object has the same one."""
    said = f"{about.uid}\0{happening.type}\0{happening.reason}\0{happening.note}"
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return f"{about.name[:_LONGEST_PREFIX]}.{digest}"
