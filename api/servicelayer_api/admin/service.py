"""The use cases of the configuration: list, show, make, replace, change and delete items.

Invariants: only an admin of the platform changes anything; each change and its audit entry, with
digests of the item before and after, share one transaction; a provider's API key is sealed before
it is stored and never leaves again. PUT of an item that the caller names makes it when it is
missing; PUT of one that the server named does not. Deleting what is not there is no fault.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import asdict, replace

from servicelayer_api.admin import rules, store
from servicelayer_api.admin.errors import ItemNotFound
from servicelayer_api.admin.models import MASK, NO_TIME, Change, Item, ProviderChange, Quota
from servicelayer_api.ids import new_id, parse_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from servicelayer_api.admin.rules import Collection
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller


class KeyVault(Protocol):
    """What seals providers' API keys."""

    async def seal(
        self, connection: Connection, owner: UUID | None, plaintext: bytes, *, context: str
    ) -> bytes:
        """Seal data of an owner, or of the program."""
        ...

    async def open(
        self, connection: Connection, owner: UUID | None, sealed: bytes, *, context: str
    ) -> bytes:
        """Open it again."""
        ...


class Configuration:
    """What the routes and the features that use the configuration call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        vault: KeyVault,
        on_quota: Callable[[str], None],
    ) -> None:
        """Keep the configuration in this database.

        Args:
            database: where.
            clock: the time of changes.
            audit: records them.
            vault: seals API keys.
            on_quota: told of the tenant whose quota changed.
        """
        self._database = database
        self._clock = clock
        self._audit = audit
        self._vault = vault
        self._on_quota = on_quota

    async def list_items[T: Item](
        self,
        caller: Caller,
        collection: Collection[T],
        page: PageRequest,
        only: str | None = None,
    ) -> Slice[T]:
        """List items by their key.

        Raises:
            PlatformAdminOnly: not for this caller.
        """
        rules.require_platform_admin(caller)
        after = page.after[0] if page.after else None
        async with self._database.connection() as connection:
            found = await store.list_items(
                connection, collection, only=only, after=after, limit=page.rows
            )
        return page.cut(found, lambda item: (getattr(item, collection.key),))

    async def get_item[T: Item](self, caller: Caller, collection: Collection[T], key: str) -> T:
        """Show an item. The quota of a tenant may be seen by an admin who is bound to it.

        Raises:
            PlatformAdminOnly: not for this caller.
            ItemNotFound: there is none.
        """
        bound_to = caller.require_admin().credential.tenant
        if not (isinstance(collection.empty, Quota) and bound_to == key):
            rules.require_platform_admin(caller)
        async with self._database.connection() as connection:
            return await self._find(connection, collection, key)

    async def create_item[T: Item](
        self, caller: Caller, collection: Collection[T], change: Change
    ) -> T:
        """Make an item.

        Raises:
            PlatformAdminOnly: not for this caller.
            Invalid: names each field at fault.
            ItemExists: there is one of this key or name.
        """
        user = rules.require_platform_admin(caller).user
        item = self._stamp(rules.new_item(collection, change), user, new=True)
        async with self._database.transaction() as connection:
            await self._insert(connection, caller, collection, item, change, 201)
        self._tell_quota(collection, item)
        return _untold(item, collection.untold_on_post)

    async def replace_item[T: Item](
        self, caller: Caller, collection: Collection[T], key: str, change: Change
    ) -> T:
        """Put an item in the place of another; what is not sent becomes empty.

        Raises:
            PlatformAdminOnly: not for this caller.
            Invalid: names each field at fault.
            ItemNotFound: there is none, and its key is the server's to make.
            ItemExists: there is another of this name.
        """
        user = rules.require_platform_admin(caller).user
        rules.check_key(collection, key, change)
        async with self._database.transaction() as connection:
            found = _parse(collection, key)
            before = await store.find_item(connection, collection, found, lock=True)
            if before is None and not collection.named:
                raise ItemNotFound(f"there is no such {collection.name}")
            kept = _kept(collection, before, key, change)
            item = rules.checked(
                collection, rules.apply(collection, replace(collection.empty, **kept), change)
            )
            item = self._stamp(replace(item, **kept), user)
            if before is None:
                await self._insert(connection, caller, collection, item, change, 200)
            else:
                await self._update(connection, caller, collection, before, item, change)
        self._tell_quota(collection, item)
        return _untold(item, collection.untold_on_put)

    async def change_item[T: Item](
        self, caller: Caller, collection: Collection[T], key: str, change: Change
    ) -> T:
        """Set the fields that were sent; the others stay as they are.

        Raises:
            PlatformAdminOnly: not for this caller.
            Invalid: names each field at fault.
            ItemNotFound: there is none.
            ItemExists: there is another of this name.
        """
        user = rules.require_platform_admin(caller).user
        rules.check_key(collection, key, change)
        async with self._database.transaction() as connection:
            before = await self._find(connection, collection, key, lock=True)
            kept = _kept(collection, before, key, change)
            item = replace(rules.apply(collection, before, change), **kept)
            item = self._stamp(rules.checked(collection, item), user)
            await self._update(connection, caller, collection, before, item, change, patch=True)
        self._tell_quota(collection, item)
        return item

    async def delete_item(self, caller: Caller, collection: Collection[Any], key: str) -> None:
        """Delete an item, if it is there.

        Raises:
            PlatformAdminOnly: not for this caller.
        """
        rules.require_platform_admin(caller)
        found = _parse(collection, key)
        if found is None:
            return
        async with self._database.transaction() as connection:
            before = await store.find_item(connection, collection, found, lock=True)
            if before is None:
                return
            state = await self._state(connection, before)
            await store.delete_item(connection, collection, found)
            await self._record(connection, caller, collection, "delete", 204, key, state, None)
        self._tell_quota(collection, before)

    async def provider_key(self, connection: Connection, provider_id: UUID) -> bytes | None:
        """Open a provider's API key, for the feature that calls it; `None` when it has none."""
        sealed = await store.find_sealed_key(connection, provider_id)
        if sealed is None:
            return None
        return await self._vault.open(connection, None, sealed, context=_context(provider_id))

    async def _find[T: Item](
        self, connection: Connection, collection: Collection[T], key: str, *, lock: bool = False
    ) -> T:
        found = _parse(collection, key)
        item = (
            None
            if found is None
            else await store.find_item(connection, collection, found, lock=lock)
        )
        if item is None:
            raise ItemNotFound(f"there is no such {collection.name}")
        return item

    async def _insert(
        self,
        connection: Connection,
        caller: Caller,
        collection: Collection[Any],
        item: Item,
        change: Change,
        status: int,
    ) -> None:
        values = _values(item)
        values.update(await self._sealed(connection, item, change))
        await store.insert_item(connection, collection, values)
        key = str(getattr(item, collection.key))
        after = await self._state(connection, item)
        await self._record(connection, caller, collection, "create", status, key, None, after)

    async def _update(
        self,
        connection: Connection,
        caller: Caller,
        collection: Collection[Any],
        before: Item,
        item: Item,
        change: Change,
        *,
        patch: bool = False,
    ) -> None:
        key = getattr(before, collection.key)
        old = await self._state(connection, before)
        values = _values(item)
        values.update(await self._sealed(connection, item, change, patch=patch))
        await store.update_item(connection, collection, key, values)
        new = await self._state(connection, item)
        verb = "change" if patch else "replace"
        await self._record(connection, caller, collection, verb, 200, str(key), old, new)

    async def _sealed(
        self, connection: Connection, item: Item, change: Change, *, patch: bool = False
    ) -> dict[str, bytes | None]:
        """What becomes of a provider's key: sealed anew, removed, or nothing to write."""
        if not isinstance(change, ProviderChange):
            return {}
        sent = change.api_key
        if isinstance(sent, str) and sent not in {"", MASK}:
            context = _context(getattr(item, "id", None))
            key = await self._vault.seal(connection, None, sent.encode(), context=context)
            return {"api_key_sealed": key}
        if sent == MASK or (patch and sent != ""):
            return {}
        return {"api_key_sealed": None}

    async def _state(self, connection: Connection, item: Item) -> dict[str, Any]:
        """An item as the audit log digests it: instead of an API key the digest of what is kept."""
        state = asdict(item)
        if "api_key" in state:
            sealed = await store.find_sealed_key(connection, state["id"])
            state["api_key"] = hashlib.sha256(sealed).hexdigest() if sealed else ""
        return state

    async def _record(
        self,
        connection: Connection,
        caller: Caller,
        collection: Collection[Any],
        verb: str,
        status: int,
        key: str,
        before: object,
        after: object,
    ) -> None:
        await self._audit.record(
            connection,
            caller,
            action=f"admin.{collection.name}.{verb}",
            status=status,
            resource_id=key,
            before=before,
            after=after,
        )

    def _stamp[T: Item](self, item: T, user: str, *, new: bool = False) -> T:
        """Set what only the server sets."""
        now, fields = self._clock.now(), item.__struct_fields__
        stamps: dict[str, Any] = {"updated_at": now, "updated_by": user}
        if new:
            stamps |= {"id": new_id(), "created_at": now}
        return replace(item, **{name: stamps[name] for name in stamps if name in fields})

    def _tell_quota(self, collection: Collection[Any], item: Item) -> None:
        if isinstance(item, Quota) and collection is rules.QUOTAS:
            self._on_quota(item.tenant_id)


def _parse(collection: Collection[Any], key: str) -> object:
    return key if collection.named else parse_id(key)


def _kept(
    collection: Collection[Any], before: Item | None, key: str, change: Change
) -> dict[str, Any]:
    """What a change leaves alone: the key, the times that are not its own, a masked API key."""
    if before is None:
        return {collection.key: key}
    names = [collection.key, "created_at", "last_check_at"]
    if isinstance(change, ProviderChange) and change.api_key == MASK:
        names.append("api_key")
    return {name: getattr(before, name) for name in names if name in before.__struct_fields__}


def _values(item: Item) -> dict[str, Any]:
    """An item's columns; the API key has one of its own."""
    values = asdict(item)
    values.pop("api_key", None)
    if values.get("last_check_at") == NO_TIME:
        values["last_check_at"] = None
    return values


def _untold[T: Item](item: T, names: tuple[str, ...]) -> T:
    return replace(item, **dict.fromkeys(names, NO_TIME))


def _context(provider_id: UUID | None) -> str:
    return f"admin-provider|{provider_id}|api-key"
