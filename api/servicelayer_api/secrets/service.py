"""Use cases of secrets: keep, give out, change, bring back.

Invariants: every change is a new version, made under the lock of the secret's row together with
its audit entry; a value is opened only for those whom the access bits, or their place in the
tenant, allow. Access bits and expiry are part of what a value is sealed with, so that bits changed
in the database open nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from servicelayer_api.db import SharedReads
from servicelayer_api.ids import new_id
from servicelayer_api.secrets import rules, store
from servicelayer_api.secrets.errors import SecretNotFound, TooManySecrets
from servicelayer_api.secrets.models import StoredSecret
from servicelayer_api.secrets.sealing import Sealer, blank_version
from servicelayer_api.web.pagination import by_age

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.secrets.models import (
        NewSecret,
        Reader,
        RollbackRequest,
        Secret,
        SecretChange,
        SecretMetadata,
        SecretVersion,
        StoredVersion,
    )
    from servicelayer_api.secrets.readings import Readings
    from servicelayer_api.vault import Vault
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller


class Secrets:
    """What the routes and the other features call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        vault: Vault,
        readings: Readings,
        *,
        most: int,
    ) -> None:
        """Keep secrets in this database, `most` of them an account."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._sealer = Sealer(vault)
        self._readings = readings
        self._reads = SharedReads(database)
        self._most = most

    async def list_secrets(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[SecretMetadata]:
        """List the secrets of an account without their values, oldest first.

        Raises:
            AccountNotFound: not in this tenant, or not the key's own.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            found = await store.list_secrets(connection, account.id, page.moment(), page.rows)
        now = self._clock.now()
        return page.cut(found, lambda pair: by_age(pair[0])).show(
            lambda pair: rules.metadata(*pair, now)
        )

    async def add(
        self, caller: Caller, account_id: str, new: NewSecret
    ) -> tuple[SecretMetadata, str]:
        """Make a secret.

        Returns:
            It without its value, and its entity tag.

        Raises:
            AccountNotFound: as `list_secrets`.
            AccountSuspended: the account is suspended.
            Invalid: names each field at fault.
            SecretExists: the account has one of this name.
            TooManySecrets: the account has as many as it may.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            rules.check_new(new, now)
            if await store.lock_quota(connection, account.id) >= self._most:
                raise TooManySecrets(f"an account may have {self._most} secrets")
            secret = StoredSecret(
                id=new_id(),
                account_id=account.id,
                name=new.name,
                name_key=rules.name_key(new.name),
                version=1,
                created_at=now,
                updated_at=now,
            )
            await store.insert_secret(connection, secret)
            blank = blank_version(
                secret, caller, now, number=1, acl=new.acl, expires_at=new.expires_at
            )
            version = await self._sealer.seal(connection, secret, blank, new.value)
            await store.insert_version(connection, version)
            shown = rules.metadata(secret, version, now)
            await self._audit.record_of(
                connection, caller, "secret.create", 201, secret, after=shown
            )
        return shown, rules.etag(secret)

    async def read(
        self, caller: Caller, account_id: str, name: str, number: int | None
    ) -> tuple[Secret, str]:
        """Give a secret out.

        Args:
            caller: who asks.
            account_id: as it stands in the path.
            name: in any case.
            number: the version; `None` is the present one.

        Returns:
            The secret with its value, and the entity tag of its present version.

        Raises:
            AccountNotFound: as `list_secrets`.
            SecretNotFound: none of this name, or not this version.
            SecretAccessDenied: the access bits do not name this kind of credential.
            SecretExpired: the present version has expired, or the one that was asked for.
            Undecipherable: it was changed in the database, or its key is lost.
            AuditUnavailable: the reading cannot be recorded.
        """
        # What is found depends on nothing else of the request. Each reading is recorded for itself.
        what = (caller.require_principal(), account_id, name, number)
        secret, version, value = await self._reads.get(
            what, lambda: self._look_up(caller, account_id, name, number)
        )
        await self._readings.note(caller, secret, version)
        return rules.disclose(secret, version, value), rules.etag(secret)

    async def _look_up(
        self, caller: Caller, account_id: str, name: str, number: int | None
    ) -> tuple[StoredSecret, StoredVersion, str]:
        """Find a version and open it, for whom it may be given to."""
        principal = caller.require_principal()
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            secret, version = await self._find(connection, account.id, name)
            rules.check_may_read(principal, version.acl)
            value = await self._give(connection, secret, version)
            if number is not None and number != version.version:
                version = await self._find_version(connection, secret, number)
                value = await self._give(connection, secret, version)
        return secret, version, value

    async def reveal(
        self, connection: Connection, account_id: UUID, name: str, *, reader: Reader
    ) -> str:
        """Give a secret's value to a module of the product.

        Args:
            connection: where to look and to record it; a transaction is committed before the value
                is used.
            account_id: the account the module acts for.
            name: in any case.
            reader: which module; its bit must be set.

        Raises:
            SecretNotFound: none of this name.
            SecretAccessDenied: the bit is not set.
            SecretExpired: it has expired.
            Undecipherable: as `read`.
            AuditUnavailable: as `read`.
        """
        secret, version = await self._find(connection, account_id, name)
        rules.check_reader(reader, version.acl)
        value = await self._give(connection, secret, version)
        await self._readings.note_module(connection, reader, secret, version)
        return value

    async def change(
        self, caller: Caller, account_id: str, name: str, change: SecretChange, if_match: str
    ) -> tuple[SecretMetadata, str]:
        """Change value, access bits or expiry: a new version.

        Args:
            caller: who asks.
            account_id: as it stands in the path.
            name: in any case.
            change: what is to change.
            if_match: the header `If-Match`; empty when it was not sent.

        Returns:
            The secret without its value, and its entity tag.

        Raises:
            AccountNotFound: as `list_secrets`.
            AccountSuspended: the account is suspended.
            Invalid: names each field at fault.
            SecretNotFound: none of this name.
            SecretChanged: it is at another version than `if_match` names.
            SecretAccessDenied: an account key would add access bits.
            Undecipherable: the value stays and does not open.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            rules.check_change(change, now)
            secret, version = await self._lock(connection, account.id, name, if_match)
            acl = version.acl if isinstance(change.acl, UnsetType) else change.acl
            rules.check_may_grant(caller.require_principal(), version.acl, acl)
            if isinstance(change.value, UnsetType):
                value = await self._sealer.open(connection, secret, version)
            else:
                value = change.value
            expires_at = version.expires_at if change.expires_at is UNSET else change.expires_at
            blank = blank_version(
                secret, caller, now, number=secret.version + 1, acl=acl, expires_at=expires_at
            )
            return await self._follow(
                connection,
                caller,
                "secret.change",
                secret,
                version,
                blank,
                value,
            )

    async def roll_back(
        self, caller: Caller, account_id: str, name: str, wanted: RollbackRequest, if_match: str
    ) -> tuple[SecretMetadata, str]:
        """Bring the value of an older version back as a new one; arguments and result as `change`.

        Raises:
            AccountNotFound: as `list_secrets`.
            AccountSuspended: the account is suspended.
            SecretNotFound: none of this name, or not this version.
            SecretChanged: it is at another version than `if_match` names.
            Undecipherable: the old value does not open.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            secret, version = await self._lock(connection, account.id, name, if_match)
            old = await self._find_version(connection, secret, wanted.version)
            value = await self._sealer.open(connection, secret, old)
            blank = blank_version(
                secret,
                caller,
                now,
                number=secret.version + 1,
                acl=version.acl,
                expires_at=version.expires_at,
                restored_from=old.version,
            )
            return await self._follow(
                connection, caller, "secret.rollback", secret, version, blank, value
            )

    async def remove(self, caller: Caller, account_id: str, name: str, if_match: str) -> None:
        """Delete a secret and all its versions.

        Raises:
            AccountNotFound: as `list_secrets`.
            AccountSuspended: the account is suspended.
            SecretNotFound: none of this name.
            SecretChanged: it is at another version than `if_match` names.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            secret, version = await self._lock(connection, account.id, name, if_match)
            await store.delete_secret(connection, secret.id)
            shown = rules.metadata(secret, version, self._clock.now())
            await self._audit.record_of(
                connection, caller, "secret.delete", 204, secret, before=shown
            )

    async def list_versions(
        self, caller: Caller, account_id: str, name: str, page: PageRequest
    ) -> Slice[SecretVersion]:
        """List the versions of a secret without their values, newest first.

        Raises:
            AccountNotFound: as `list_secrets`.
            SecretNotFound: none of this name.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            secret, _ = await self._find(connection, account.id, name)
            below = page.number() or secret.version + 1
            found = await store.list_versions(connection, secret.id, below, page.rows)
        now = self._clock.now()
        return page.cut(found, lambda version: (version.version,)).show(
            lambda version: rules.history(secret, version, now)
        )

    async def _find(
        self, connection: Connection, account_id: UUID, name: str
    ) -> tuple[StoredSecret, StoredVersion]:
        found = await store.find_secret(connection, account_id, rules.name_key(name))
        if found is None:
            raise SecretNotFound("secret not found")
        return found

    async def _lock(
        self, connection: Connection, account_id: UUID, name: str, if_match: str
    ) -> tuple[StoredSecret, StoredVersion]:
        found = await store.lock_secret(connection, account_id, rules.name_key(name))
        if found is None:
            raise SecretNotFound("secret not found")
        rules.check_match(if_match, found[0])
        return found

    @staticmethod
    async def _find_version(
        connection: Connection, secret: StoredSecret, number: int
    ) -> StoredVersion:
        found = await store.find_version(connection, secret.id, number)
        if found is None:
            raise SecretNotFound("the secret has no such version, or not any more")
        return found

    async def _give(
        self, connection: Connection, secret: StoredSecret, version: StoredVersion
    ) -> str:
        rules.check_fresh(version.expires_at, self._clock.now())
        return await self._sealer.open(connection, secret, version)

    async def _follow(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        secret: StoredSecret,
        present: StoredVersion,
        blank: StoredVersion,
        value: str,
    ) -> tuple[SecretMetadata, str]:
        """Add the next version of a secret that is locked."""
        before = rules.metadata(secret, present, blank.created_at)
        version = await self._sealer.seal(connection, secret, blank, value)
        await store.insert_version(connection, version)
        changed = replace(secret, version=version.version, updated_at=version.created_at)
        await store.update_secret(
            connection, secret.id, version=changed.version, now=changed.updated_at
        )
        await store.delete_versions(connection, secret.id, changed.version - rules.MAX_VERSIONS)
        await self._sealer.take_in(connection, secret)
        shown = rules.metadata(changed, version, version.created_at)
        await self._audit.record_of(
            connection, caller, action, 200, secret, before=before, after=shown
        )
        return shown, rules.etag(changed)
