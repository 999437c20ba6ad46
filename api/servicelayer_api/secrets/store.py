"""The SQL of secrets and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import asyncpg

from servicelayer_api.secrets.errors import SecretExists
from servicelayer_api.secrets.models import StoredSecret, StoredVersion
from servicelayer_api.vault import SealedColumn
from servicelayer_api.web.pagination import following

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.db import Connection

_SECRET: Final = "id, account_id, name, name_key, version, created_at, updated_at"  # noqa: S105 - columns
_VERSION: Final = (
    "id, account_id, secret_id, version, acl, expires_at, sealed, imported, restored_from, "
    "created_by, created_at"
)
_OF_SECRET: Final = ", ".join(f"s.{name} AS s_{name}" for name in _SECRET.split(", "))
_OF_VERSION: Final = ", ".join(f"v.{name} AS v_{name}" for name in _VERSION.split(", "))
_QUOTA_LOCK: Final = 0x736C_7365  # "slse"

# `context` says in SQL what `rules.context` says in Python.
SEALED: Final = SealedColumn(
    name="secrets",
    table="secret_versions",
    key="id",
    column="sealed",
    owner="account_id",
    context=(
        "'secret|' || secret_id || '|' || version || '|' || acl || '|' || "
        "coalesce((extract(epoch FROM expires_at) * 1000000)::bigint::text, '') || '|' || "
        "(SELECT s.name FROM secrets s WHERE s.id = secret_id)"
    ),
    imported="imported",
)


async def lock_quota(connection: Connection, account_id: UUID) -> int:
    """Count the secrets of an account; nobody else adds one until the transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1, hashtext($2))", _QUOTA_LOCK, str(account_id)
    )
    # A statement of its own, so that it sees what others added before the lock was given.
    return int(
        await connection.fetchval("SELECT count(*) FROM secrets WHERE account_id = $1", account_id)
    )


async def insert_secret(connection: Connection, secret: StoredSecret) -> None:
    """Add a secret.

    Raises:
        SecretExists: the account has one of this name.
    """
    try:
        await connection.execute(
            f"INSERT INTO secrets ({_SECRET}) VALUES ($1, $2, $3, $4, $5, $6, $7)",  # noqa: S608 - fixed
            secret.id,
            secret.account_id,
            secret.name,
            secret.name_key,
            secret.version,
            secret.created_at,
            secret.updated_at,
        )
    except asyncpg.UniqueViolationError as exc:
        raise SecretExists("the account has a secret of this name") from exc


async def insert_version(connection: Connection, version: StoredVersion) -> None:
    """Add a version."""
    await connection.execute(
        f"INSERT INTO secret_versions ({_VERSION}) "  # noqa: S608 - fixed names
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        version.id,
        version.account_id,
        version.secret_id,
        version.version,
        version.acl,
        version.expires_at,
        version.sealed,
        version.imported,
        version.restored_from,
        version.created_by,
        version.created_at,
    )


async def find_secret(
    connection: Connection, account_id: UUID, name_key: str
) -> tuple[StoredSecret, StoredVersion] | None:
    """Find a secret of an account and its present version."""
    return await _one(connection, account_id, name_key)


async def lock_secret(
    connection: Connection, account_id: UUID, name_key: str
) -> tuple[StoredSecret, StoredVersion] | None:
    """Do the same, and hold the secret until the transaction ends."""
    # Locked first: the join must see the version that a competing change has just made.
    held = await connection.fetchval(
        "SELECT id FROM secrets WHERE account_id = $1 AND name_key = $2 FOR UPDATE",
        account_id,
        name_key,
    )
    return None if held is None else await _one(connection, account_id, name_key)


