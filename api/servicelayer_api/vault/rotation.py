"""Changing keys while the program serves: in batches, under a lease, resumable at any point.

Invariants: each batch commits with its progress, and what is left to do is read from the data keys
themselves, so that whoever takes over after a crash goes on where the last commit was. One process
at a time works; a process that lacks a needed key leaves the work to others. Data that does not
open is left as it is and counted. Readers never wait: they take no locks.

An account's new data key and all its data sealed with it are one transaction.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from servicelayer_api.db.leases import acquire_lease, release_lease
from servicelayer_api.ids import new_id
from servicelayer_api.vault import rotation_store, store
from servicelayer_api.vault.errors import RotationRunning, Undecipherable
from servicelayer_api.vault.models import KeyStatus, KeyVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servicelayer_api.db import Connection, Database
    from servicelayer_api.vault.models import (
        Rotation,
        RotationKind,
        SealedColumn,
        SealedRow,
    )
    from servicelayer_api.vault.service import Vault

_LEASE: Final = "vault-rotation"
_LEASE_SECONDS: Final = 10.0
_KEYS_A_BATCH: Final = 500
_ROWS_A_BATCH: Final = 200
_FIRST: Final = UUID(int=0)

_log = structlog.get_logger(__name__)


class Rotations:
    """Starts rotations, does their work, and tells how far they are."""

    def __init__(self, vault: Vault, database: Database) -> None:
        """Change the keys of a vault."""
        self._vault = vault
        self._database = database
        self._holder = new_id()
        self.asked = asyncio.Event()

    async def begin(
        self, connection: Connection, kind: RotationKind, started_by: str
    ) -> tuple[Rotation, bool]:
        """Begin a rotation, or find the one of this kind that is running.

        Returns:
            The rotation, and whether it is new.

        Raises:
            RotationRunning: one of the other kind is.
        """
        made = await rotation_store.insert_rotation(connection, new_id(), kind, started_by)
        if made is not None:
            return made, True
        running = await rotation_store.find_running(connection)
        if running is None or running.kind != kind:
            raise RotationRunning("a rotation is running; wait until it has ended")
        return running, False

    async def status(self, connection: Connection) -> KeyStatus:
        """The key versions and the last rotation; lend a snapshot, so that they fit each other."""
        last = await rotation_store.find_last_rotation(connection)
        rows = await store.list_keys(connection)
        imported = [
            await rotation_store.get_count_imported(connection, column)
            for column in self._vault.columns
            if column.imported
        ]
        return KeyStatus(
            keys=[
                KeyVersion(
                    version=row.version,
                    fingerprint=row.fingerprint,
                    current=place == 0,
                    available=self._vault.available(row.fingerprint),
                    data_keys=row.data_keys,
                    created_at=row.created_at,
                    retired_at=row.retired_at,
                )
                for place, row in enumerate(rows)
            ],
            imported=sum(imported),
            rotation=last,
        )

    async def find(self, rotation_id: UUID) -> Rotation | None:
        """Find a rotation."""
        async with self._database.connection() as connection:
            return await rotation_store.find_rotation(connection, rotation_id)

    async def work(self, stop: asyncio.Event, told: Callable[[], None] | None = None) -> None:
        """Do the work of the running rotation to its end, if there is one and nobody else does.

        Args:
            stop: ends the work after the present batch.
            told: called after each batch.
        """
        async with self._database.connection() as connection:
            if await rotation_store.find_running(connection) is None:
                return
            if not await self._has_keys(connection):
                return
            lease = await acquire_lease(connection, _LEASE, self._holder, _LEASE_SECONDS)
            # Asked again: whoever had the lease may just have ended it.
            running = await rotation_store.find_running(connection)
        if lease is None or running is None:
            return
        run = _Run(self._vault, running)
        try:
            while not stop.is_set() and await self._batch(run):
                if told is not None:
                    told()
        finally:
            async with self._database.connection() as connection:
                await release_lease(connection, lease)

    async def _batch(self, run: _Run) -> bool:
        async with self._database.transaction() as connection:
            # Prolonging holds the lease's row until the commit: that is the fence.
            lease = await acquire_lease(connection, _LEASE, self._holder, _LEASE_SECONDS)
            return lease is not None and await run.step(connection)

    async def _has_keys(self, connection: Connection) -> bool:
        """Whether this process has every key that the work can meet."""
        rows = await store.list_keys(connection)
        needed = [row for place, row in enumerate(rows) if row.data_keys or place == 0]
        lacking = [row.version for row in needed if not self._vault.available(row.fingerprint)]
        if lacking:
            _log.warning("a rotation waits for a process with all keys", lacking=lacking)
        return not lacking


class _Run:
    """One process's part in a rotation: where it stands, in memory only."""

    def __init__(self, vault: Vault, rotation: Rotation) -> None:
        self._vault = vault
        self._rotation = rotation
        self._after = _FIRST
        self._wait = False
        self._after_imported = _FIRST
        self._columns = [column for column in vault.columns if column.imported]

    async def step(self, connection: Connection) -> bool:
        """Do a batch; tell whether there may be more."""
        if self._rotation.kind == "keys":
            more = await self._wrap_batch(connection)
        else:
            more = await self._renew_one(connection)
        if more or await self._take_in_imported(connection):
            return True
        await self._finish(connection)
        return False

    async def _wrap_batch(self, connection: Connection) -> bool:
        target = self._rotation.target_version
        held = await store.lock_data_keys(
            connection, target, self._after, _KEYS_A_BATCH, wait=self._wait
        )
        if not held:
            return self._second_pass()
        self._after = held[-1].id
        wrapped = [(key.id, await self._vault.rewrap(connection, key, target)) for key in held]
        done = [(key_id, text) for key_id, text in wrapped if text is not None]
        await store.update_wrapped(connection, target, done)
        await self._progress(connection, done=len(done))
        return True

    async def _renew_one(self, connection: Connection) -> bool:
        held = await rotation_store.lock_outdated_data_key(
            connection, self._rotation.id, self._after, wait=self._wait
        )
        if held is None:
            return self._second_pass()
        self._after = held.id
        await self._vault.renew_data_key(connection, held.owner)
        resealed = failed = 0
        for column in self._vault.columns:
            counts = await self._reseal(connection, column, held.owner)
            resealed, failed = resealed + counts[0], failed + counts[1]
        await self._progress(connection, done=1, failed=failed, resealed=resealed)
        return True

    def _second_pass(self) -> bool:
        """The first pass goes around keys that others hold; the second waits for what was left."""
        if self._wait:
            return False
        self._wait, self._after = True, _FIRST
        return True

    async def _reseal(
        self, connection: Connection, column: SealedColumn, owner: UUID | None
    ) -> tuple[int, int]:
        """Seal an owner's rows in a column with the newest data key; count done and failed."""
        after, done, failed = _FIRST, 0, 0
        while True:
            rows = await rotation_store.lock_sealed_rows(
                connection, column, owner, after, _ROWS_A_BATCH
            )
            if not rows:
                return done, failed
            after = rows[-1].key
            counts = await self._seal_rows(connection, column, owner, rows)
            done, failed = done + counts[0], failed + counts[1]

    async def _take_in_imported(self, connection: Connection) -> bool:
        while self._columns:
            column = self._columns[0]
            rows = await rotation_store.lock_imported_rows(
                connection, column, self._after_imported, _ROWS_A_BATCH
            )
            if rows:
                self._after_imported = rows[-1].key
                for owner in sorted({row.owner for row in rows}, key=str):
                    of_owner = [row for row in rows if row.owner == owner]
                    done, failed = await self._seal_rows(connection, column, owner, of_owner)
                    await self._progress(connection, resealed=done, failed=failed)
                return True
            self._columns.pop(0)
            self._after_imported = _FIRST
        return False

    async def _seal_rows(
        self,
        connection: Connection,
        column: SealedColumn,
        owner: UUID | None,
        rows: Sequence[SealedRow],
    ) -> tuple[int, int]:
        """Seal rows anew, each opened first; count done and failed."""
        key = await self._vault.sealing_key(connection, owner, len(rows))
        sealed: list[tuple[UUID, bytes]] = []
        failed = 0
        for row in rows:
            try:
                if row.imported:
                    plain = self._vault.open_reference(row.sealed)
                else:
                    plain = await self._vault.open(
                        connection, owner, row.sealed, context=row.context
                    )
            except Undecipherable:
                _log.error("a row does not open", column=column.name, key=str(row.key))
                failed += 1
                continue
            sealed.append((row.key, key.seal(plain, row.context)))
        await rotation_store.update_sealed(connection, column, sealed)
        return len(sealed), failed

    async def _progress(
        self, connection: Connection, *, done: int = 0, failed: int = 0, resealed: int = 0
    ) -> None:
        await rotation_store.update_progress(
            connection, self._rotation.id, done=done, failed=failed, resealed=resealed
        )

    async def _finish(self, connection: Connection) -> None:
        if self._rotation.kind == "keys":
            left = await store.get_count_wrapped_otherwise(
                connection, self._rotation.target_version
            )
            await self._progress(connection, failed=left)
        retired = await store.update_keys_retired(connection, self._rotation.target_version)
        state = await rotation_store.update_finished(connection, self._rotation.id)
        _log.info("rotation ended", kind=self._rotation.kind, state=state, retired=retired)
