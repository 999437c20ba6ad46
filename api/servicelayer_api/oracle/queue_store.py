"""The SQL of the queue: taking requests by lease, and writing what came of them.

Due is what the statement's own time says, so that the index over `next_at` can be used; leases are
counted from the clock of the database. Whatever is written about a request that was taken names the
fence it was taken with, so that a process that was paused past its lease writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.oracle.models import Backlog, Claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicelayer_api.db import Connection
    from servicelayer_api.oracle.models import Verdict

_OPEN: Final = "status IN ('pending', 'running')"
_EXPIRED: Final = (
    "$1::float8 > 0 AND r.armed_at + make_interval(secs => $1) < statement_timestamp()"
)

_CLAIM: Final = f"""
WITH due AS (
    SELECT id, attempts FROM oracle_requests
     WHERE {_OPEN} AND next_at <= statement_timestamp()
       AND account_id <> ALL($4::uuid[])
     ORDER BY next_at LIMIT $1
       FOR NO KEY UPDATE SKIP LOCKED
), taken AS (
    UPDATE oracle_requests r
       SET status = 'running', holder = 'dispatcher', fence = r.fence + 1,
           attempts = least(due.attempts + 1, $3), updated_at = clock_timestamp(),
           next_at = clock_timestamp() + make_interval(secs => $2)
      FROM due WHERE r.id = due.id
    RETURNING r.id, r.account_id, r.fence, due.attempts + 1 AS attempt, r.pause, r.source_id,
              r.alternates, r.payload, r.result_path
)
SELECT taken.*, a.tenant, a.status = 'suspended' AS suspended
  FROM taken JOIN accounts a ON a.id = taken.account_id
"""  # noqa: S608 - fixed names

_FINISH: Final = f"""
UPDATE oracle_requests r
   SET status = given.status, holder = NULL, fence = r.fence + 1, result = given.result,
       error = given.error, dead_reason = given.dead, pause = given.pause,
       attempts = r.attempts - given.uncounted::int, updated_at = clock_timestamp(),
       completed_at = CASE WHEN given.status = 'pending' THEN NULL ELSE clock_timestamp() END,
       next_at = clock_timestamp() + make_interval(secs => given.pause)
  FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::float8[], $9::boolean[])
       AS given (id, fence, status, result, error, dead, pause, uncounted)
 WHERE r.id = given.id AND r.fence = given.fence AND r.status = 'running' AND NOT ({_EXPIRED})
RETURNING r.id
"""  # noqa: S608 - fixed names

_EXPIRE: Final = f"""
WITH old AS (
    SELECT id, account_id FROM oracle_requests r
     WHERE {_OPEN} AND armed_at < statement_timestamp() - make_interval(secs => $1)
     ORDER BY armed_at LIMIT $2
       FOR NO KEY UPDATE SKIP LOCKED
), ended AS (
    UPDATE oracle_requests r
       SET status = 'failed', holder = NULL, fence = r.fence + 1, result = '', error = $3,
           dead_reason = $4, updated_at = clock_timestamp(), completed_at = clock_timestamp()
      FROM old WHERE r.id = old.id
    RETURNING r.id, r.account_id
)
SELECT ended.id, ended.account_id, a.tenant
  FROM ended JOIN accounts a ON a.id = ended.account_id
"""  # noqa: S608 - fixed names

_BACKLOG: Final = f"""
SELECT (SELECT count(*) FROM oracle_requests WHERE {_OPEN}) AS open_requests,
       (SELECT count(*) FROM oracle_requests WHERE dead_reason IS NOT NULL) AS dead_letters,
       coalesce(extract(epoch FROM clock_timestamp() - (
           SELECT min(armed_at) FROM oracle_requests WHERE {_OPEN})), 0)::float8 AS oldest_seconds
"""  # noqa: S608 - fixed names


async def lock_due(
    connection: Connection,
    *,
    limit: int,
    lease_seconds: float,
    most_attempts: int,
    without: Sequence[UUID],
) -> list[Claim]:
    """Take requests that are due, those waiting longest first.

    Args:
        connection: Its transaction must be committed before anything is called.
        limit: Requests at most.
        lease_seconds: Until they are due again, for whoever comes.
        most_attempts: Attempts that a request may show.
        without: Accounts that are passed over.
    """
    rows = await connection.fetch(_CLAIM, limit, lease_seconds, most_attempts, list(without))
    return [
        Claim(
            id=row["id"],
            account_id=row["account_id"],
            tenant=row["tenant"],
            suspended=row["suspended"],
            fence=row["fence"],
            attempt=row["attempt"],
            pause=row["pause"],
            source_id=row["source_id"],
            alternates=tuple(row["alternates"]),
            payload=row["payload"],
            result_path=row["result_path"],
        )
        for row in rows
    ]


async def update_finished(
    connection: Connection, finished: Sequence[tuple[Claim, Verdict]], ttl: float
) -> set[UUID]:
    """Write what came of requests.

    Args:
        connection: With a transaction open.
        finished: Claims and what becomes of them.
        ttl: Seconds that a request may live, 0 for no limit; what is older is not written.

    Returns:
        The requests that were still this process's to write.
    """
    open_again = {"retried", "postponed"}
    rows = await connection.fetch(
        _FINISH,
        ttl,
        [claim.id for claim, _ in finished],
        [claim.fence for claim, _ in finished],
        [_status(verdict) for _, verdict in finished],
        [verdict.result for _, verdict in finished],
        [verdict.error for _, verdict in finished],
        [verdict.dead for _, verdict in finished],
        [v.pause if v.outcome in open_again else 0.0 for _, v in finished],
        [verdict.outcome == "postponed" for _, verdict in finished],
    )
    return {row["id"] for row in rows}


async def update_expired(
    connection: Connection, *, ttl: float, limit: int, error: str, dead: str | None
) -> list[tuple[UUID, UUID, str]]:
    """End requests that have lived too long, whoever holds them.

    Returns:
        Request, account and tenant of each.
    """
    rows = await connection.fetch(_EXPIRE, ttl, limit, error, dead)
    return [(row["id"], row["account_id"], row["tenant"]) for row in rows]


async def get_backlog(connection: Connection) -> Backlog:
    """Measure what waits."""
    row = await connection.fetchrow(_BACKLOG)
    if row is None:
        return Backlog(open_requests=0, oldest_seconds=0.0, dead_letters=0)
    return Backlog(
        open_requests=row["open_requests"],
        oldest_seconds=row["oldest_seconds"],
        dead_letters=row["dead_letters"],
    )


def _status(verdict: Verdict) -> str:
    if verdict.outcome in {"retried", "postponed"}:
        return "pending"
    return "succeeded" if verdict.outcome == "succeeded" else "failed"


async def delete_finished(connection: Connection, days: int, most: int) -> int:
    """Delete completed requests that are past their time; gives how many.

    A dead letter that was put back is not completed any more, so it stays.
    """
    rows = await connection.fetch(
        "DELETE FROM oracle_requests WHERE id IN (SELECT id FROM oracle_requests "
        "WHERE completed_at < clock_timestamp() - make_interval(days => $1) "
        "ORDER BY completed_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1",
        days,
        most,
    )
    return len(rows)