async def _one(
    connection: Connection, account_id: UUID, name_key: str
) -> tuple[StoredSecret, StoredVersion] | None:
    row = await connection.fetchrow(
        f"SELECT {_OF_SECRET}, {_OF_VERSION} FROM secrets s "  # noqa: S608 - fixed names
        "JOIN secret_versions v ON v.secret_id = s.id AND v.version = s.version "
        "WHERE s.account_id = $1 AND s.name_key = $2",
        account_id,
        name_key,
    )
    return None if row is None else (_secret(row), _version(row))


async def find_version(
    connection: Connection, secret_id: UUID, version: int
) -> StoredVersion | None:
    """Find a version of a secret."""
    row = await connection.fetchrow(
        f"SELECT {_OF_VERSION} FROM secret_versions v WHERE secret_id = $1 AND version = $2",  # noqa: S608 - fixed
        secret_id,
        version,
    )
    return None if row is None else _version(row)


async def list_secrets(
    connection: Connection, account_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[StoredSecret, StoredVersion]]:
    """List the secrets of an account, oldest first, without their values.

    Args:
        connection: where from.
        account_id: the account.
        after: when the one before was made, and its id.
        limit: how many at most.
    """
    columns = _OF_VERSION.replace("v.sealed ", "''::bytea ")
    position, values = following("(s.created_at, s.id) > ($3, $4)", after)
    rows = await connection.fetch(
        f"SELECT {_OF_SECRET}, {columns} FROM secrets s "  # noqa: S608 - fixed names
        "JOIN secret_versions v ON v.secret_id = s.id AND v.version = s.version "
        f"WHERE s.account_id = $1 {position} ORDER BY s.created_at, s.id LIMIT $2",
        account_id,
        limit,
        *values,
    )
    return [(_secret(row), _version(row)) for row in rows]


async def list_versions(
    connection: Connection, secret_id: UUID, below: int, limit: int
) -> list[StoredVersion]:
    """List the versions of a secret below a number, newest first, without their values."""
    columns = _OF_VERSION.replace("v.sealed ", "''::bytea ")
    rows = await connection.fetch(
        f"SELECT {columns} FROM secret_versions v WHERE secret_id = $1 AND version < $2 "  # noqa: S608 - fixed
        "ORDER BY version DESC LIMIT $3",
        secret_id,
        below,
        limit,
    )
    return [_version(row) for row in rows]


async def lock_imported(connection: Connection, secret_id: UUID) -> list[StoredVersion]:
    """Hold the versions of a secret that are still sealed as the reference server did."""
    rows = await connection.fetch(
        f"SELECT {_OF_VERSION} FROM secret_versions v "  # noqa: S608 - fixed names
        "WHERE secret_id = $1 AND imported FOR NO KEY UPDATE",
        secret_id,
    )
    return [_version(row) for row in rows]


async def update_sealed(connection: Connection, version_id: UUID, sealed: bytes) -> None:
    """Write a version, which is locked, as the vault seals it."""
    await connection.execute(
        "UPDATE secret_versions SET sealed = $2, imported = false WHERE id = $1", version_id, sealed
    )


async def update_secret(
    connection: Connection, secret_id: UUID, version: int, now: datetime
) -> None:
    """Let a secret, which is locked, have another present version."""
    await connection.execute(
        "UPDATE secrets SET version = $2, updated_at = $3 WHERE id = $1", secret_id, version, now
    )


async def delete_versions(connection: Connection, secret_id: UUID, up_to: int) -> None:
    """Delete the versions of a secret up to a number."""
    await connection.execute(
        "DELETE FROM secret_versions WHERE secret_id = $1 AND version <= $2", secret_id, up_to
    )


async def delete_secret(connection: Connection, secret_id: UUID) -> None:
    """Delete a secret and all its versions."""
    await connection.execute("DELETE FROM secrets WHERE id = $1", secret_id)


def _secret(row: asyncpg.Record) -> StoredSecret:
    return StoredSecret(**_members(row, "s_"))


def _version(row: asyncpg.Record) -> StoredVersion:
    return StoredVersion(**_members(row, "v_"))


def _members(row: asyncpg.Record, prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)
    }
