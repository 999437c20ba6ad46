"""The SQL of accounts and wallets. Every query that finds a row by id also asks for the tenant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import asyncpg

from servicelayer_api.accounts.errors import AccountInUse, WalletExists
from servicelayer_api.accounts.models import Account, Wallet
from servicelayer_api.web.pagination import by_age, following

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicelayer_api.db import Connection
    from servicelayer_api.web.pagination import PageRequest, Slice

_ACCOUNT: Final = "id, owner, metadata, status, created_at, updated_at"
_WALLET: Final = "id, account_id, wallet_address, label, status, created_at, updated_at"


async def insert_account(connection: Connection, account: Account, tenant: str) -> None:
    """Add an account."""
    await connection.execute(
        "INSERT INTO accounts (id, tenant, owner, metadata, status, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        account.id,
        tenant,
        account.owner,
        json.dumps(account.metadata),
        account.status,
        account.created_at,
        account.updated_at,
    )


async def find_account(connection: Connection, account_id: UUID, tenant: str) -> Account | None:
    """Find an account of a tenant."""
    return await _one_account(connection, account_id, tenant)


async def lock_account(connection: Connection, account_id: UUID, tenant: str) -> Account | None:
    """Find an account of a tenant and hold it until the transaction ends."""
    return await _one_account(connection, account_id, tenant, "FOR UPDATE")


async def keep_account(connection: Connection, account_id: UUID, tenant: str) -> Account | None:
    """Find an account of a tenant and keep it from being deleted until the transaction ends."""
    return await _one_account(connection, account_id, tenant, "FOR KEY SHARE")


async def keep_accounts(
    connection: Connection, keys: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Account]:
    """Do the same for several, by id and tenant."""
    rows = await connection.fetch(
        f"SELECT {_ACCOUNT}, tenant FROM accounts WHERE (id, tenant) IN "  # noqa: S608 - fixed names
        "(SELECT * FROM unnest($1::uuid[], $2::text[])) ORDER BY id FOR KEY SHARE",
        [account_id for account_id, _ in keys],
        [tenant for _, tenant in keys],
    )
    return {(row["id"], row["tenant"]): _account(row) for row in rows}


async def _one_account(
    connection: Connection, account_id: UUID, tenant: str, lock: str = ""
) -> Account | None:
    row = await connection.fetchrow(
        f"SELECT {_ACCOUNT} FROM accounts WHERE id = $1 AND tenant = $2 {lock}",  # noqa: S608 - fixed
        account_id,
        tenant,
    )
    return None if row is None else _account(row)


async def list_accounts(connection: Connection, tenant: str, page: PageRequest) -> Slice[Account]:
    """List the accounts of a tenant, oldest first."""
    after, values = following("(created_at, id) > ($3, $4)", page.moment())
    rows = await connection.fetch(
        f"SELECT {_ACCOUNT} FROM accounts WHERE tenant = $1 {after} "  # noqa: S608 - fixed text
        "ORDER BY created_at, id LIMIT $2",
        tenant,
        page.rows,
        *values,
    )
    return page.cut([_account(row) for row in rows], by_age)


async def lock_and_count(connection: Connection, tenant: str) -> int:
    """Count the accounts of a tenant; nobody else can until the transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('accounts of ' || $1, 0))", tenant
    )
    return int(await connection.fetchval("SELECT count(*) FROM accounts WHERE tenant = $1", tenant))


async def update_account(connection: Connection, account: Account) -> None:
    """Write an account that is locked."""
    await connection.execute(
        "UPDATE accounts SET owner = $2, metadata = $3, status = $4, updated_at = $5 WHERE id = $1",
        account.id,
        account.owner,
        json.dumps(account.metadata),
        account.status,
        account.updated_at,
    )


async def delete_account(connection: Connection, account_id: UUID, tenant: str) -> Account | None:
    """Delete an account and all that hangs on it; give what it was, if it was there.

    Raises:
        AccountInUse: something that must not be lost hangs on it.
    """
    try:
        row = await connection.fetchrow(
            f"DELETE FROM accounts WHERE id = $1 AND tenant = $2 RETURNING {_ACCOUNT}",  # noqa: S608 - fixed names
            account_id,
            tenant,
        )
    except asyncpg.ForeignKeyViolationError as exc:
        raise AccountInUse("the account holds gas") from exc
    return None if row is None else _account(row)


