"""The SQL of account API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.api_keys.models import ApiKey
from servicelayer_api.web.principal import Credential, CredentialKind, Role

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicelayer_api.db import Connection

_COLUMNS: Final = "id, account_id, name, prefix, created_by, created_at, expires_at, last_used_at"


async def insert_key(connection: Connection, key: ApiKey, tenant: str, key_hash: bytes) -> None:
    """Add a key."""
    await connection.execute(
        "INSERT INTO account_api_keys "
        "(id, account_id, tenant, name, prefix, key_hash, created_by, created_at, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        key.id,
        key.account_id,
        tenant,
        key.name,
        key.prefix,
        key_hash,
        key.created_by,
        key.created_at,
        key.expires_at,
    )


async def list_keys(connection: Connection, account_id: UUID) -> list[ApiKey]:
    """List the keys of an account that were not revoked, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM account_api_keys "  # noqa: S608 - fixed names
        "WHERE account_id = $1 AND revoked_at IS NULL ORDER BY created_at, id",
        account_id,
    )
    return [_key(row) for row in rows]


async def revoke_key(connection: Connection, account_id: UUID, key_id: UUID, now: datetime) -> bool:
    """Revoke a key of an account; tell whether it was in force."""
    row = await connection.fetchrow(
        "UPDATE account_api_keys SET revoked_at = $3 "
        "WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL RETURNING id",
        key_id,
        account_id,
        now,
    )
    return row is not None


async def find_credential(
    connection: Connection, key_hash: bytes, now: datetime
) -> tuple[Credential, datetime | None] | None:
    """Find the credential of a key in force and its expiry; note to the minute that it was used."""
    row = await connection.fetchrow(
        "SELECT id, account_id, tenant, name, expires_at, "
        "last_used_at IS NULL OR last_used_at < $2::timestamptz - interval '1 minute' AS stale "
        "FROM account_api_keys WHERE key_hash = $1 AND revoked_at IS NULL "
        "AND (expires_at IS NULL OR expires_at > $2)",
        key_hash,
        now,
    )
    if row is None:
        return None
    if row["stale"]:
        await connection.execute(
            "UPDATE account_api_keys SET last_used_at = $2 WHERE id = $1", row["id"], now
        )
    credential = Credential(
        user=f"key:{row['name']}",
        role=Role.USER,
        kind=CredentialKind.KEY,
        tenant=row["tenant"],
        account_id=row["account_id"],
    )
    return credential, row["expires_at"]


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        prefix=row["prefix"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )
