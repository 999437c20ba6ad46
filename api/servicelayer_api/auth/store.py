"""The SQL of login attempts and wallet challenges."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.db import Connection


class OpenChallenge(msgspec.Struct, frozen=True):
    """A challenge that is still valid."""

    nonce: str
    message: str
    expires_at: datetime


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


async def insert_challenge(
    connection: Connection,
    *,
    nonce: str,
    wallet: str,
    message: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Add a challenge."""
    await connection.execute(
        "INSERT INTO auth_wallet_challenges (nonce, wallet, message, created_at, expires_at) "
        "VALUES ($1, $2, $3, $4, $5)",
        nonce,
        wallet,
        message,
        now,
        expires_at,
    )


async def list_challenges(
    connection: Connection, wallet: str, now: datetime, limit: int
) -> list[OpenChallenge]:
    """List the challenges of a wallet that are open at a time, newest first."""
    rows = await connection.fetch(
        "SELECT nonce, message, expires_at FROM auth_wallet_challenges "
        "WHERE wallet = $1 AND expires_at > $2 ORDER BY created_at DESC LIMIT $3",
        wallet,
        now,
        limit,
    )
    return [OpenChallenge(row["nonce"], row["message"], row["expires_at"]) for row in rows]


async def take_challenge(connection: Connection, nonce: str, now: datetime) -> bool:
    """Use a challenge up; tell whether it was still there. Of many that try, one succeeds."""
    row = await connection.fetchrow(
        "DELETE FROM auth_wallet_challenges WHERE nonce = $1 AND expires_at > $2 RETURNING nonce",
        nonce,
        now,
    )
    return row is not None


async def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete attempts and challenges whose time is over."""
    await connection.execute("DELETE FROM auth_login_attempts WHERE window_ends <= $1", now)
    await connection.execute("DELETE FROM auth_wallet_challenges WHERE expires_at <= $1", now)
