"""Transactions and the decisions on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servicelayer_api.gasbank.models import Approval, Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicelayer_api.db import Connection

COLUMNS: Final = (
    "id, gas_account_id, account_id, tenant, type, status, amount, net_amount, blockchain_tx_id, "
    "reference, from_address, to_address, schedule_at, cron_expression, required_approvals, "
    "attempts, errors, resolver_error, last_attempt_at, next_attempt_at, dead_letter_reason, "
    "dead_letter_at, notes, error, dispatched_at, resolved_at, completed_at, created_at, "
    "updated_at, fencing_token, requested_by, requested_person"
)
_INSERTED: Final = COLUMNS.split(", ")
_INSERT: Final = (
    f"INSERT INTO gas_transactions ({COLUMNS}) "  # noqa: S608 - fixed names
    f"VALUES ({', '.join(f'${n}' for n in range(1, len(_INSERTED) + 1))})"
)


async def insert_transaction(connection: Connection, transaction: Transaction) -> None:
    """Add a transaction that is not a deposit."""
    await connection.execute(_INSERT, *(getattr(transaction, name) for name in _INSERTED))


async def find_transaction(
    connection: Connection, account_id: UUID, transaction_id: UUID
) -> Transaction | None:
    """Find a transaction of an account."""
    return await _one(connection, account_id, transaction_id, "")


async def lock_transaction(
    connection: Connection, account_id: UUID, transaction_id: UUID
) -> Transaction | None:
    """Find a transaction of an account and hold it; its gas account must be held already."""
    return await _one(connection, account_id, transaction_id, "FOR NO KEY UPDATE")


async def find_by_reference(
    connection: Connection, gas_account_id: UUID, kind: str, reference: str
) -> Transaction | None:
    """Find the fee or refund of a reference."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM gas_transactions "  # noqa: S608 - fixed names
        "WHERE gas_account_id = $1 AND type = $2 AND reference = $3",
        gas_account_id,
        kind,
        reference,
    )
    return None if row is None else read_transaction(row)


async def find_deposits(
    connection: Connection, tenant: str, keys: Sequence[str]
) -> dict[str, Transaction]:
    """Find the deposits of a tenant that have these keys."""
    rows = await connection.fetch(
        f"SELECT deposit_key, {COLUMNS} FROM gas_transactions "  # noqa: S608 - fixed names
        "WHERE tenant = $1 AND deposit_key = ANY($2::text[])",
        tenant,
        keys,
    )
    return {row["deposit_key"]: read_transaction(row) for row in rows}


async def list_transactions(
    connection: Connection,
    gas_account_id: UUID,
    *,
    kind: str | None,
    status: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Transaction]:
    """List transactions of a gas account, newest first, those after a position only."""
    conditions = ["gas_account_id = $1"]
    values: list[Any] = [gas_account_id]
    # Written out where the planner must see it to use the index of withdrawals.
    if kind == "withdrawal":
        conditions.append("type = 'withdrawal'")
    elif kind is not None:
        values.append(kind)
        conditions.append(f"type = ${len(values)}")
    if status is not None:
        values.append(status)
        conditions.append(f"status = ${len(values)}")
    if after is not None:
        values += after
        conditions.append(f"(created_at, id) < (${len(values) - 1}, ${len(values)})")
    values.append(limit)
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM gas_transactions WHERE {' AND '.join(conditions)} "  # noqa: S608 - values are parameters
        f"ORDER BY created_at DESC, id DESC LIMIT ${len(values)}",
        *values,
    )
    return [read_transaction(row) for row in rows]


async def list_dead_letters(
    connection: Connection,
    gas_account_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Transaction]:
    """List the dead letters of a gas account, newest first, those after a position only."""
    at, last = after or (None, None)
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM gas_transactions "  # noqa: S608 - fixed names
        "WHERE gas_account_id = $1 AND status = 'dead_letter' "
        "AND ($2::timestamptz IS NULL OR (dead_letter_at, id) < ($2, $3)) "
        "ORDER BY dead_letter_at DESC, id DESC LIMIT $4",
        gas_account_id,
        at,
        last,
        limit,
    )
    return [read_transaction(row) for row in rows]


async def update_transaction(
    connection: Connection, transaction: Transaction, *, free: bool = True
) -> None:
    """Write a transaction that is held; `free` ends the lease of whoever worked on it."""
    await connection.execute(
        "UPDATE gas_transactions SET status = $2, net_amount = $3, attempts = $4, errors = $5, "
        "resolver_error = $6, last_attempt_at = $7, next_attempt_at = $8, "
        "dead_letter_reason = $9, dead_letter_at = $10, notes = $11, error = $12, "
        "dispatched_at = $13, resolved_at = $14, completed_at = $15, updated_at = $16, "
        "lease_until = CASE WHEN $17 THEN NULL ELSE lease_until END WHERE id = $1",
        transaction.id,
        transaction.status,
        transaction.net_amount,
        transaction.attempts,
        transaction.errors,
        transaction.resolver_error,
        transaction.last_attempt_at,
        transaction.next_attempt_at,
        transaction.dead_letter_reason,
        transaction.dead_letter_at,
        transaction.notes,
        transaction.error,
        transaction.dispatched_at,
        transaction.resolved_at,
        transaction.completed_at,
        transaction.updated_at,
        free,
    )


async def insert_approval(connection: Connection, approval: Approval) -> Approval:
    """Keep a decision; a later one of the same identity takes its place."""
    row = await connection.fetchrow(
        "INSERT INTO gas_approvals AS a (transaction_id, identity, person, approver, status, "
        "signature, note, decided_at, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT (transaction_id, identity) DO UPDATE SET person = excluded.person, "
        "approver = excluded.approver, "
        "status = excluded.status, signature = excluded.signature, note = excluded.note, "
        "decided_at = excluded.decided_at, updated_at = excluded.updated_at "
        "RETURNING transaction_id, identity, person, approver, status, signature, note, "
        "decided_at, created_at, updated_at",
        approval.transaction_id,
        approval.identity,
        approval.person,
        approval.approver,
        approval.status,
        approval.signature,
        approval.note,
        approval.decided_at,
        approval.created_at,
        approval.updated_at,
    )
    return approval if row is None else Approval(**row)


async def list_approvals(
    connection: Connection, transaction_ids: Sequence[UUID]
) -> dict[UUID, list[Approval]]:
    """List the decisions on transactions, the latest first."""
    rows = await connection.fetch(
        "SELECT transaction_id, identity, person, approver, status, signature, note, decided_at, "
        "created_at, updated_at FROM gas_approvals WHERE transaction_id = ANY($1::uuid[]) "
        "ORDER BY decided_at DESC, identity",
        transaction_ids,
    )
    found: dict[UUID, list[Approval]] = {}
    for row in rows:
        found.setdefault(row["transaction_id"], []).append(Approval(**row))
    return found


async def _one(
    connection: Connection, account_id: UUID, transaction_id: UUID, lock: str
) -> Transaction | None:
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM gas_transactions WHERE id = $1 AND account_id = $2 {lock}",  # noqa: S608 - fixed names
        transaction_id,
        account_id,
    )
    return None if row is None else read_transaction(row)


def read_transaction(row: asyncpg.Record) -> Transaction:
    """Read a transaction from a row that has `COLUMNS`."""
    return Transaction(**{name: row[name] for name in _INSERTED})
