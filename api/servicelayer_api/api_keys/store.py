"""The SQL of account API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.api_keys.models import ApiKey
from servicelayer_api.web.pagination import by_age, following
from servicelayer_api.web.principal import Credential, CredentialKind, Grant, Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicelayer_api.db import Connection
    from servicelayer_api.web.pagination import PageRequest, Slice

_COLUMNS: Final = (
    "id, account_id, name, prefix, created_by, created_at, expires_at, last_used_at, scopes, "
    "replaced_by"
)


async def insert_key(
    connection: Connection, key: ApiKey, tenant: str, key_hash: bytes, maker: Grant
) -> None:
    """Add a key, made by this right to act for its account."""
    await connection.execute(
        "INSERT INTO account_api_keys (id, account_id, tenant, name, prefix, key_hash, created_by, "
        "created_at, expires_at, scopes, person, parent_wallet) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        key.id,
        key.account_id,
        tenant,
        key.name,
        key.prefix,
        key_hash,
        key.created_by,
        key.created_at,
        key.expires_at,
        key.scopes,
        maker.person,
        maker.wallet_id,
    )


async def list_keys(connection: Connection, account_id: UUID, page: PageRequest) -> Slice[ApiKey]:
    """List the keys of an account that were not revoked, oldest first."""
    after, values = following("(created_at, id) > ($3, $4)", page.moment())
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM account_api_keys "  # noqa: S608 - fixed text
        f"WHERE account_id = $1 AND revoked_at IS NULL {after} ORDER BY created_at, id LIMIT $2",
        account_id,
        page.rows,
        *values,
    )
    return page.cut([_key(row) for row in rows], by_age)


async def count_keys_in_force(connection: Connection, account_id: UUID, now: datetime) -> int:
    """Count the keys of an account that open something."""
    return await connection.fetchval(
        "SELECT count(*) FROM account_api_keys WHERE account_id = $1 AND revoked_at IS NULL "
        "AND (expires_at IS NULL OR expires_at > $2)",
        account_id,
        now,
    )


async def lock_key(connection: Connection, account_id: UUID, key_id: UUID) -> ApiKey | None:
    """Find a key of an account that was not revoked and hold it until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM account_api_keys "  # noqa: S608 - fixed names
        "WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL FOR UPDATE",
        key_id,
        account_id,
    )
    return None if row is None else _key(row)


async def update_replaced_key(connection: Connection, old: ApiKey, new: ApiKey) -> None:
    """Write the end and the successor of a key that is locked, and where the successor is from."""
    await connection.execute(
        "UPDATE account_api_keys SET expires_at = $2, replaced_by = $3 WHERE id = $1",
        old.id,
        old.expires_at,
        new.id,
    )
    await connection.execute(
        "UPDATE account_api_keys SET origin = (SELECT coalesce(origin, id) FROM account_api_keys "
        "WHERE id = $1) WHERE id = $2",
        old.id,
        new.id,
    )


async def revoke_key(
    connection: Connection, account_id: UUID, key_id: UUID, now: datetime
) -> ApiKey | None:
    """Revoke a key of an account; give what it was, if it was in force."""
    row = await connection.fetchrow(
        "UPDATE account_api_keys SET revoked_at = $3 "  # noqa: S608 - fixed names
        f"WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL RETURNING {_COLUMNS}",
        key_id,
        account_id,
        now,
    )
    return None if row is None else _key(row)


async def find_credential(
    connection: Connection, key_hash: bytes
) -> tuple[Credential, datetime | None] | None:
    """Find the credential of a key that was not revoked, and its expiry, which may be over."""
    row = await connection.fetchrow(
        "SELECT id, account_id, tenant, name, scopes, expires_at, coalesce(origin, id) AS origin, "
        "person, parent_wallet FROM account_api_keys WHERE key_hash = $1 AND revoked_at IS NULL "
        "AND (parent_wallet IS NULL OR workspace_wallet_opens(parent_wallet))",
        key_hash,
    )
    if row is None:
        return None
    credential = Credential(
        user=f"key:{row['name']}",
        role=Role.USER,
        kind=CredentialKind.KEY,
        tenant=row["tenant"],
        grants=(
            Grant(
                account_id=row["account_id"],
                person=row["person"],
                wallet_id=row["parent_wallet"],
            ),
        ),
        scopes=None if row["scopes"] is None else frozenset(row["scopes"]),
        subject=str(row["id"]),
        holder=str(row["origin"]),
    )
    return credential, row["expires_at"]


async def update_last_used(connection: Connection, used: Mapping[str, datetime]) -> None:
    """Note when keys (by id) were used; a key that was noted within the minute is left alone."""
    await connection.execute(
        "UPDATE account_api_keys k SET last_used_at = u.at "
        "FROM unnest($1::text[], $2::timestamptz[]) AS u (id, at) WHERE k.id = u.id::uuid "
        "AND (k.last_used_at IS NULL OR k.last_used_at <= u.at - interval '1 minute')",
        list(used),
        list(used.values()),
    )


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
        scopes=row["scopes"],
        replaced_by=row["replaced_by"],
    )
