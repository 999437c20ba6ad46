"""Use cases of the wallets that accounts have registered, and what a wallet may act for.

Invariant: a wallet opens the accounts where it is registered and active, and no others; its
sessions are checked against that at each request, so they end with it after five seconds at most,
the time for which a process trusts what it looked up. Refused: an account key that registers one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.accounts import rules
from servicelayer_api.accounts import wallet_store as store
from servicelayer_api.accounts.errors import AccountNotFound, WalletNotFound
from servicelayer_api.accounts.models import Wallet
from servicelayer_api.ids import new_id, parse_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.accounts.models import NewWallet
    from servicelayer_api.accounts.service import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.web.pagination import PageRequest, Slice
    from servicelayer_api.web.principal import Caller, Grant

_TRUST_SECONDS: Final = 5.0
_CACHE_SIZE: Final = 4096


class Wallets:
    """What the routes, logins, the authenticator and the data feeds call."""

    def __init__(
        self, database: Database, clock: Clock, audit: AuditLog, accounts: Accounts
    ) -> None:
        """Keep wallets in this database."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._trusted: dict[tuple[str, str, datetime], tuple[tuple[Grant, ...], float]] = {}

    async def add(self, caller: Caller, account_id: str, new: NewWallet) -> Wallet:
        """Register a wallet, which may from then on log in for the account and sign for its feeds.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            AccountKeyNotAllowed: by an account key, which would get a login that outlives it.
            AccountSuspended: the account is suspended.
            WalletExists: the account has it.
            Invalid: names each field at fault.
        """
        principal = caller.require_principal()
        rules.check_not_account_key(principal)
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            maker = principal.find_grant(account.id)
            if maker is None:
                raise AccountNotFound("account not found")
            now = self._clock.now()
            wallet = Wallet(
                id=new_id(),
                workspace_id=account.id,
                wallet_address=rules.check_wallet(new),
                label=new.label,
                status=new.status,
                created_at=now,
                updated_at=now,
            )
            await store.insert_wallet(connection, wallet, caller.require_tenant(), maker)
            await self._audit.record_of(
                connection, caller, "wallet.create", 201, wallet, after=wallet
            )
        return wallet

    async def list_wallets(
        self, caller: Caller, account_id: str, page: PageRequest
    ) -> Slice[Wallet]:
        """List the wallets of an account, newest first.

        Raises:
            AccountNotFound: as `Accounts.reach`.
        """
        async with self._database.connection() as connection:
            account = await self._accounts.reach(connection, caller, account_id)
            return await store.list_wallets(connection, account.id, page)

    async def get_wallet(self, caller: Caller, account_id: str, wallet_id: str) -> Wallet:
        """Find a wallet of an account.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            WalletNotFound: the account has none of this id.
        """
        async with self._database.connection() as connection:
            wallet = await self._accounts.reach_item(
                connection, caller, account_id, wallet_id, store.find_wallet
            )
        if wallet is None:
            raise WalletNotFound("wallet not found")
        return wallet

    async def remove_wallet(self, caller: Caller, account_id: str, wallet_id: str) -> None:
        """Remove a wallet; its sessions, and what was made by them, end.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            AccountSuspended: the account is suspended.
            WalletNotFound: the account has none of this id.
        """
        async with self._database.transaction() as connection:
            account = await self._accounts.reach(connection, caller, account_id, write=True)
            found = parse_id(wallet_id)
            gone = await store.delete_wallet(connection, account.id, found) if found else None
            if gone is None:
                raise WalletNotFound("wallet not found")
            await self._audit.record_of(connection, caller, "wallet.delete", 204, gone, before=gone)
        self.forget()

    async def list_unregistered(
        self, connection: Connection, account_id: UUID, wallets: list[str]
    ) -> list[str]:
        """Those of the wallets (script hashes as kept) that the account has not registered."""
        return await store.list_unregistered(connection, account_id, wallets) if wallets else []

    async def list_tenants(self, connection: Connection, wallet: str) -> list[str]:
        """The tenants in which a wallet (script hash as kept) opens an active account."""
        return await store.list_wallet_tenants(connection, wallet)

    async def list_grants(
        self, connection: Connection, wallet: str, tenant: str
    ) -> tuple[list[Grant], datetime | None]:
        """What a wallet opens in a tenant now, and when the last account registered it."""
        return await store.list_grants(connection, wallet, tenant, None)

    async def find_grants(self, wallet: str, tenant: str, until: datetime) -> tuple[Grant, ...]:
        """What is left of a session: what its wallet opens, of what it opened at the login.

        Args:
            wallet: script hash as kept.
            tenant: of the session.
            until: when the last account had registered the wallet by then.
        """
        key = (wallet, tenant, until)
        trusted = self._trusted.get(key)
        if trusted is not None and self._clock.monotonic() < trusted[1]:
            return trusted[0]
        async with self._database.connection() as connection:
            found, _ = await store.list_grants(connection, wallet, tenant, until)
        if len(self._trusted) >= _CACHE_SIZE:
            self._trusted.clear()
        self._trusted[key] = (tuple(found), self._clock.monotonic() + _TRUST_SECONDS)
        return tuple(found)

    def forget(self) -> None:
        """Drop what was looked up."""
        self._trusted.clear()
