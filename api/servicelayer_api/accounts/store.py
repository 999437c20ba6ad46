"""The SQL of accounts. Every query that finds a row by id also asks for the tenant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import asyncpg

from servicelayer_api.accounts.errors import AccountInUse
from servicelayer_api.accounts.models import Account
from servicelayer_api.web.pagination import by_age, following

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicelayer_api.db import Connection
    from servicelayer_api.web.pagination import PageRequest, Slice

_ACCOUNT: Final = "id, owner, metadata, status, created_at, updated_at"


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
    connection: Connection, keys: Sequence[tuple[UUID, str]], *, wait: bool
) -> dict[tuple[UUID, str], Account]:
    """Do the same for several, by id and tenant; without `wait`, those held are left out."""
    rows = await connection.fetch(
        f"SELECT {_ACCOUNT}, tenant FROM accounts WHERE (id, tenant) IN "  # noqa: S608 - fixed names
        "(SELECT * FROM unnest($1::uuid[], $2::text[])) ORDER BY id FOR KEY SHARE "
        f"{'' if wait else 'SKIP LOCKED'}",
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


async def list_bound_accounts(
    connection: Connection, tenant: str, only: Sequence[UUID], page: PageRequest
) -> Slice[Account]:
    """List those of some accounts of a tenant that are not suspended, oldest first."""
    after, values = following("(created_at, id) > ($4, $5)", page.moment())
    rows = await connection.fetch(
        f"SELECT {_ACCOUNT} FROM accounts WHERE tenant = $1 AND id = ANY($3::uuid[]) "  # noqa: S608 - fixed text
        f"AND status = 'active' {after} ORDER BY created_at, id LIMIT $2",
        tenant,
        page.rows,
        only,
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


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        owner=row["owner"],
        metadata=json.loads(row["metadata"]),
        status=row["status"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
