"""The SQL of rotations, and of the columns of other features that a rotation seals anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.vault.models import Rotation, SealedRow
from servicelayer_api.vault.store import wrapped_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from servicelayer_api.db import Connection
    from servicelayer_api.vault.models import RotationKind, SealedColumn, WrappedKey

_ROTATION: Final = (
    "id, kind, state, target_version, total, done, failed, resealed, started_by, started_at, "
    "updated_at, finished_at"
)


async def insert_rotation(
    connection: Connection, rotation_id: UUID, kind: RotationKind, started_by: str
) -> Rotation | None:
    """Begin a rotation towards the newest key version; `None` while another is running.

    Data keys count that the newest version does not wrap, or all active ones if new ones are asked.
    """
    row = await connection.fetchrow(
        "INSERT INTO vault_rotations (id, kind, state, target_version, total, started_by) "  # noqa: S608 - fixed
        "SELECT $1, $2, 'running', v.newest, "
        "(SELECT count(*) FROM vault_data_keys d WHERE CASE WHEN $2 = 'keys' "
        "THEN d.key_version <> v.newest ELSE d.active END), $3 "
        "FROM (SELECT max(version) AS newest FROM vault_key_versions) v "
        f"ON CONFLICT DO NOTHING RETURNING {_ROTATION}",
        rotation_id,
        kind,
        started_by,
    )
    return None if row is None else _rotation(row)


async def find_rotation(connection: Connection, rotation_id: UUID) -> Rotation | None:
    """Find a rotation."""
    row = await connection.fetchrow(
        f"SELECT {_ROTATION} FROM vault_rotations WHERE id = $1",  # noqa: S608 - fixed names
        rotation_id,
    )
    return None if row is None else _rotation(row)


async def find_last_rotation(connection: Connection) -> Rotation | None:
    """Find the rotation that was started last."""
    row = await connection.fetchrow(
        f"SELECT {_ROTATION} FROM vault_rotations ORDER BY started_at DESC LIMIT 1"  # noqa: S608 - fixed
    )
    return None if row is None else _rotation(row)


async def find_running(connection: Connection) -> Rotation | None:
    """Find the rotation that is running."""
    row = await connection.fetchrow(
        f"SELECT {_ROTATION} FROM vault_rotations WHERE state = 'running'"  # noqa: S608 - fixed
    )
    return None if row is None else _rotation(row)


async def update_progress(
    connection: Connection, rotation_id: UUID, *, done: int = 0, failed: int = 0, resealed: int = 0
) -> None:
    """Add to the counts of a rotation."""
    await connection.execute(
        "UPDATE vault_rotations SET done = done + $2, failed = failed + $3, "
        "resealed = resealed + $4, updated_at = clock_timestamp() WHERE id = $1",
        rotation_id,
        done,
        failed,
        resealed,
    )


async def update_finished(connection: Connection, rotation_id: UUID) -> str | None:
    """End a rotation: as done, or as failed when anything did not open. Tells which."""
    return await connection.fetchval(
        "UPDATE vault_rotations SET state = CASE WHEN failed > 0 THEN 'failed' ELSE 'done' END, "
        "updated_at = clock_timestamp(), finished_at = clock_timestamp() "
        "WHERE id = $1 AND state = 'running' RETURNING state",
        rotation_id,
    )


async def lock_outdated_data_key(
    connection: Connection, rotation_id: UUID, after: UUID, *, wait: bool
) -> WrappedKey | None:
    """Hold the next active data key that is older than a rotation.

    Args:
        connection: with a transaction open.
        rotation_id: the rotation.
        after: the id of the one before.
        wait: whether to wait for one that others hold, or to pass over it.
    """
    row = await connection.fetchrow(
        "SELECT id, owner, version, key_version, wrapped FROM vault_data_keys "  # noqa: S608 - fixed
        "WHERE active AND id > $2 "
        "AND created_at < (SELECT started_at FROM vault_rotations WHERE id = $1) "
        f"ORDER BY id LIMIT 1 FOR UPDATE {'' if wait else 'SKIP LOCKED'}",
        rotation_id,
        after,
    )
    return None if row is None else wrapped_key(row)


async def lock_sealed_rows(
    connection: Connection, column: SealedColumn, owner: UUID | None, after: UUID, limit: int
) -> list[SealedRow]:
    """Hold rows of an owner in a column of sealed data."""
    whose = f"{column.owner} IS NULL" if owner is None else f"{column.owner} = $3"
    values = () if owner is None else (owner,)
    rows = await connection.fetch(
        f"{_sealed(column)} WHERE {whose} AND {column.column} IS NOT NULL "
        f"AND {column.key} > $1 ORDER BY {column.key} LIMIT $2 FOR NO KEY UPDATE",
        after,
        limit,
        *values,
    )
    return [_sealed_row(row) for row in rows]


async def lock_imported_rows(
    connection: Connection, column: SealedColumn, after: UUID, limit: int
) -> list[SealedRow]:
    """Hold rows that are still sealed as the reference server did."""
    rows = await connection.fetch(
        f"{_sealed(column)} WHERE {column.imported} AND {column.key} > $1 "
        f"ORDER BY {column.key} LIMIT $2 FOR NO KEY UPDATE",
        after,
        limit,
    )
    return [_sealed_row(row) for row in rows]


async def update_sealed(
    connection: Connection, column: SealedColumn, rows: Sequence[tuple[UUID, bytes]]
) -> None:
    """Write rows, which are locked, as they are sealed now."""
    imported = f", {column.imported} = false" if column.imported else ""
    await connection.execute(
        f"UPDATE {column.table} t SET {column.column} = w.sealed{imported} "  # noqa: S608 - fixed names
        "FROM unnest($1::uuid[], $2::bytea[]) AS w (id, sealed) "
        f"WHERE t.{column.key} = w.id",
        [key for key, _ in rows],
        [sealed for _, sealed in rows],
    )


async def get_count_imported(connection: Connection, column: SealedColumn) -> int:
    """Count the rows that are still sealed as the reference server did."""
    return int(
        await connection.fetchval(f"SELECT count(*) FROM {column.table} WHERE {column.imported}")  # noqa: S608 - fixed
    )


def _sealed(column: SealedColumn) -> str:
    return (
        f"SELECT {column.key} AS key, {column.owner} AS owner, {column.column} AS sealed, "  # noqa: S608 - fixed
        f"{column.context} AS context, {column.imported or 'false'} AS imported FROM {column.table}"
    )


def _sealed_row(row: asyncpg.Record) -> SealedRow:
    return SealedRow(
        key=row["key"],
        owner=row["owner"],
        sealed=row["sealed"],
        context=row["context"],
        imported=row["imported"],
    )


def _rotation(row: asyncpg.Record) -> Rotation:
    return Rotation(**dict(row))
