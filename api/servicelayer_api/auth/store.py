"""The SQL of login attempts and of the wallet challenges that were used up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from servicelayer_api.db import Connection


async def count_attempts(
    connection: Connection, subjects: Sequence[bytes], now: datetime, window_ends: datetime
) -> list[tuple[int, datetime]]:
    """Count one more attempt for each subject, before its password is looked at.

    Counting first is what holds when many attempts arrive at the same moment at many replicas.

    Returns:
        For each subject its attempts in its window, this one among them, and when the window ends.
    """
    counted: dict[bytes, tuple[int, datetime]] = {}
    for subject in sorted(subjects):  # in one order everywhere, so that two logins cannot deadlock
        row = await connection.fetchrow(
            "INSERT INTO auth_login_attempts AS a (subject, attempts, window_ends) "
            "VALUES ($1, 1, $3) ON CONFLICT (subject) DO UPDATE SET "
            "attempts = CASE WHEN a.window_ends <= $2 THEN 1 "
            "ELSE LEAST(a.attempts + 1, 1000000) END, "
            "window_ends = CASE WHEN a.window_ends <= $2 THEN $3 ELSE a.window_ends END "
            "RETURNING attempts, window_ends",
            subject,
            now,
            window_ends,
        )
        if row is not None:
            counted[subject] = (row["attempts"], row["window_ends"])
    return [counted[subject] for subject in subjects]


async def forgive_attempts(connection: Connection, pair: bytes, name: bytes) -> None:
    """After a success: forget those from this address, take one off those at the name."""
    await connection.execute("DELETE FROM auth_login_attempts WHERE subject = $1", pair)
    await connection.execute(
        "UPDATE auth_login_attempts SET attempts = GREATEST(attempts - 1, 0) WHERE subject = $1",
        name,
    )


async def count_used(connection: Connection, wallet: str, since: int) -> dict[int, int]:
    """Count the challenges of a wallet that logins have used up, by slot, from a slot on."""
    rows = await connection.fetch(
        "SELECT slot, count(*) AS used FROM auth_wallet_logins "
        "WHERE wallet = $1 AND slot >= $2 GROUP BY slot",
        wallet,
        since,
    )
    return {row["slot"]: row["used"] for row in rows}


async def use_challenge(
    connection: Connection, wallet: str, slot: int, generation: int, expires_at: datetime
) -> bool:
    """Use a challenge up; tell whether it was still there. Of many that try, one succeeds."""
    row = await connection.fetchrow(
        "INSERT INTO auth_wallet_logins (wallet, slot, generation, expires_at) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING slot",
        wallet,
        slot,
        generation,
        expires_at,
    )
    return row is not None


async def delete_expired(connection: Connection, now: datetime, most: int) -> None:
    """Delete attempts and used challenges whose time is over, and attempts beyond `most`.

    Of those the ones with the fewest attempts: what strangers make at random names goes before what
    they did to one.
    """
    await connection.execute("DELETE FROM auth_login_attempts WHERE window_ends <= $1", now)
    await connection.execute("DELETE FROM auth_wallet_logins WHERE expires_at <= $1", now)
    await connection.execute(
        "DELETE FROM auth_login_attempts WHERE subject IN (SELECT subject FROM auth_login_attempts "
        "ORDER BY attempts DESC, window_ends DESC OFFSET $1)",
        most,
    )
