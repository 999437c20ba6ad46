"""Leases with fencing tokens: a piece of background work belongs to one process at a time.

Invariant: time is the database's, and the token grows each time a lease changes hands. Work that
writes must check the token in the same transaction (`require`), so that a holder that was paused
past its expiry cannot write over its successor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from servicelayer_api.errors import Conflict

if TYPE_CHECKING:
    from servicelayer_api.db.pool import Connection


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A held lease."""

    name: str
    holder: UUID
    fencing_token: int


class LeaseLost(Conflict):
    """The lease went to another process meanwhile."""

    code = "lease-lost"
    title = "Lease lost"


async def acquire_lease(
    connection: Connection, name: str, holder: UUID, seconds: float
) -> Lease | None:
    """Take or prolong a lease.

    Args:
        connection: Where to.
        name: Of the work.
        holder: This process.
        seconds: Until it expires unless prolonged.

    Returns:
        The lease, or `None` while another process holds it.
    """
    token = await connection.fetchval(
        """
        INSERT INTO leases AS held (name, holder, fencing_token, expires_at)
        VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
        ON CONFLICT (name) DO UPDATE
           SET fencing_token = held.fencing_token + (held.holder <> excluded.holder)::int,
               holder = excluded.holder,
               expires_at = excluded.expires_at
         WHERE held.holder = excluded.holder OR held.expires_at < clock_timestamp()
        RETURNING fencing_token
        """,
        name,
        holder,
        seconds,
    )
    return None if token is None else Lease(name=name, holder=holder, fencing_token=int(token))


async def require_lease(connection: Connection, lease: Lease) -> None:
    """Hold the lease's row until the transaction ends; for transactions that write under a lease.

    Raises:
        LeaseLost: Another process has it.
    """
    held = await connection.fetchval(
        "SELECT fencing_token FROM leases WHERE name = $1 AND holder = $2 FOR SHARE",
        lease.name,
        lease.holder,
    )
    if held != lease.fencing_token:
        raise LeaseLost


async def release_lease(connection: Connection, lease: Lease) -> None:
    """Give a lease up, so that another process need not wait for its expiry."""
    await connection.execute(
        "UPDATE leases SET expires_at = '-infinity' "
        "WHERE name = $1 AND holder = $2 AND fencing_token = $3",
        lease.name,
        lease.holder,
        lease.fencing_token,
    )