async def list_active(connection: Connection, account_ids: set[UUID]) -> set[UUID]:
    """List those of the accounts that are not suspended."""
    rows = await connection.fetch(
        "SELECT id FROM accounts WHERE id = ANY($1::uuid[]) AND status = 'active'",
        list(account_ids),
    )
    return {row["id"] for row in rows}


async def list_unregistered(
    connection: Connection, account_id: UUID, wallets: list[str]
) -> list[str]:
    """List those of the wallets that the account does not have, in the order given."""
    rows = await connection.fetch(
        "SELECT wallet FROM unnest($2::text[]) WITH ORDINALITY AS asked (wallet, place) "
        "WHERE NOT EXISTS (SELECT FROM workspace_wallets "
        "WHERE account_id = $1 AND wallet_address = asked.wallet) ORDER BY place",
        account_id,
        wallets,
    )
    return [row["wallet"] for row in rows]


async def insert_wallet(connection: Connection, wallet: Wallet, tenant: str) -> None:
    """Add a wallet.

    Raises:
        WalletExists: the account has it.
    """
    try:
        await connection.execute(
            "INSERT INTO workspace_wallets "
            "(id, account_id, tenant, wallet_address, label, status, created_at, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            wallet.id,
            wallet.workspace_id,
            tenant,
            wallet.wallet_address,
            wallet.label,
            wallet.status,
            wallet.created_at,
            wallet.updated_at,
        )
    except asyncpg.UniqueViolationError as exc:
        raise WalletExists("the account has this wallet already") from exc


async def list_wallets(
    connection: Connection, account_id: UUID, page: PageRequest
) -> Slice[Wallet]:
    """List the wallets of an account, newest first."""
    after, values = following("(created_at, id) < ($3, $4)", page.moment())
    rows = await connection.fetch(
        f"SELECT {_WALLET} FROM workspace_wallets WHERE account_id = $1 {after} "  # noqa: S608 - fixed text
        "ORDER BY created_at DESC, id DESC LIMIT $2",
        account_id,
        page.rows,
        *values,
    )
    return page.cut([_wallet(row) for row in rows], by_age)


async def find_wallet(connection: Connection, account_id: UUID, wallet_id: UUID) -> Wallet | None:
    """Find a wallet of an account."""
    row = await connection.fetchrow(
        f"SELECT {_WALLET} FROM workspace_wallets WHERE id = $1 AND account_id = $2",  # noqa: S608 - fixed names
        wallet_id,
        account_id,
    )
    return None if row is None else _wallet(row)


async def delete_wallet(connection: Connection, account_id: UUID, wallet_id: UUID) -> Wallet | None:
    """Delete a wallet of an account; give what it was, if it was there."""
    row = await connection.fetchrow(
        f"DELETE FROM workspace_wallets WHERE id = $1 AND account_id = $2 RETURNING {_WALLET}",  # noqa: S608 - fixed names
        wallet_id,
        account_id,
    )
    return None if row is None else _wallet(row)


async def list_wallet_tenants(connection: Connection, wallet_address: str) -> list[str]:
    """List the tenants in which an account that is not suspended has this wallet."""
    rows = await connection.fetch(
        "SELECT DISTINCT w.tenant FROM workspace_wallets w JOIN accounts a ON a.id = w.account_id "
        "WHERE w.wallet_address = $1 AND a.status = 'active' ORDER BY w.tenant",
        wallet_address,
    )
    return [row["tenant"] for row in rows]


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        owner=row["owner"],
        metadata=json.loads(row["metadata"]),
        status=row["status"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _wallet(row: asyncpg.Record) -> Wallet:
    return Wallet(
        id=row["id"],
        workspace_id=row["account_id"],
        wallet_address=row["wallet_address"],
        label=row["label"],
        status=row["status"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
