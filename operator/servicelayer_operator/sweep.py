"""The sweep: every kind is listed and the cache made equal to the list.

A watch never reports what was deleted while it was cut off (kopf neither), so without the sweep
such a child would be missing for ever. Invariants: the first sweep ends before the first
reconciliation; a second one follows soon, for what was deleted between the first list and the
start of the watches; then one every resync period, with jitter, so that two operators do not list
in step.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, NoReturn

from servicelayer_operator import observability
from servicelayer_operator.errors import ClusterError
from servicelayer_operator.kinds import MANAGED_SELECTOR, SERVICE_LAYER, WATCHED
from servicelayer_operator.work_queue import Key, Priority, WorkQueue

if TYPE_CHECKING:
    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.facts import FactStore
    from servicelayer_operator.intake import Intake
    from servicelayer_operator.settings import Settings

SECOND_SWEEP_SECONDS = 15.0

_log = observability.get_logger(__name__)


class Sweeper:
    """Lists everything now and then.

    Args:
        cluster: The API.
        facts: The cache.
        intake: Told of ServiceLayers.
        queue: Where everything listed is queued for a look.
        settings: Which namespaces, and how often.
    """

    def __init__(
        self,
        cluster: Cluster,
        facts: FactStore,
        intake: Intake,
        queue: WorkQueue,
        settings: Settings,
    ) -> None:
        self._cluster = cluster
        self._facts = facts
        self._intake = intake
        self._queue = queue
        self._settings = settings
        self.swept = False

    async def sweep(self) -> None:
        """List every kind once.

        Raises:
            ClusterError: A list failed.
        """
        news: set[Key] = set()
        for namespace in self._settings.namespaces:
            for kind in WATCHED:
                listing = await self._cluster.list(kind, namespace, label_selector=MANAGED_SELECTOR)
                news |= self._facts.sweep(kind, namespace, listing.items, listing.resource_version)
            existing = await self._cluster.list(SERVICE_LAYER, namespace)
            for item in existing.items:
                self._intake.resource_event(None, item)
                metadata = item["metadata"]
                self._queue.add(Key(metadata["namespace"], metadata["name"]), Priority.RESYNC)
        # A missed deletion of a ServiceLayer: a round for it finds it gone.
        for owner in news | self._facts.owners():
            self._queue.add(owner, Priority.RESYNC)
        self.swept = True
        _log.debug("swept", objects=len(self._facts), news=len(news))

    async def run(self) -> NoReturn:
        """Sweep for ever; a failed sweep is tried again soon."""
        delay = SECOND_SWEEP_SECONDS
        while True:
            await asyncio.sleep(delay)
            try:
                await self.sweep()
            except ClusterError as error:
                _log.warning("sweep_failed", error=str(error))
                delay = SECOND_SWEEP_SECONDS
            else:
                delay = self._settings.resync_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
