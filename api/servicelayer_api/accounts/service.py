"""Use cases of accounts; those of their wallets stand in `wallets`.

Invariant: an account is reached only through the tenant of the request, and by an account key or a
wallet's session only if it is one of theirs; whatever else exists is answered as if it did not.
Every change and its audit entry share one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from servicelayer_api.accounts import rules, store
from servicelayer_api.accounts.errors import AccountNotFound
from servicelayer_api.accounts.models import Account
from servicelayer_api.accounts.wallets import Wallets
from servicelayer_api.admin import QuotaExceeded
from servicelayer_api.db import SharedReads
from servicelayer_api.db.groups import HELD, Held
from servicelayer_api.errors import ServiceError
from servicelayer_api.ids import new_id, parse_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from servicelayer_api.accounts.models import AccountChange, NewAccount
    from servicelayer_api.admin import Quotas
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller

type _Reached = Account | ServiceError | Held


class Accounts:
    """What routes and other features call.

    Attributes:
        wallets: The wallets that accounts have registered.
    """

    def __init__(self, database: Database, clock: Clock, audit: AuditLog, quotas: Quotas) -> None:
        """Keep accounts in this database, as many a tenant as its quota allows."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._quotas = quotas
        self._reads = SharedReads(database)
        self.wallets = Wallets(database, clock, audit, self)
        self._when_closed: list[Callable[[UUID], None]] = [lambda _: self.wallets.forget()]

    def when_closed(self, told: Callable[[UUID], None]) -> None:
        """Have a lower room told of each account that was deleted, to drop what it remembers."""
        self._when_closed.append(told)

    async def open_account(self, caller: Caller, new: NewAccount) -> Account:
        """Open an account in the tenant of the request.

        Raises:
            Invalid: names each field at fault.
            AccountKeyNotAllowed: by an account key.
            AccountBound: by a wallet's session.
            QuotaExceeded: the tenant has as many accounts as it may.
        """
        principal, tenant = caller.require_principal(), caller.require_tenant()
        rules.check_may_open(principal)
        limit = await self._quotas.limit("accounts", tenant)
        now = self._clock.now()
        account = Account(
            id=new_id(),
            owner=new.owner,
            metadata=rules.check_new_account(new, tenant),
            created_at=now,
            updated_at=now,
        )
        async with self._database.transaction() as connection:
            if limit is not None and await store.lock_and_count(connection, tenant) >= limit:
                raise QuotaExceeded("max_accounts", limit)
            await store.insert_account(connection, account, tenant)
            await self._record(connection, caller, "account.create", 201, account.id, after=account)
        return account

    async def list_accounts(self, caller: Caller, page: PageRequest) -> Slice[Account]:
        """List the accounts of the tenant, oldest first; for a bound credential its own only.

        Raises:
            AccountSuspended: all of its own are suspended.
        """
        principal, tenant = caller.require_principal(), caller.require_tenant()
        bounds = principal.bounds
        if bounds is None:
            return await self._reads.get(
                (tenant, page.limit, page.after), lambda: self._list(tenant, page)
            )
        async with self._database.connection() as connection:
            found = await store.list_bound_accounts(connection, tenant, bounds, page)
            if not found.items and page.after is None:
                own = await store.find_account(connection, bounds[0], tenant)
                if own is not None:
                    rules.check_usable(own.status, principal, write=False)
        return found

    async def _list(self, tenant: str, page: PageRequest) -> Slice[Account]:
        async with self._database.connection() as connection:
            return await store.list_accounts(connection, tenant, page)

    async def get_account(self, caller: Caller, account_id: str) -> Account:
        """Find an account.

        Raises:
            AccountNotFound: not in this tenant, or not the key's own.
        """
        async with self._database.connection() as connection:
            return await self.reach(connection, caller, account_id)

    async def change_account(
        self, caller: Caller, account_id: str, change: AccountChange
    ) -> Account:
        """Change owner, metadata or status.

        Raises:
            AccountNotFound: as `get_account`.
            AccountSuspended: it is suspended and the change is not to reopen it.
            Forbidden: the status is not this principal's to change.
            Invalid: names each field at fault.
        """
        principal, tenant = caller.require_principal(), caller.require_tenant()
        found = self._may_reach(caller, account_id)
        async with self._database.transaction() as connection:
            account = await store.lock_account(connection, found, tenant)
            if account is None:
                raise AccountNotFound("account not found")
            rules.check_may_set_status(principal, change)
            owner, metadata, status = rules.check_change(change, account.metadata, tenant)
            rules.check_usable(status or account.status, principal, write=status is None)
            changed = replace(
                account,
                owner=owner if owner is not None else account.owner,
                metadata=metadata,
                status=status or account.status,
                updated_at=self._clock.now(),
            )
            await store.update_account(connection, changed)
            await self._record(
                connection, caller, "account.change", 200, found, before=account, after=changed
            )
        return changed

    async def close_account(self, caller: Caller, account_id: str) -> None:
        """Delete an account and all that hangs on it.

        Raises:
            AccountNotFound: as `get_account`.
            AccountKeyNotAllowed: by an account key.
            AccountInUse: it still holds gas.
        """
        principal, tenant = caller.require_principal(), caller.require_tenant()
        found = self._may_reach(caller, account_id)
        rules.check_not_account_key(principal)
        async with self._database.transaction() as connection:
            gone = await store.delete_account(connection, found, tenant)
            if gone is None:
                raise AccountNotFound("account not found")
            await self._record(connection, caller, "account.delete", 204, found, before=gone)
        for told in self._when_closed:
            told(found)

    async def reach(
        self,
        connection: Connection,
        caller: Caller,
        account_id: str,
        *,
        write: bool = False,
        stops: bool = False,
    ) -> Account:
        """The door every feature below an account goes through.

        Args:
            connection: with a transaction open if `write`.
            caller: who asks.
            account_id: as it stands in the path.
            write: whether something of the account will change; it then stays until the transaction
                ends.
            stops: whether the change only stops something, which a suspended account allows too.

        Returns:
            The account.

        Raises:
            AccountNotFound: not in this tenant, or not the key's own.
            AccountSuspended: it is suspended, and this is a change, or a key or a wallet asks.
        """
        tenant = caller.require_tenant()
        found = self._may_reach(caller, account_id)
        find = store.keep_account if write else store.find_account
        account = await find(connection, found, tenant)
        if account is None:
            raise AccountNotFound("account not found")
        changes = write and not stops
        rules.check_usable(account.status, caller.require_principal(), write=changes)
        return account

    async def reach_item[T](
        self,
        connection: Connection,
        caller: Caller,
        account_id: str,
        item_id: str,
        find: Callable[[Connection, UUID, UUID], Awaitable[T | None]],
        *,
        write: bool = False,
    ) -> T | None:
        """The same door for one thing that an account holds.

        Args:
            connection: as for `reach`.
            caller: who asks.
            account_id: as it stands in the path.
            item_id: likewise.
            find: finds, or holds, what this account has under this id.
            write: as for `reach`.

        Returns:
            What was found; `None` when nothing was, or when `item_id` is no id.

        Raises:
            AccountNotFound: as `reach`.
            AccountSuspended: as `reach`.
        """
        account = await self.reach(connection, caller, account_id, write=write)
        wanted = parse_id(item_id)
        return None if wanted is None else await find(connection, account.id, wanted)

    async def reach_many(
        self, connection: Connection, wanted: Sequence[tuple[Caller, str]], *, wait: bool
    ) -> list[_Reached]:
        """The same door for changes of several requests that share one transaction; one query.

        Args:
            connection: with the transaction open.
            wanted: who asks, and the account as it stands in the path; one a request.
            wait: whether to wait for accounts that somebody else holds, such as one that is being
                deleted.

        Returns:
            In the same order, the account or the refusal that `reach` would have raised; `HELD` for
            one that is held or not there, when there is no waiting.
        """
        asked = [self._ask(caller, account_id) for caller, account_id in wanted]
        keys = {key for key in asked if not isinstance(key, ServiceError)}
        kept = await store.keep_accounts(connection, sorted(keys), wait=wait) if keys else {}
        absent = AccountNotFound("account not found") if wait else HELD

        def judge(key: tuple[UUID, str] | ServiceError, caller: Caller) -> _Reached:
            if isinstance(key, ServiceError):
                return key
            return _usable(kept[key], caller) if key in kept else absent

        return [judge(key, caller) for key, (caller, _) in zip(asked, wanted, strict=True)]

    def _ask(self, caller: Caller, account_id: str) -> tuple[UUID, str] | ServiceError:
        try:
            tenant = caller.require_tenant()
            return self._may_reach(caller, account_id), tenant
        except ServiceError as exc:
            return exc

    async def list_active(self, connection: Connection, account_ids: set[UUID]) -> set[UUID]:
        """Those of the accounts that are there and not suspended; for background workers."""
        return await store.list_active(connection, account_ids) if account_ids else set()

    @staticmethod
    def _may_reach(caller: Caller, account_id: str) -> UUID:
        found = parse_id(account_id)
        if found is None or not rules.may_reach(caller.require_principal(), found):
            raise AccountNotFound("account not found")
        return found

    async def _record(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        status: int,
        account_id: UUID,
        resource_id: UUID | None = None,
        *,
        before: object = None,
        after: object = None,
    ) -> None:
        await self._audit.record(
            connection,
            caller,
            action=action,
            status=status,
            account_id=account_id,
            resource_id=resource_id or account_id,
            before=before,
            after=after,
        )


def _usable(account: Account, caller: Caller) -> Account | ServiceError:
    """The account if this caller may change something of it now, else the refusal."""
    try:
        rules.check_usable(account.status, caller.require_principal(), write=True)
    except ServiceError as exc:
        return exc
    return account
