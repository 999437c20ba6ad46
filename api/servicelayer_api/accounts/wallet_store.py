"""The SQL of registered wallets.

A wallet opens something while `workspace_wallet_opens` says so: the same question at login, at each
request of a session, and for what a session made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import asyncpg

from servicelayer_api.accounts.errors import WalletExists
from servicelayer_api.accounts.models import Wallet
from servicelayer_api.web.pagination import by_age, following
from servicelayer_api.web.principal import Grant

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.db import Connection
    from servicelayer_api.web.pagination import PageRequest, Slice

# A session of a wallet that more accounts of a tenant have registered acts for the first of them.
MOST_GRANTS: Final = 1000

_WALLET: Final = "id, account_id, wallet_address, label, status, created_at, updated_at"


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


async def insert_wallet(connection: Connection, wallet: Wallet, tenant: str, maker: Grant) -> None:
    """Add a wallet.

    Args:
        connection: with the transaction open.
        wallet: as it will be.
        tenant: of the account.
        maker: by whose right it is registered.

    Raises:
        WalletExists: the account has it.
    """
    try:
        await connection.execute(
            "INSERT INTO workspace_wallets "
            "(id, account_id, tenant, wallet_address, label, status, created_at, updated_at, "
            "person, parent_wallet) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            wallet.id,
            wallet.workspace_id,
            tenant,
            wallet.wallet_address,
            wallet.label,
            wallet.status,
            wallet.created_at,
            wallet.updated_at,
            maker.person,
            maker.wallet_id,
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
    """List the tenants in which the wallet opens an account that is not suspended."""
    rows = await connection.fetch(
        "SELECT DISTINCT w.tenant FROM workspace_wallets w JOIN accounts a ON a.id = w.account_id "
        "WHERE w.wallet_address = $1 AND a.status = 'active' AND workspace_wallet_opens(w.id) "
        "ORDER BY w.tenant",
        wallet_address,
    )
    return [row["tenant"] for row in rows]


async def list_grants(
    connection: Connection, wallet_address: str, tenant: str, until: datetime | None
) -> tuple[list[Grant], datetime | None]:
    """List what a wallet opens in a tenant.

    Args:
        connection: any.
        wallet_address: script hash as kept.
        tenant: the tenant.
        until: only where it was registered at that time or before; `None` for everywhere.

    Returns:
        The accounts, suspended ones too, and when the last of them registered the wallet.
    """
    rows = await connection.fetch(
        "SELECT account_id, person, id, created_at FROM workspace_wallets "
        "WHERE wallet_address = $1 AND tenant = $2 AND ($3::timestamptz IS NULL OR "
        "created_at <= $3) AND workspace_wallet_opens(id) ORDER BY created_at, id LIMIT $4",
        wallet_address,
        tenant,
        until,
        MOST_GRANTS,
    )
    grants = [
        Grant(account_id=row["account_id"], person=row["person"], wallet_id=row["id"])
        for row in rows
    ]
    return grants, rows[-1]["created_at"] if rows else None


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
