"""The parts of a running operator, made once and handed to whoever needs several of them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from servicelayer_operator import observability
from servicelayer_operator.api_status import IN_CLUSTER_URL, ApiProbe
from servicelayer_operator.apply import Applier
from servicelayer_operator.claims import Claims
from servicelayer_operator.condition_counts import ConditionCounts
from servicelayer_operator.facts import FactStore
from servicelayer_operator.intake import Intake
from servicelayer_operator.recorder import Recorder
from servicelayer_operator.resource import Metadata
from servicelayer_operator.secret_reader import SecretReader
from servicelayer_operator.sweep import Sweeper
from servicelayer_operator.watching import WatchActivity
from servicelayer_operator.work_queue import Key, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.happenings import Happening
    from servicelayer_operator.settings import Settings


def now() -> datetime:
    """The time, aware; the only wall clock of the operator."""
    return datetime.now(UTC)


class Runtime:
    """Everything that lives as long as the process.

    Args:
        settings: The settings.
        cluster: The connection.
    """

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        clock = time.monotonic
        url = settings.api_url or (IN_CLUSTER_URL if cluster.in_cluster else "")
        self.settings = settings
        self.cluster = cluster
        self.now = now
        self.stop = asyncio.Event()
        self.queue = WorkQueue(clock=clock)
        self.facts = FactStore()
        self.intake = Intake(self.queue, self.facts)
        self.recorder = Recorder(cluster, settings.identity, now=now, clock=clock)
        self.applier = Applier(cluster, self.facts, self.recorder, clock)
        self.claims = Claims(settings.installation, clock)
        self.secrets = SecretReader(cluster, clock)
        self.probe = ApiProbe(cluster, url, clock)
        self.activity = WatchActivity(clock)
        self.conditions = ConditionCounts(observability.CONDITION)
        self.sweeper = Sweeper(cluster, self.facts, self.intake, self.queue, settings)
        self._uids: dict[Key, str] = {}

    def know(self, key: Key, uid: str) -> None:
        """Note which object a key stands for; another uid means that it was made anew."""
        known = self._uids.get(key)
        if known is not None and known != uid:
            self._drop(key)
        self._uids[key] = uid

    def forget(self, key: Key) -> None:
        """Drop all that is remembered of a ServiceLayer that is gone."""
        self._drop(key)
        self.intake.forget(key)
        self.queue.forget(key)

    async def record(self, metadata: Mapping[str, Any], happening: Happening) -> None:
        """Write an event about an object that could not be decoded."""
        about = Metadata(
            name=metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"]
        )
        await self.recorder.record(about, happening)

    async def close(self) -> None:
        """Close all connections."""
        await self.probe.close()
        await self.cluster.close()

    def _drop(self, key: Key) -> None:
        self.applier.forget(key)
        self.probe.forget(key)
        self.claims.forget(key)
        self.conditions.forget(key)
        self.secrets.forget(key.namespace, f"{key.name}-secrets", f"{key.name}-postgres")
        uid = self._uids.pop(key, None)
        if uid is not None:
            self.recorder.forget(uid)
