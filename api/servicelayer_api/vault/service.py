"""The vault: seals and opens data for its owner and its place.

Invariants: data opens only for the owner, in the context and under the key it was sealed with; what
does not open is `Undecipherable`, counted, and told to nobody in more detail. Each seal is counted
in the database in the transaction of the change, which also finds out whether the data key is still
the owner's newest: a seal never uses an old one. The version with the highest number is the key in
force; a process that does not have it yet goes on with the newest it has, so that replicas can be
given a new key one after another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import Counter

from servicelayer_api.crypto.envelope import (
    DataKey,
    EnvelopeError,
    KeyEncryptionKey,
    data_key_of,
    make_data_key,
)
from servicelayer_api.errors import ServiceError
from servicelayer_api.ids import new_id
from servicelayer_api.vault import rules, store
from servicelayer_api.vault.cache import KeyCache
from servicelayer_api.vault.errors import Undecipherable, VaultClosed, WrongKey
from servicelayer_api.vault.models import WrappedKey
from servicelayer_api.web.modules import NotReady

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from prometheus_client import CollectorRegistry

    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.vault.models import KeyRow, SealedColumn

_ATTEMPTS: Final = 4

_log = structlog.get_logger(__name__)


class Vault:
    """What the other features call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: Sequence[KeyEncryptionKey],
        columns: Sequence[SealedColumn],
        metrics: CollectorRegistry,
    ) -> None:
        """Use these keys.

        Args:
            database: Where wrapped keys are kept.
            clock: Ages the cache.
            keys: That of SECRET_ENCRYPTION_KEY first, then the previous ones.
            columns: Where the features keep sealed data.
            metrics: Where failures are counted.
        """
        self._database = database
        self._keys = {key.fingerprint: key for key in reversed(keys)}
        self._current = keys[0] if keys else None
        self._versions: dict[int, KeyEncryptionKey] = {}
        self._verified = False
        self._cache = KeyCache(clock)
        self.columns = tuple(columns)
        self._failures = Counter(
            "vault_open_failures_total", "Stored data that did not open", registry=metrics
        )

    async def unlock(self) -> None:
        """Find out whether the keys open the database; make a new one the next version.

        Raises:
            WrongKey: They do not; names the fingerprints.
            Unavailable: The database does not answer.
        """
        if self._current is None:
            raise WrongKey("SECRET_ENCRYPTION_KEY is not set")
        current = self._current
        async with self._database.transaction() as connection:
            await store.lock_opening(connection)
            rows = await store.list_keys(connection)
            if self._judge(current, rows) == "add":
                version = max((row.version for row in rows), default=0) + 1
                check_value = current.make_check_value()
                await store.insert_key(connection, version, current.fingerprint, check_value)
                _log.info("new key version", version=version, fingerprint=current.fingerprint)
            await self._load(connection)
        self._verified = True

    async def check(self, connection: Connection) -> str:
        """Find out the same as `unlock` and write nothing.

        Returns:
            The fingerprint of the current key if no process has started with it yet; else empty.

        Raises:
            WrongKey: The keys do not open the database; names the fingerprints.
        """
        if self._current is None:
            raise WrongKey("SECRET_ENCRYPTION_KEY is not set")
        verdict = self._judge(self._current, await store.list_keys(connection))
        return self._current.fingerprint if verdict == "add" else ""

    def _judge(self, current: KeyEncryptionKey, rows: Sequence[KeyRow]) -> rules.Verdict:
        verdict = rules.judge(current.fingerprint, self._keys.keys(), rows)
        for row in rows:
            key = self._keys.get(row.fingerprint)
            if key is not None and not key.accepts(row.check_value):
                raise rules.damaged(row)
        return verdict

    async def probe(self) -> None:
        """Tell whether the vault can be used; asks the database until it once could.

        Raises:
            NotReady: with the reason, in fingerprints.
        """
        self._cache.sweep()
        if self._verified:
            return
        try:
            await self.unlock()
        except WrongKey as exc:
            raise NotReady(str(exc)) from exc
        except ServiceError as exc:
            raise NotReady(exc.detail) from exc

    async def seal(
        self, connection: Connection, owner: UUID | None, plaintext: bytes, *, context: str
    ) -> bytes:
        """Seal data.

        Args:
            connection: with the transaction that stores the result.
            owner: the account it belongs to; `None` for data of the program itself.
            plaintext: the data.
            context: names the place it is stored at: table, row, version. It opens nowhere else.

        Returns:
            What to store, 45 bytes longer than the data.

        Raises:
            VaultClosed: no key to wrap a data key with.
            Undecipherable: the owner's data key does not open.
        """
        return (await self.sealing_key(connection, owner)).seal(plaintext, context)

    async def open(
        self, connection: Connection, owner: UUID | None, sealed: bytes, *, context: str
    ) -> bytes:
        """Open data.

        Args:
            connection: used only when the data key is not in the cache.
            owner: as it was sealed for.
            sealed: what was stored.
            context: as it was sealed with.

        Raises:
            Undecipherable: it does not open.
            VaultClosed: the key that wraps its data key was not given to this process.
        """
        try:
            key = await self._data_key(connection, data_key_of(sealed))
            if key.owner == owner:
                return key.open(sealed, context)
        except EnvelopeError as exc:
            raise self._undecipherable() from exc
        raise self._undecipherable()

    def open_reference(self, blob: bytes) -> bytes:
        """Open a value that the reference server sealed, with any of the keys.

        Args:
            blob: nonce, ciphertext and tag, out of base64.

        Raises:
            Undecipherable: no key opens it.
        """
        for key in self._keys.values():
            try:
                return key.open_reference(blob)
            except EnvelopeError:
                continue
        raise self._undecipherable()

    def forget(self, owner: UUID) -> None:
        """Drop the keys of an account that is gone from memory."""
        self._cache.forget(owner)

    def available(self, fingerprint: str) -> bool:
        """Whether this process was given the key of a fingerprint."""
        return fingerprint in self._keys

    async def sealing_key(
        self, connection: Connection, owner: UUID | None, count: int = 1
    ) -> DataKey:
        """The newest data key of an owner, with `count` seals set down against it.

        Raises:
            VaultClosed: no key to wrap a data key with.
            Undecipherable: it does not unwrap.
        """
        for _ in range(_ATTEMPTS):
            key = self._cache.active(owner)
            if key is None:
                key = await self._load_active(connection, owner)
            if key is not None and await store.update_uses(connection, key.id, count):
                return key
            self._cache.drop_active(owner)
            await self._renew(connection, owner, count)
        raise VaultClosed("no data key could be made; try again")

    async def renew_data_key(self, connection: Connection, owner: UUID | None) -> None:
        """Give an owner a new data key; the old one goes on to open what it sealed."""
        held = await store.lock_active_data_key(connection, owner)
        if held is not None:
            await store.update_superseded(connection, held.id)
        await self._make(connection, owner, 1 if held is None else held.version + 1)

    async def rewrap(
        self, connection: Connection, wrapped: WrappedKey, target: int
    ) -> bytes | None:
        """Wrap a data key by the target version; `None` when it does not unwrap."""
        try:
            key = await self._unwrap(connection, wrapped)
        except EnvelopeError:
            self._failures.inc()
            return None
        return (await self._wrapping_key(connection, target)).wrap(
            key, wrapped.id, wrapped.owner, wrapped.version
        )

    async def _renew(self, connection: Connection, owner: UUID | None, count: int) -> None:
        """Make a data key where there is none, or none that can seal any more."""
        held = await store.lock_active_data_key(connection, owner)
        if held is None:
            await self._make(connection, owner, 1)
        elif not await store.update_uses(connection, held.id, count):
            _log.info("data key is used up", key=str(held.id), version=held.version)
            await store.update_superseded(connection, held.id)
            await self._make(connection, owner, held.version + 1)

    async def _make(self, connection: Connection, owner: UUID | None, version: int) -> None:
        if not self._versions:
            await self._load(connection)
        if not self._versions:
            raise VaultClosed("the encryption key is not confirmed yet; try again")
        newest = max(self._versions)
        key_id = new_id()
        wrapped = self._versions[newest].wrap(make_data_key(), key_id, owner, version)
        made = WrappedKey(
            id=key_id, owner=owner, version=version, key_version=newest, wrapped=wrapped
        )
        if not await store.insert_data_key(connection, made):
            # Another process made one, or retired the wrapping key; the caller looks again.
            await self._load(connection)

    async def _load_active(self, connection: Connection, owner: UUID | None) -> DataKey | None:
        found = await store.find_active_data_key(connection, owner)
        if found is None:
            return None
        try:
            return await self._remember(connection, found)
        except EnvelopeError as exc:
            raise self._undecipherable() from exc

    async def _data_key(self, connection: Connection, key_id: UUID) -> DataKey:
        key = self._cache.get(key_id)
        if key is not None:
            return key
        found = await store.find_data_key(connection, key_id)
        if found is None:
            raise EnvelopeError("its data key is gone")
        return await self._remember(connection, found, active=False)

    async def _remember(
        self, connection: Connection, found: WrappedKey, *, active: bool = True
    ) -> DataKey:
        raw = await self._unwrap(connection, found)
        key = DataKey(raw, found.id, found.owner, found.version)
        self._cache.put(key, active=active)
        return key

    async def _unwrap(self, connection: Connection, found: WrappedKey) -> bytes:
        wrapping = await self._wrapping_key(connection, found.key_version)
        return wrapping.unwrap(found.wrapped, found.id, found.owner, found.version)

    async def _wrapping_key(self, connection: Connection, version: int) -> KeyEncryptionKey:
        if version not in self._versions:
            await self._load(connection)
        key = self._versions.get(version)
        if key is None:
            _log.error("a key version is needed that is not set here", version=version)
            raise VaultClosed("a key that is needed is not available here")
        return key

    async def _load(self, connection: Connection) -> None:
        rows = await store.list_fingerprints(connection)
        self._versions = {
            version: self._keys[fingerprint]
            for version, fingerprint in rows.items()
            if fingerprint in self._keys
        }

    def _undecipherable(self) -> Undecipherable:
        self._failures.inc()
        return Undecipherable()
