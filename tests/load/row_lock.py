"""What PostgreSQL itself gives on one hot row: lock it, change it, commit, without any HTTP.

The plain way of a deposit, `SELECT ... FOR UPDATE`, `INSERT`, `UPDATE`, by 32 callers over eight
connections, as the servers have them. A server that commits each deposit by itself cannot be
faster than this.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

_TABLES = """
CREATE TABLE IF NOT EXISTS hot (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE IF NOT EXISTS booked (
    tx_id text PRIMARY KEY, hot_id int NOT NULL REFERENCES hot, amount bigint NOT NULL
);
INSERT INTO hot VALUES (1, 0) ON CONFLICT DO NOTHING;
"""
_AMOUNT = 50_000_000


async def row_lock_rate(url: str, *, tag: str, seconds: float, callers: int = 32) -> float:
    """Measure deposits a second by the row lock.

    Args:
        url: Of a database that may be written to.
        tag: Makes the transactions unique.
        seconds: How long.
        callers: That wait for their deposit at the same time.

    Raises:
        RuntimeError: The balance is not the sum of what was booked.
    """
    pool = await asyncpg.create_pool(url, min_size=8, max_size=8)
    async with pool:
        await pool.execute(_TABLES)
        until = time.perf_counter() + seconds
        done = 0

        async def call(number: int) -> None:
            nonlocal done
            mine = 0
            while time.perf_counter() < until:
                mine += 1
                async with pool.acquire() as connection, connection.transaction():
                    await connection.fetchval("SELECT balance FROM hot WHERE id = 1 FOR UPDATE")
                    await connection.execute(
                        "INSERT INTO booked VALUES ($1, 1, $2)", f"{tag}-{number}-{mine}", _AMOUNT
                    )
                    await connection.execute(
                        "UPDATE hot SET balance = balance + $1 WHERE id = 1", _AMOUNT
                    )
                done += 1

        await asyncio.gather(*(call(number) for number in range(callers)))
        off = await pool.fetchval(
            "SELECT (SELECT balance FROM hot) - (SELECT coalesce(sum(amount), 0) FROM booked)"
        )
    if off:
        raise RuntimeError(f"the balance is off by {off}")
    return done / seconds
