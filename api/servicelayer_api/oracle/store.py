"""The SQL of sources and of requests as their account sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import asyncpg

from servicelayer_api.oracle.errors import SourceExists
from servicelayer_api.oracle.models import NEVER, DeadLetter, Holding, OracleRequest, StoredSource
from servicelayer_api.vault import SealedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.db import Connection
    from servicelayer_api.oracle.models import DeadReason, RedriveRequest

_SOURCE: Final = (
    "id, account_id, name, description, url, method, header_names, header_values, "
    "has_body, credentials, result_path, enabled, created_at, updated_at"
)
_REQUEST: Final = (
    "id, account_id, source_id, status, attempts, payload, result_path, result, error, "
    "created_at, updated_at, completed_at"
)
_DEAD: Final = "id, account_id, source_id, dead_reason, attempts, error, created_at, completed_at"

SEALED: Final = SealedColumn(
    name="oracle source credentials",
    table="oracle_sources",
    key="id",
    column="credentials",
    owner="account_id",
    context="'oracle-source|' || id || '|' || url",
)


async def count_sources(connection: Connection, account_id: UUID) -> int:
    """Count the sources of an account."""
    return cast(
        "int",
        await connection.fetchval(
            "SELECT count(*) FROM oracle_sources WHERE account_id = $1", account_id
        ),
    )


async def insert_source(connection: Connection, source: StoredSource) -> None:
    """Add a source.

    Raises:
        SourceExists: The account has one of this name.
    """
    try:
        await connection.execute(
            f"INSERT INTO oracle_sources ({_SOURCE}) "  # noqa: S608 - fixed names
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            *_source_row(source),
        )
    except asyncpg.UniqueViolationError as exc:
        raise SourceExists("the account has a data source of this name already") from exc


async def update_source(connection: Connection, source: StoredSource) -> None:
    """Write a source that is locked.

    Raises:
        SourceExists: The account has another of this name.
    """
    try:
        await connection.execute(
            "UPDATE oracle_sources SET account_id = $2, name = $3, description = $4, url = $5, "
            "method = $6, header_names = $7, header_values = $8, has_body = $9, credentials = $10, "
            "result_path = $11, enabled = $12, created_at = $13, updated_at = $14 WHERE id = $1",
            *_source_row(source),
        )
    except asyncpg.UniqueViolationError as exc:
        raise SourceExists("the account has a data source of this name already") from exc


async def delete_source(connection: Connection, source_id: UUID) -> bool:
    """Delete a source that is locked, with its requests; not while one of them is open.

    Returns:
        Whether it is gone.
    """
    done = await connection.execute(
        "DELETE FROM oracle_sources WHERE id = $1 AND NOT EXISTS ("
        "SELECT FROM oracle_requests WHERE source_id = $1 AND status IN ('pending', 'running'))",
        source_id,
    )
    return done == "DELETE 1"


async def find_source(
    connection: Connection, account_id: UUID, source_id: UUID
) -> StoredSource | None:
    """Find a source of an account."""
    return await _one_source(connection, account_id, source_id)


async def lock_source(
    connection: Connection, account_id: UUID, source_id: UUID
) -> StoredSource | None:
    """Find a source of an account and hold it until the transaction ends."""
    return await _one_source(connection, account_id, source_id, "FOR NO KEY UPDATE")


async def hold_source(
    connection: Connection, account_id: UUID, source_id: UUID
) -> StoredSource | None:
    """Find a source of an account to delete it: no request can be added to it meanwhile."""
    return await _one_source(connection, account_id, source_id, "FOR UPDATE")


async def _one_source(
    connection: Connection, account_id: UUID, source_id: UUID, lock: str = ""
) -> StoredSource | None:
    row = await connection.fetchrow(
        f"SELECT {_SOURCE} FROM oracle_sources WHERE id = $1 AND account_id = $2 {lock}",  # noqa: S608 - fixed
        source_id,
        account_id,
    )
    return None if row is None else _source(row)


async def list_sources(
    connection: Connection, account_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[StoredSource]:
    """List the sources of an account, oldest first, from behind a position."""
    rows = await connection.fetch(
        f"SELECT {_SOURCE} FROM oracle_sources WHERE account_id = $1 "  # noqa: S608 - fixed names
        "AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3::uuid)) "
        "ORDER BY created_at, id LIMIT $4",
        account_id,
        *(after or (None, None)),
        limit,
    )
    return [_source(row) for row in rows]


async def list_sources_by_id(
    connection: Connection, keys: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], StoredSource]:
    """Find sources by account and id; those that are not that account's are left out."""
    rows = await connection.fetch(
        "SELECT s.* FROM oracle_sources s JOIN (SELECT DISTINCT account_id, id "
        "FROM unnest($1::uuid[], $2::uuid[]) AS k (account_id, id)) k USING (account_id, id)",
        [account_id for account_id, _ in keys],
        [source_id for _, source_id in keys],
    )
    return {(row["account_id"], row["id"]): _source(row) for row in rows}


