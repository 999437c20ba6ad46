"""The ledger: entries are added and never changed, and a trigger moves the balances by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import asyncpg

from servicelayer_api.gasbank.errors import InsufficientGas
from servicelayer_api.gasbank.models import BOOKS, Check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.db import Connection
    from servicelayer_api.gasbank.models import Move, Transaction

_INSERT: Final = (
    "INSERT INTO gas_ledger (gas_account_id, transaction_id, kind, debit, credit, amount, at) "
)


async def insert_entry(
    connection: Connection, transaction: Transaction, move: Move, amount: int, at: datetime
) -> None:
    """Move an amount; the gas account must be held.

    Raises:
        InsufficientGas: the book it is taken from has less. The program asks before; this is the
            database's own word.
    """
    debit, credit = BOOKS[move]
    try:
        await connection.execute(
            f"{_INSERT} VALUES ($1, $2, $3, $4, $5, $6, $7)",
            transaction.gas_account_id,
            transaction.id,
            move,
            debit,
            credit,
            amount,
            at,
        )
    except asyncpg.CheckViolationError as exc:
        raise InsufficientGas("insufficient funds", requested=amount) from exc


async def insert_deposits(
    connection: Connection, deposits: Sequence[Transaction], keys: Sequence[str | None]
) -> set[UUID]:
    """Add deposits to gas accounts, which must be held, and credit them, by one statement.

    Args:
        connection: with the transaction open.
        deposits: of any gas accounts.
        keys: of the deposits; `None` for one that cannot be told from others.

    Returns:
        Which were added. The others have the key of a deposit that is there already.
    """
    if not deposits:
        return set()
    rows = await connection.fetch(
        "WITH made AS ("  # noqa: S608 - fixed names
        "INSERT INTO gas_transactions (id, gas_account_id, account_id, tenant, type, status, "
        "amount, net_amount, blockchain_tx_id, deposit_key, from_address, to_address, "
        "created_at, updated_at) "
        "SELECT given.id, given.gas_account, given.account, given.tenant, 'deposit', 'completed', "
        "given.amount, given.amount, given.tx_id, given.key, given.sender, given.receiver, $1, $1 "
        "FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], "
        "$8::text[], $9::text[], $10::text[]) WITH ORDINALITY AS given (id, gas_account, account, "
        "tenant, amount, tx_id, key, sender, receiver, place) "
        # One order for all, so that two transactions with the same keys wait and never deadlock.
        "ORDER BY given.key, given.place "
        # In this tenant, or for a transaction of the chain in any.
        "ON CONFLICT DO NOTHING "
        "RETURNING id, gas_account_id, amount), "
        f"moved AS ({_INSERT} "
        "SELECT made.gas_account_id, made.id, 'deposit', 'chain', 'available', made.amount, $1 "
        "FROM made) "
        "SELECT id FROM made",
        deposits[0].created_at,
        [deposit.id for deposit in deposits],
        [deposit.gas_account_id for deposit in deposits],
        [deposit.account_id for deposit in deposits],
        [deposit.tenant for deposit in deposits],
        [deposit.amount for deposit in deposits],
        [deposit.blockchain_tx_id for deposit in deposits],
        list(keys),
        [deposit.from_address for deposit in deposits],
        [deposit.to_address for deposit in deposits],
    )
    return {row["id"] for row in rows}


async def judge(
    connection: Connection, *, only_tenant: str | None = None, seconds: float | None = None
) -> Check:
    """Compare the ledger with the balances and the states, in one snapshot.

    Args:
        connection: any.
        only_tenant: whose part of it; all when left out.
        seconds: that it may take; as other statements when left out.
    """
    row = await connection.fetchrow(_JUDGE, only_tenant, timeout=seconds)
    if row is None:
        raise LookupError("the ledger could not be judged")
    return _check(row)


async def keep_check(connection: Connection, check: Check) -> None:
    """Keep the last verdict for all replicas."""
    await connection.execute(
        "INSERT INTO gas_ledger_checks (singleton, checked_at, entries, debits, credits, drift, "
        "faults, duration_ms) VALUES (true, $1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (singleton) DO UPDATE SET checked_at = excluded.checked_at, "
        "entries = excluded.entries, debits = excluded.debits, credits = excluded.credits, "
        "drift = excluded.drift, faults = excluded.faults, duration_ms = excluded.duration_ms",
        check.checked_at,
        check.entries,
        check.debits,
        check.credits,
        check.drift,
        check.faults,
        check.duration_ms,
    )


async def find_check(connection: Connection) -> Check | None:
    """Find the last verdict."""
    row = await connection.fetchrow(
        "SELECT checked_at, entries, debits, credits, drift, faults, duration_ms "
        "FROM gas_ledger_checks"
    )
    if row is None:
        return None
    return _check(row)


def _check(row: asyncpg.Record) -> Check:
    return Check(
        checked_at=row["checked_at"],
        entries=row["entries"],
        debits=int(row["debits"]),
        credits=int(row["credits"]),
        drift=int(row["drift"]),
        faults=row["faults"],
        duration_ms=row["duration_ms"],
    )


# Legs are taken from the entries as they are stored; the fold of each customer's books must be what
# is cached; what a withdrawal's entries say must be what its state says.
_JUDGE: Final = """
WITH accounts AS MATERIALIZED (
    SELECT * FROM gas_accounts WHERE $1::text IS NULL OR tenant = $1
), entries AS MATERIALIZED (
    SELECT * FROM gas_ledger
     WHERE $1::text IS NULL OR gas_account_id IN (SELECT id FROM accounts)
), legs AS MATERIALIZED (
    SELECT gas_account_id, debit AS book, -amount AS moved, transaction_id FROM entries
    UNION ALL
    SELECT gas_account_id, credit, amount, transaction_id FROM entries
), folded AS (
    SELECT gas_account_id,
           coalesce(sum(moved) FILTER (WHERE book = 'available'), 0) AS available,
           coalesce(sum(moved) FILTER (WHERE book = 'pending'), 0) AS pending,
           coalesce(sum(moved) FILTER (WHERE book = 'reserved'), 0) AS reserved
      FROM legs GROUP BY gas_account_id
), compared AS (
    SELECT abs(a.available - coalesce(f.available, 0)) + abs(a.pending - coalesce(f.pending, 0))
           + abs(a.reserved - coalesce(f.reserved, 0)) AS off
      FROM accounts a LEFT JOIN folded f ON f.gas_account_id = a.id
), held AS (
    SELECT transaction_id,
           coalesce(sum(moved) FILTER (WHERE book = 'pending'), 0) AS pending,
           coalesce(sum(moved) FILTER (WHERE book = 'reserved'), 0) AS reserved,
           count(DISTINCT gas_account_id) AS accounts, min(gas_account_id::text) AS gas_account_id
      FROM legs GROUP BY transaction_id
), astray AS (
    SELECT count(*) AS count
      FROM gas_transactions t LEFT JOIN held h ON h.transaction_id = t.id
     WHERE ($1::text IS NULL OR t.gas_account_id IN (SELECT id FROM accounts))
       AND (h.accounts IS DISTINCT FROM 1 OR h.gas_account_id <> t.gas_account_id::text
        OR h.pending <> CASE WHEN t.type = 'withdrawal'
                              AND t.status NOT IN ('completed', 'failed', 'cancelled')
                             THEN t.amount ELSE 0 END
        OR h.reserved <> CASE WHEN t.type = 'fee' AND t.status = 'reserved'
                              THEN t.amount ELSE 0 END)
)
SELECT statement_timestamp() AS checked_at,
       (SELECT count(*) FROM entries) AS entries,
       (SELECT coalesce(-sum(moved) FILTER (WHERE moved < 0), 0) FROM legs) AS debits,
       (SELECT coalesce(sum(moved) FILTER (WHERE moved > 0), 0) FROM legs) AS credits,
       (SELECT coalesce(sum(off), 0) FROM compared) AS drift,
       (SELECT count(*) FROM compared WHERE off <> 0) + (SELECT count FROM astray) AS faults,
       (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::integer
           AS duration_ms
"""
