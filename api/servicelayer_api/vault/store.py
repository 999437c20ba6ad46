"""The SQL of the vault's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import asyncpg

from servicelayer_api.crypto.envelope import MAX_SEALS
from servicelayer_api.vault.errors import VaultClosed
from servicelayer_api.vault.models import KeyRow, WrappedKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicelayer_api.db import Connection

_OPENING_LOCK: Final = 0x736C_7661_756C  # "slvaul"
_DATA_KEY: Final = "id, owner, version, key_version, wrapped"


async def lock_opening(connection: Connection) -> None:
    """Let one process at a time add key versions, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _OPENING_LOCK)


async def list_keys(connection: Connection) -> list[KeyRow]:
    """List the key versions, newest first, each with how many data keys it wraps.

    Raises:
        VaultClosed: the migrations did not run yet.
    """
    try:
        rows = await connection.fetch(
            "SELECT version, fingerprint, check_value, created_at, retired_at, "
            "(SELECT count(*) FROM vault_data_keys d WHERE d.key_version = k.version) AS data_keys "
            "FROM vault_key_versions k ORDER BY version DESC"
        )
    except asyncpg.UndefinedTableError as exc:
        raise VaultClosed("the schema is not there yet: run servicelayer-api migrate") from exc
    return [
        KeyRow(
            version=row["version"],
            fingerprint=row["fingerprint"],
            check_value=row["check_value"],
            created_at=row["created_at"],
            retired_at=row["retired_at"],
            data_keys=row["data_keys"],
        )
        for row in rows
    ]


async def list_fingerprints(connection: Connection) -> dict[int, str]:
    """The fingerprints of the versions that are not retired, newest first."""
    rows = await connection.fetch(
        "SELECT version, fingerprint FROM vault_key_versions "
        "WHERE retired_at IS NULL ORDER BY version DESC"
    )
    return {row["version"]: row["fingerprint"] for row in rows}


async def insert_key(
    connection: Connection, version: int, fingerprint: str, check_value: bytes
) -> None:
    """Add a key version."""
    await connection.execute(
        "INSERT INTO vault_key_versions (version, fingerprint, check_value) VALUES ($1, $2, $3)",
        version,
        fingerprint,
        check_value,
    )


async def update_keys_retired(connection: Connection, below: int) -> int:
    """Retire the versions below one that wrap nothing any more; tell how many."""
    # A statement of its own, so that the next sees what others added before the lock was given.
    await connection.execute(
        "SELECT FROM vault_key_versions WHERE version < $1 AND retired_at IS NULL FOR UPDATE", below
    )
    rows = await connection.fetch(
        "UPDATE vault_key_versions k SET retired_at = clock_timestamp() "
        "WHERE version < $1 AND retired_at IS NULL AND NOT EXISTS "
        "(SELECT FROM vault_data_keys d WHERE d.key_version = k.version) RETURNING version",
        below,
    )
    return len(rows)


async def find_data_key(connection: Connection, key_id: UUID) -> WrappedKey | None:
    """Find a data key."""
    row = await connection.fetchrow(
        f"SELECT {_DATA_KEY} FROM vault_data_keys WHERE id = $1",  # noqa: S608 - fixed names
        key_id,
    )
    return None if row is None else wrapped_key(row)


async def find_active_data_key(connection: Connection, owner: UUID | None) -> WrappedKey | None:
    """Find the data key that new data of an owner is sealed with."""
    return await _active(connection, owner)


async def lock_active_data_key(connection: Connection, owner: UUID | None) -> WrappedKey | None:
    """Do the same, and hold it until the transaction ends."""
    return await _active(connection, owner, "FOR UPDATE")


async def _active(connection: Connection, owner: UUID | None, lock: str = "") -> WrappedKey | None:
    whose, values = ("owner IS NULL", ()) if owner is None else ("owner = $1", (owner,))
    row = await connection.fetchrow(
        f"SELECT {_DATA_KEY} FROM vault_data_keys WHERE {whose} AND active {lock}",  # noqa: S608 - fixed
        *values,
    )
    return None if row is None else wrapped_key(row)


async def update_uses(connection: Connection, key_id: UUID, count: int) -> bool:
    """Count seals about to be made; `False` when the key is not active any more or is used up."""
    row = await connection.fetchrow(
        "UPDATE vault_data_keys SET uses = uses + $2 "
        "WHERE id = $1 AND active AND uses + $2 <= $3 RETURNING id",
        key_id,
        count,
        MAX_SEALS,
    )
    return row is not None


async def update_superseded(connection: Connection, key_id: UUID) -> None:
    """Let a data key open and no longer seal."""
    await connection.execute("UPDATE vault_data_keys SET active = false WHERE id = $1", key_id)


async def insert_data_key(connection: Connection, key: WrappedKey) -> bool:
    """Add an active data key; `False` when the owner has one, or its wrapping key is retired.

    The row of the wrapping key is held, so that it cannot be retired meanwhile.
    """
    row = await connection.fetchrow(
        "INSERT INTO vault_data_keys (id, owner, version, key_version, wrapped) "
        "SELECT $1, $2, $3, version, $5 FROM vault_key_versions "
        "WHERE version = $4 AND retired_at IS NULL FOR SHARE "
        "ON CONFLICT DO NOTHING RETURNING id",
        key.id,
        key.owner,
        key.version,
        key.key_version,
        key.wrapped,
    )
    return row is not None


async def lock_data_keys(
    connection: Connection, target: int, after: UUID, limit: int, *, wait: bool
) -> list[WrappedKey]:
    """Hold data keys that are wrapped by another version than the target.

    Args:
        connection: with a transaction open.
        target: the key version they should have.
        after: the last id of the batch before.
        limit: keys at most.
        wait: whether to wait for keys that others hold, or to pass over them.
    """
    rows = await connection.fetch(
        f"SELECT {_DATA_KEY} FROM vault_data_keys WHERE key_version <> $1 AND id > $2 "  # noqa: S608 - fixed
        f"ORDER BY id LIMIT $3 FOR NO KEY UPDATE {'' if wait else 'SKIP LOCKED'}",
        target,
        after,
        limit,
    )
    return [wrapped_key(row) for row in rows]


async def update_wrapped(
    connection: Connection, target: int, wrapped: Sequence[tuple[UUID, bytes]]
) -> None:
    """Write data keys, which are locked, as the target version wraps them."""
    await connection.execute(
        "UPDATE vault_data_keys d SET wrapped = w.wrapped, key_version = $1 "
        "FROM unnest($2::uuid[], $3::bytea[]) AS w (id, wrapped) WHERE d.id = w.id",
        target,
        [key_id for key_id, _ in wrapped],
        [text for _, text in wrapped],
    )


async def get_count_wrapped_otherwise(connection: Connection, target: int) -> int:
    """Count the data keys that another version than the target wraps."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM vault_data_keys WHERE key_version <> $1", target
        )
    )


def wrapped_key(row: asyncpg.Record) -> WrappedKey:
    """Read a row of data keys."""
    return WrappedKey(
        id=row["id"],
        owner=row["owner"],
        version=row["version"],
        key_version=row["key_version"],
        wrapped=row["wrapped"],
    )
