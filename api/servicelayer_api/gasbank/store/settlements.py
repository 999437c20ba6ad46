"""Settlement: which withdrawals are due, who works on them, and what came of it.

What a suspended account asked for rests until it is active again, but for what was handed to the
chain: that may have been paid already. Time is the database's here. A claim holds no lock: it is a
lease with a fencing token, and whoever finishes must still have the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servicelayer_api.gasbank.models import Attempt, Transaction
from servicelayer_api.gasbank.store.transactions import COLUMNS, read_transaction

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.db import Connection

# Of a withdrawal that nobody has handed to the chain.
_MAY_GO: Final = (
    "NOT EXISTS (SELECT FROM accounts "
    "WHERE accounts.id = gas_transactions.account_id AND accounts.status = 'suspended')"
)


async def claim_due(connection: Connection, seconds: float, most: int) -> list[Transaction]:
    """Claim scheduled withdrawals whose time has come."""
    rows = await connection.fetch(
        "UPDATE gas_transactions SET fencing_token = fencing_token + 1, "  # noqa: S608 - fixed
        "lease_until = clock_timestamp() + make_interval(secs => $1) "
        "WHERE id IN (SELECT id FROM gas_transactions WHERE type = 'withdrawal' "
        f"AND status = 'scheduled' AND schedule_at <= clock_timestamp() AND {_MAY_GO} "
        "AND (lease_until IS NULL OR lease_until < clock_timestamp()) "
        f"ORDER BY schedule_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) RETURNING {COLUMNS}",
        seconds,
        most,
    )
    return [read_transaction(row) for row in rows]


async def claim_pending(connection: Connection, seconds: float, most: int) -> list[Transaction]:
    """Claim withdrawals about which the resolver is to be asked; they are being settled then."""
    rows = await connection.fetch(
        "UPDATE gas_transactions SET status = 'dispatched', "  # noqa: S608 - fixed
        "fencing_token = fencing_token + 1, "
        "dispatched_at = coalesce(dispatched_at, clock_timestamp()), "
        "updated_at = clock_timestamp(), "
        "lease_until = clock_timestamp() + make_interval(secs => $1) "
        "WHERE id IN (SELECT id FROM gas_transactions WHERE type = 'withdrawal' "
        "AND status IN ('pending', 'dispatched') AND next_attempt_at <= clock_timestamp() "
        f"AND (status = 'dispatched' OR {_MAY_GO}) "
        "AND (lease_until IS NULL OR lease_until < clock_timestamp()) "
        f"ORDER BY next_attempt_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) RETURNING {COLUMNS}",
        seconds,
        most,
    )
    return [read_transaction(row) for row in rows]


async def lock_claimed(
    connection: Connection, transaction_id: UUID, fencing_token: int
) -> Transaction | None:
    """Hold a transaction if the claim on it is still ours; its gas account must be held."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM gas_transactions "  # noqa: S608 - fixed names
        "WHERE id = $1 AND fencing_token = $2 FOR NO KEY UPDATE",
        transaction_id,
        fencing_token,
    )
    return None if row is None else read_transaction(row)


async def seconds_until_due(connection: Connection) -> float | None:
    """How long until something is due; `None` when nothing waits."""
    found = await connection.fetchval(
        "SELECT extract(epoch FROM least("  # noqa: S608 - fixed text
        "(SELECT min(greatest(next_attempt_at, coalesce(lease_until, next_attempt_at))) "
        "FROM gas_transactions WHERE type = 'withdrawal' "
        f"AND (status = 'dispatched' OR status = 'pending' AND {_MAY_GO})), "
        "(SELECT min(greatest(schedule_at, coalesce(lease_until, schedule_at))) "
        f"FROM gas_transactions WHERE type = 'withdrawal' AND status = 'scheduled' AND {_MAY_GO})"
        ") - clock_timestamp())::float8"
    )
    return None if found is None else max(0.0, float(found))


async def queue_figures(connection: Connection) -> tuple[int, float, int]:
    """How many withdrawals wait for settlement, the age of the oldest, and the dead letters."""
    row: Any = await connection.fetchrow(
        "SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() "
        "- min(coalesce(dispatched_at, updated_at))), 0)::float8 AS oldest, "
        "(SELECT count(*) FROM gas_transactions WHERE status = 'dead_letter') AS dead "
        "FROM gas_transactions WHERE type = 'withdrawal' AND status IN ('pending', 'dispatched')"
    )
    return int(row["depth"]), float(row["oldest"]), int(row["dead"])


async def keep_attempt(connection: Connection, attempt: Attempt) -> None:
    """Keep an answer of the resolver; of the same number again, the later one."""
    await connection.execute(
        "INSERT INTO gas_settlement_attempts AS a (transaction_id, attempt, started_at, "
        "completed_at, latency_ns, status, error) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (transaction_id, attempt) DO UPDATE SET "
        "completed_at = excluded.completed_at, latency_ns = excluded.latency_ns, "
        "status = excluded.status, error = excluded.error",
        attempt.transaction_id,
        attempt.attempt,
        attempt.started_at,
        attempt.completed_at,
        attempt.latency_ns,
        attempt.status,
        attempt.error,
    )


async def find_last_attempt(connection: Connection, transaction_id: UUID) -> Attempt | None:
    """Find the last answer about a transaction."""
    found = await list_attempts(connection, transaction_id, before=None, limit=1)
    return found[0] if found else None


async def list_attempts(
    connection: Connection, transaction_id: UUID, *, before: int | None, limit: int
) -> list[Attempt]:
    """List the answers about a transaction, the last first, those before a number only."""
    rows = await connection.fetch(
        "SELECT transaction_id, attempt, started_at, completed_at, latency_ns, status, error "
        "FROM gas_settlement_attempts "
        "WHERE transaction_id = $1 AND ($2::integer IS NULL OR attempt < $2) "
        "ORDER BY attempt DESC LIMIT $3",
        transaction_id,
        before,
        limit,
    )
    return [Attempt(**row) for row in rows]