async def insert_request(
    connection: Connection, request: OracleRequest, alternates: Sequence[UUID]
) -> None:
    """Add a request; it is due at once."""
    await connection.execute(
        "INSERT INTO oracle_requests "
        "(id, account_id, source_id, alternates, payload, result_path, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        request.id,
        request.account_id,
        request.source_id,
        list(alternates),
        request.payload,
        request.result_path,
        request.created_at,
    )


async def find_request(
    connection: Connection, account_id: UUID, request_id: UUID
) -> OracleRequest | None:
    """Find a request of an account."""
    row = await connection.fetchrow(
        f"SELECT {_REQUEST} FROM oracle_requests WHERE id = $1 AND account_id = $2",  # noqa: S608 - fixed names
        request_id,
        account_id,
    )
    return None if row is None else _request(row)


async def lock_request(
    connection: Connection, account_id: UUID, request_id: UUID, ttl: float
) -> tuple[OracleRequest, Holding] | None:
    """Find a request of an account and hold its row until the transaction ends.

    Args:
        connection: With a transaction open.
        account_id: The account.
        request_id: The request.
        ttl: Seconds that a request may live; 0 for no limit.
    """
    row = await connection.fetchrow(
        f"SELECT {_REQUEST}, holder, runner, "  # noqa: S608 - fixed names
        "holder IS NOT NULL AND next_at > clock_timestamp() AS held, "
        "$3::float8 > 0 AND armed_at + make_interval(secs => $3) < clock_timestamp() AS expired "
        "FROM oracle_requests WHERE id = $1 AND account_id = $2 FOR NO KEY UPDATE",
        request_id,
        account_id,
        ttl,
    )
    if row is None:
        return None
    holder = row["holder"] if row["held"] else None
    runner = row["runner"] if row["holder"] == "runner" else None
    return _request(row), Holding(by=holder, runner=runner, expired=row["expired"])


async def list_requests(
    connection: Connection, account_id: UUID, status: str | None, after: UUID | None, limit: int
) -> list[OracleRequest]:
    """List the requests of an account, newest first, from the one that follows `after`.

    A row of another account as `after` gives none.
    """
    values: list[Any] = [account_id, limit]
    where = "account_id = $1"
    if after is not None:
        values.append(after)
        where += (
            " AND (created_at, id) < "
            "(SELECT created_at, id FROM oracle_requests WHERE id = $3 AND account_id = $1)"
        )
    if status is not None:
        values.append(status)
        where += f" AND status = ${len(values)}"
    rows = await connection.fetch(
        f"SELECT {_REQUEST} FROM oracle_requests WHERE {where} "  # noqa: S608 - fixed names
        "ORDER BY created_at DESC, id DESC LIMIT $2",
        *values,
    )
    return [_request(row) for row in rows]


async def update_taken(
    connection: Connection,
    request_id: UUID,
    runner: bytes | None,
    lease_seconds: float,
    now: datetime,
) -> None:
    """Give a locked request to a runner."""
    await connection.execute(
        "UPDATE oracle_requests SET status = 'running', holder = 'runner', fence = fence + 1, "
        "runner = $4, attempts = attempts + 1, updated_at = $3, "
        "next_at = clock_timestamp() + make_interval(secs => $2) WHERE id = $1",
        request_id,
        lease_seconds,
        now,
        runner,
    )


async def update_completed(
    connection: Connection, request_id: UUID, *, result: str | None, error: str, now: datetime
) -> None:
    """Complete a locked request: succeeded with a result, failed without one."""
    await connection.execute(
        "UPDATE oracle_requests SET status = $2, holder = NULL, fence = fence + 1, result = $3, "
        "error = $4, updated_at = $5, completed_at = $5 WHERE id = $1",
        request_id,
        "failed" if result is None else "succeeded",
        result or "",
        error,
        now,
    )


