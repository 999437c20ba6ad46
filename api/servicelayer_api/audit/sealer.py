"""Sealing: entries become leaves of the Merkle tree, and each batch ends in a signed checkpoint.

Invariant: one process seals at a time (a lease with a fencing token, checked in the transaction
that writes), in the order that `seal_store` explains; leaves, nodes, checkpoint and the state of
the tree are in the database together or not at all. Nobody who records an entry waits for it.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

from servicelayer_api.audit import rules, seal_store
from servicelayer_api.audit.models import Backlog, Checkpoint
from servicelayer_api.crypto.merkle import Frontier, hash_leaf
from servicelayer_api.db.leases import acquire_lease, release_lease, require_lease
from servicelayer_api.ids import new_id
from servicelayer_api.web.modules import NotReady

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from servicelayer_api.audit.models import Tree, Written
    from servicelayer_api.audit.signing import SigningKey
    from servicelayer_api.clock import Clock
    from servicelayer_api.crypto.merkle import Node
    from servicelayer_api.db import Database
    from servicelayer_api.db.leases import Lease

BATCH: Final = 1000
_LEASE: Final = "audit-sealer"
_LEASE_SECONDS: Final = 10.0
_LATE_SECONDS: Final = 30.0
# Hashing a whole batch in one go would hold up the requests that are being answered.
_SLICE: Final = 100


class Sealer:
    """Seals the log of one database."""

    def __init__(
        self, database: Database, clock: Clock, key: SigningKey, metrics: CollectorRegistry
    ) -> None:
        """Sign with a key."""
        self._database = database
        self._clock = clock
        self._key = key
        self._holder = new_id()
        self._checkpoints = Counter(
            "audit_checkpoints_total", "Checkpoints signed by this process", registry=metrics
        )
        self._sealed = Gauge("audit_sealed_entries", "Entries in the Merkle tree", registry=metrics)
        self._waiting = Gauge(
            "audit_unsealed_entries", "Entries not sealed yet, 10000 at most", registry=metrics
        )
        self._lag = Gauge(
            "audit_seal_lag_seconds", "Age of the oldest entry not sealed yet", registry=metrics
        )
        self._backlog = Backlog(0, 0, 0.0)

    async def is_behind(self) -> bool:
        """Whether there is anything to seal; an idle log costs one small question a second."""
        async with self._database.connection() as connection:
            return await seal_store.get_behind(connection)

    async def lead(self) -> Lease | None:
        """Take or prolong the right to seal; `None` while another process has it."""
        async with self._database.connection() as connection:
            return await acquire_lease(connection, _LEASE, self._holder, _LEASE_SECONDS)

    async def yield_lead(self, lease: Lease) -> None:
        """Give the right up."""
        async with self._database.connection() as connection:
            await release_lease(connection, lease)

    async def seal(self, lease: Lease, limit: int = BATCH) -> int:
        """Seal the next entries.

        Args:
            lease: the right to seal.
            limit: entries at most.

        Returns:
            How many were sealed.

        Raises:
            LeaseLost: another process seals now.
        """
        async with self._database.transaction() as connection:
            await require_lease(connection, lease)
            tree = await seal_store.get_tree(connection, lock=True)
            written = await seal_store.list_unsealed(connection, tree, limit)
            if not written:
                if tree.was_restored:
                    await seal_store.update_tree_of_restored(connection)
                return 0
            frontier = Frontier(tree.size, tree.frontier)
            hashes, nodes = await _grow(frontier, written)
            seqs = [one.entry.seq for one in written]
            await seal_store.insert_leaves(connection, tree.size, seqs, hashes)
            if nodes:
                await seal_store.insert_nodes(connection, nodes)
            root = frontier.root()
            note = self._sign(tree, frontier.size, root)
            await seal_store.insert_checkpoint(connection, frontier.size, root, note)
            await seal_store.update_tree(connection, frontier, written[-1])
        self._checkpoints.inc()
        return len(written)

    async def probe(self) -> None:
        """Look at what waits; the module's readiness.

        Raises:
            NotReady: entries have been waiting for long.
        """
        async with self._database.connection() as connection:
            self._backlog = backlog = await seal_store.get_backlog(connection)
        self._sealed.set(backlog.sealed)
        self._waiting.set(backlog.waiting)
        self._lag.set(backlog.age)
        if backlog.age > _LATE_SECONDS:
            raise NotReady(
                f"{backlog.waiting} entries are not sealed, the oldest for {backlog.age:.0f} s; "
                "a transaction that has been open as long would be the reason"
            )

    def figures(self) -> dict[str, int | float | str | bool]:
        """What `/system/status` shows of the sealing."""
        seen = self._backlog
        return {
            "sealed": seen.sealed,
            "unsealed": seen.waiting,
            "seal_lag_seconds": round(seen.age, 1),
        }

    def _sign(self, tree: Tree, size: int, root: bytes) -> str:
        checkpoint = Checkpoint(
            origin=rules.origin(tree.log_id),
            size=size,
            root=base64.b64encode(root).decode(),
            time=self._clock.now(),
        )
        return self._key.signer(checkpoint.origin).sign(rules.write_checkpoint(checkpoint))


async def _grow(frontier: Frontier, written: list[Written]) -> tuple[list[bytes], list[Node]]:
    hashes: list[bytes] = []
    nodes: list[Node] = []
    for number, one in enumerate(written, 1):
        leaf = hash_leaf(rules.leaf_data(one.entry))
        hashes.append(leaf)
        nodes += frontier.append(leaf)
        if number % _SLICE == 0:
            await asyncio.sleep(0)
    return hashes, nodes
