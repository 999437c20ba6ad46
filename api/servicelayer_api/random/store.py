"""The SQL of randomness. Draws are inserted many at a time, by one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.random.models import Draw, PublicKeys, PublishedKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from servicelayer_api.db import Connection

_DRAW: Final = (
    "counter, id, account_id, request_id, client_seed, length, created_at_ns, key_id, signature, "
    "vrf_proof"
)
# In the order of the unique index: two processes that commit the same names wait for each other
# instead of locking each other out.
_INSERT: Final = """
INSERT INTO random_draws
       (id, account_id, request_id, client_seed, length, created_at_ns, key_id)
SELECT id, account_id, request_id, client_seed, length, created_at_ns, $7
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::bigint[])
    AS asked (id, account_id, request_id, client_seed, length, created_at_ns)
 ORDER BY account_id, request_id, id
    ON CONFLICT (account_id, request_id) WHERE request_id <> '' DO NOTHING
RETURNING id, counter
"""


async def insert_draws(
    connection: Connection, key_id: str, draws: Sequence[Draw]
) -> dict[UUID, int]:
    """Commit draws under one key; those whose request id the account used before are left out.

    Returns:
        The counters of those that are new, by id.
    """
    rows = await connection.fetch(
        _INSERT,
        [draw.id for draw in draws],
        [draw.account_id for draw in draws],
        [draw.request_id for draw in draws],
        [draw.client_seed for draw in draws],
        [draw.length for draw in draws],
        [draw.created_at_ns for draw in draws],
        key_id,
    )
    return {row["id"]: row["counter"] for row in rows}


async def list_named(
    connection: Connection, names: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Draw]:
    """List the draws of these accounts and request ids."""
    rows = await connection.fetch(
        f"SELECT {_DRAW} FROM random_draws WHERE request_id <> '' AND (account_id, request_id) IN "  # noqa: S608 - fixed names
        "(SELECT * FROM unnest($1::uuid[], $2::text[]))",
        [account_id for account_id, _ in names],
        [request_id for _, request_id in names],
    )
    return {(row["account_id"], row["request_id"]): _draw(row) for row in rows}


async def find_draw(
    connection: Connection, account_id: UUID, request_id: str, draw_id: UUID | None
) -> Draw | None:
    """Find a draw by the caller's name for it; failing that by its own id."""
    row = await connection.fetchrow(
        f"SELECT {_DRAW} FROM random_draws WHERE account_id = $1 "  # noqa: S608 - fixed names
        "AND ((request_id <> '' AND request_id = $2) OR id = $3) "
        "ORDER BY request_id = $2 DESC LIMIT 1",
        account_id,
        request_id,
        draw_id,
    )
    return None if row is None else _draw(row)


async def list_draws(
    connection: Connection, account_id: UUID, limit: int, before: int | None
) -> list[Draw]:
    """List the draws of an account, newest first, those older than a counter."""
    rows = await connection.fetch(
        f"SELECT {_DRAW} FROM random_draws WHERE account_id = $1 "  # noqa: S608 - fixed names
        "AND ($3::bigint IS NULL OR counter < $3) ORDER BY counter DESC LIMIT $2",
        account_id,
        limit,
        before,
    )
    return [_draw(row) for row in rows]


async def update_answers(
    connection: Connection, answers: Sequence[tuple[int, bytes, bytes | None]]
) -> None:
    """Add signatures and proofs, by counter, where there are none."""
    await connection.execute(
        "UPDATE random_draws AS draw SET signature = coalesce(draw.signature, given.signature), "
        "vrf_proof = coalesce(draw.vrf_proof, given.vrf_proof) "
        "FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) "
        "AS given (counter, signature, vrf_proof) WHERE draw.counter = given.counter "
        "AND (draw.signature IS NULL OR (draw.vrf_proof IS NULL AND given.vrf_proof IS NOT NULL))",
        [counter for counter, _, _ in answers],
        [signature for _, signature, _ in answers],
        [proof for _, _, proof in answers],
    )


async def insert_key(connection: Connection, key: PublicKeys) -> bool:
    """Keep a key's public half; tell whether it is new."""
    row = await connection.fetchrow(
        "INSERT INTO random_keys (id, public_key, vrf_public_key, vrf_key_signature) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id",
        key.id,
        key.public_key,
        key.vrf_public_key,
        key.vrf_key_signature,
    )
    return row is not None


async def list_keys(connection: Connection, current: str) -> list[PublishedKey]:
    """List the keys that ever answered, the newest first."""
    rows = await connection.fetch(
        "SELECT id, public_key, vrf_public_key, vrf_key_signature, first_used_at "
        "FROM random_keys ORDER BY first_used_at DESC, id"
    )
    return [PublishedKey(**row, current=row["id"] == current) for row in rows]


def _draw(row: asyncpg.Record) -> Draw:
    return Draw(**row)
