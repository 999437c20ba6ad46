"""Gas accounts. Their balances are written by the ledger only (see `ledger.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import asyncpg

from servicelayer_api.gasbank.errors import GasWalletTaken
from servicelayer_api.gasbank.models import Figures, GasAccount

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from servicelayer_api.db import Connection

_COLUMNS: Final = (
    "id, account_id, tenant, wallet_address, available, pending, reserved, min_balance, "
    "daily_limit, notification_threshold, required_approvals, daily_on, daily_withdrawn, "
    "last_withdrawal_at, created_at, updated_at"
)


async def insert_account(connection: Connection, account: GasAccount) -> bool:
    """Open a gas account, unless the account has one; tells whether it was opened.

    Raises:
        GasWalletTaken: the wallet is another's.
    """
    try:
        row = await connection.fetchrow(
            "INSERT INTO gas_accounts (id, account_id, tenant, wallet_address, min_balance, "
            "daily_limit, notification_threshold, required_approvals, created_at, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
            "ON CONFLICT ON CONSTRAINT gas_accounts_one_an_account DO NOTHING RETURNING id",
            account.id,
            account.account_id,
            account.tenant,
            account.wallet_address,
            account.min_balance,
            account.daily_limit,
            account.notification_threshold,
            account.required_approvals,
            account.created_at,
            account.updated_at,
        )
    except asyncpg.UniqueViolationError as exc:
        raise GasWalletTaken("wallet address already assigned to another account") from exc
    return row is not None


async def update_settings(connection: Connection, account: GasAccount) -> None:
    """Write what its owner may set of a gas account that is locked.

    Raises:
        GasWalletTaken: the wallet is another's.
    """
    try:
        await connection.execute(
            "UPDATE gas_accounts SET wallet_address = $2, min_balance = $3, daily_limit = $4, "
            "notification_threshold = $5, required_approvals = $6, updated_at = $7 WHERE id = $1",
            account.id,
            account.wallet_address,
            account.min_balance,
            account.daily_limit,
            account.notification_threshold,
            account.required_approvals,
            account.updated_at,
        )
    except asyncpg.UniqueViolationError as exc:
        raise GasWalletTaken("wallet address already assigned to another account") from exc


async def update_daily(
    connection: Connection,
    gas_account_id: UUID,
    on: date,
    withdrawn: int,
    last_withdrawal_at: datetime | None,
) -> None:
    """Write what was withdrawn on a day."""
    await connection.execute(
        "UPDATE gas_accounts SET daily_on = $2, daily_withdrawn = $3, last_withdrawal_at = $4 "
        "WHERE id = $1",
        gas_account_id,
        on,
        withdrawn,
        last_withdrawal_at,
    )


async def lock_day(connection: Connection, tenant: str, on: date) -> int:
    """Sum up what a tenant withdrew on a day; nobody else can until the transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('gas of ' || $1, 0))", tenant
    )
    # A statement of its own, so that it sees what others added before the lock was given.
    return int(
        await connection.fetchval(
            "SELECT coalesce(sum(daily_withdrawn), 0) FROM gas_accounts "
            "WHERE tenant = $1 AND daily_on = $2",
            tenant,
            on,
        )
    )


async def find_account(
    connection: Connection, account_id: UUID, gas_account_id: UUID | None = None
) -> GasAccount | None:
    """Find the gas account of an account; with an id only if it is that one."""
    return await _one_account(connection, account_id, gas_account_id)


async def lock_account(
    connection: Connection, account_id: UUID, gas_account_id: UUID | None = None
) -> GasAccount | None:
    """Find the gas account of an account and hold it until the transaction ends."""
    return await _one_account(connection, account_id, gas_account_id, "FOR NO KEY UPDATE")


async def lock_accounts(
    connection: Connection, keys: Sequence[tuple[UUID, UUID]], *, wait: bool
) -> dict[UUID, GasAccount]:
    """Hold several gas accounts until the transaction ends, always in the same order.

    Args:
        connection: with the transaction open.
        keys: the gas account and the account that it must belong to.
        wait: whether to wait for those that somebody else holds; else they are left out.

    Returns:
        Those that are there, by id.
    """
    if not keys:
        return {}
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM gas_accounts WHERE (id, account_id) IN "  # noqa: S608 - fixed names
        "(SELECT * FROM unnest($1::uuid[], $2::uuid[])) "
        f"ORDER BY id FOR NO KEY UPDATE {'' if wait else 'SKIP LOCKED'}",
        [gas_account_id for gas_account_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    return {row["id"]: _account(row) for row in rows}


async def _one_account(
    connection: Connection, account_id: UUID, gas_account_id: UUID | None, lock: str = ""
) -> GasAccount | None:
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM gas_accounts "  # noqa: S608 - fixed names
        f"WHERE account_id = $1 AND ($2::uuid IS NULL OR id = $2) {lock}",
        account_id,
        gas_account_id,
    )
    return None if row is None else _account(row)


async def lock_account_by_id(connection: Connection, gas_account_id: UUID) -> GasAccount:
    """Hold a gas account that a transaction names; its account may be gone."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM gas_accounts WHERE id = $1 FOR NO KEY UPDATE",  # noqa: S608 - fixed
        gas_account_id,
    )
    if row is None:
        raise LookupError("a transaction names a gas account that is not there")
    return _account(row)


async def get_figures(connection: Connection, gas_account_id: UUID) -> Figures:
    """Sum up the open withdrawals of a gas account."""
    row = await connection.fetchrow(
        "SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount "
        "FROM gas_transactions WHERE gas_account_id = $1 AND type = 'withdrawal' "
        "AND status IN ('scheduled', 'awaiting_approval', 'pending', 'dispatched')",
        gas_account_id,
    )
    if row is None:
        return Figures()
    return Figures(pending_withdrawals=row["count"], pending_amount=row["amount"])


def _account(row: asyncpg.Record) -> GasAccount:
    return GasAccount(**row)