async def update_retried(
    connection: Connection, request_ids: Sequence[UUID], now: datetime
) -> None:
    """Put locked requests back to be asked anew from the start."""
    await connection.execute(
        "UPDATE oracle_requests SET status = 'pending', holder = NULL, fence = fence + 1, "
        "attempts = 0, pause = 0, result = '', error = '', completed_at = NULL, "
        "dead_reason = NULL, updated_at = $2, next_at = clock_timestamp(), "
        "armed_at = clock_timestamp() WHERE id = ANY($1::uuid[])",
        list(request_ids),
        now,
    )


async def list_dead_letters(
    connection: Connection,
    account_id: UUID,
    reason: DeadReason | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[DeadLetter]:
    """List the dead letters of an account, oldest first, from behind a position."""
    rows = await connection.fetch(
        f"SELECT {_DEAD} FROM oracle_requests "  # noqa: S608 - fixed names
        "WHERE account_id = $1 AND dead_reason IS NOT NULL "
        "AND ($2::text IS NULL OR dead_reason = $2) "
        "AND ($3::timestamptz IS NULL OR (completed_at, id) > ($3, $4::uuid)) "
        "ORDER BY completed_at, id LIMIT $5",
        account_id,
        reason,
        *(after or (None, None)),
        limit,
    )
    return [
        DeadLetter(
            request_id=row["id"],
            account_id=row["account_id"],
            source_id=row["source_id"],
            reason=row["dead_reason"],
            attempts=row["attempts"],
            error=row["error"],
            created_at=row["created_at"],
            dead_at=row["completed_at"],
        )
        for row in rows
    ]


async def lock_dead_letters(
    connection: Connection, account_id: UUID, wanted: RedriveRequest, source_id: UUID | None
) -> list[OracleRequest]:
    """Find dead letters, the oldest first, and hold their rows until the transaction ends."""
    rows = await connection.fetch(
        f"SELECT {_REQUEST} FROM oracle_requests "  # noqa: S608 - fixed names
        "WHERE account_id = $1 AND dead_reason IS NOT NULL "
        "AND ($2::uuid IS NULL OR source_id = $2) AND ($3::text IS NULL OR dead_reason = $3) "
        "AND ($4::timestamptz IS NULL OR completed_at >= $4) "
        "AND ($5::timestamptz IS NULL OR completed_at < $5) "
        "ORDER BY completed_at, id LIMIT $6 FOR NO KEY UPDATE",
        account_id,
        source_id,
        wanted.reason,
        wanted.dead_after,
        wanted.dead_before,
        wanted.limit,
    )
    return [_request(row) for row in rows]


async def lock_dead_letter(
    connection: Connection, account_id: UUID, request_id: UUID
) -> OracleRequest | None:
    """Find a dead letter of an account and hold its row until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_REQUEST} FROM oracle_requests "  # noqa: S608 - fixed names
        "WHERE id = $1 AND account_id = $2 AND dead_reason IS NOT NULL FOR NO KEY UPDATE",
        request_id,
        account_id,
    )
    return None if row is None else _request(row)


async def update_buried(connection: Connection, account_id: UUID, request_id: UUID) -> bool:
    """Take a request off the dead letters, failed as it is; tell whether it was one."""
    row = await connection.fetchrow(
        "UPDATE oracle_requests SET dead_reason = NULL "
        "WHERE id = $1 AND account_id = $2 AND dead_reason IS NOT NULL RETURNING id",
        request_id,
        account_id,
    )
    return row is not None


def _source_row(source: StoredSource) -> tuple[object, ...]:
    return (
        source.id,
        source.account_id,
        source.name,
        source.description,
        source.url,
        source.method,
        list(source.shown_headers),
        list(source.shown_headers.values()),
        source.has_body,
        source.credentials,
        source.result_path,
        source.enabled,
        source.created_at,
        source.updated_at,
    )


def _source(row: asyncpg.Record) -> StoredSource:
    return StoredSource(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        description=row["description"],
        url=row["url"],
        method=row["method"],
        shown_headers=dict(zip(row["header_names"], row["header_values"], strict=True)),
        has_body=row["has_body"],
        credentials=row["credentials"],
        result_path=row["result_path"],
        enabled=row["enabled"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _request(row: asyncpg.Record) -> OracleRequest:
    return OracleRequest(
        id=row["id"],
        account_id=row["account_id"],
        source_id=row["source_id"],
        status=row["status"],
        attempts=row["attempts"],
        payload=row["payload"],
        result_path=row["result_path"],
        result=row["result"],
        error=row["error"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        completed_at=row["completed_at"] or NEVER,
    )
