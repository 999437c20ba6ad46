"""The SQL of the configuration and of the requests that quotas count.

The statements are the same for all collections; they are put together from names that stand here
and from no text of a caller.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from servicelayer_api.admin.errors import ItemExists
from servicelayer_api.admin.models import MASK, NO_TIME, Item, Quota
from servicelayer_api.admin.rules import (
    CHAINS,
    COLLECTIONS,
    FEATURES,
    METHODS,
    PROVIDERS,
    QUOTAS,
    SETTINGS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from servicelayer_api.admin.rules import Collection
    from servicelayer_api.db import Connection

_TABLES: Final = {
    CHAINS.name: "admin_chains",
    PROVIDERS.name: "admin_providers",
    SETTINGS.name: "admin_settings",
    FEATURES.name: "admin_features",
    QUOTAS.name: "admin_quotas",
    METHODS.name: "admin_methods",
}
_SHOWN: Final = {
    "api_key": f"CASE WHEN api_key_sealed IS NULL THEN '' ELSE '{MASK}' END AS api_key",
}
_COLUMNS: Final = {
    collection.name: ", ".join(
        _SHOWN.get(name, name) for name in collection.empty.__struct_fields__
    )
    for collection in COLLECTIONS
}


async def list_items[T: Item](
    connection: Connection,
    collection: Collection[T],
    *,
    only: str | None = None,
    after: str | None = None,
    limit: int,
) -> list[T]:
    """List items by their key.

    Args:
        connection: any.
        collection: which kind.
        only: what the collection's filter field must be.
        after: the key after which to begin.
        limit: items at most.
    """
    kind = "uuid" if not collection.named else "text"
    chosen = f"AND ($3::text IS NULL OR {collection.filter} = $3)" if collection.filter else ""
    values = [after, limit, *([only] if collection.filter else [])]
    rows = await connection.fetch(
        f"SELECT {_COLUMNS[collection.name]} FROM {_TABLES[collection.name]} "  # noqa: S608 - fixed names
        f"WHERE ($1::text IS NULL OR {collection.key} > $1::text::{kind}) {chosen} "
        f"ORDER BY {collection.key} LIMIT $2",
        *values,
    )
    return [_item(collection, row) for row in rows]


async def find_item[T: Item](
    connection: Connection, collection: Collection[T], key: object, *, lock: bool = False
) -> T | None:
    """Find an item; locked until the transaction ends when asked."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS[collection.name]} FROM {_TABLES[collection.name]} "  # noqa: S608 - fixed names
        f"WHERE {collection.key} = $1{' FOR UPDATE' if lock else ''}",
        key,
    )
    return None if row is None else _item(collection, row)


async def insert_item(
    connection: Connection, collection: Collection[Any], values: Mapping[str, Any]
) -> None:
    """Add an item.

    Raises:
        ItemExists: there is one of this key or name.
    """
    names = list(values)
    places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    try:
        await connection.execute(
            f"INSERT INTO {_TABLES[collection.name]} ({', '.join(names)}) VALUES ({places})",  # noqa: S608 - fixed names
            *(_stored(value) for value in values.values()),
        )
    except asyncpg.UniqueViolationError as exc:
        raise ItemExists(f"there is a {collection.name} of this name already") from exc


async def update_item(
    connection: Connection, collection: Collection[Any], key: object, values: Mapping[str, Any]
) -> None:
    """Write an item that is locked.

    Raises:
        ItemExists: there is another of this name.
    """
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
    try:
        await connection.execute(
            f"UPDATE {_TABLES[collection.name]} SET {assignments} WHERE {collection.key} = $1",  # noqa: S608 - fixed names
            key,
            *(_stored(value) for value in values.values()),
        )
    except asyncpg.UniqueViolationError as exc:
        raise ItemExists(f"there is a {collection.name} of this name already") from exc


async def delete_item(connection: Connection, collection: Collection[Any], key: object) -> None:
    """Delete an item that is locked."""
    await connection.execute(
        f"DELETE FROM {_TABLES[collection.name]} WHERE {collection.key} = $1",  # noqa: S608 - fixed names
        key,
    )


async def find_sealed_key(connection: Connection, provider_id: object) -> bytes | None:
    """Find a provider's API key as it was sealed."""
    return await connection.fetchval(
        "SELECT api_key_sealed FROM admin_providers WHERE id = $1", provider_id
    )


async def find_quota(connection: Connection, tenant: str) -> Quota | None:
    """Find a tenant's quota."""
    return await find_item(connection, QUOTAS, tenant)


async def insert_requests(
    connection: Connection, counts: Sequence[tuple[str, str, datetime, int]]
) -> list[tuple[str, str, datetime, int]]:
    """Add to the requests of tenants in periods; give what all processes together let through.

    Args:
        connection: any.
        counts: tenant, `minute` or `day`, beginning of the period, requests to add.
    """
    rows = await connection.fetch(
        "INSERT INTO admin_request_counts AS c (tenant, period, began_at, requests) "
        "SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[]) "
        "AS given (tenant, period, began_at, requests) ORDER BY 1, 2, 3 "
        "ON CONFLICT (tenant, period, began_at) "
        "DO UPDATE SET requests = c.requests + excluded.requests "
        "RETURNING tenant, period, began_at, requests",
        *(list(column) for column in zip(*counts, strict=True)),
    )
    return [(row["tenant"], row["period"], row["began_at"], row["requests"]) for row in rows]


async def delete_requests(connection: Connection, before: datetime) -> None:
    """Delete the counts of periods that began before a moment."""
    await connection.execute("DELETE FROM admin_request_counts WHERE began_at < $1", before)


def _item[T: Item](collection: Collection[T], row: asyncpg.Record) -> T:
    values = dict(row)
    if "metadata" in values:
        values["metadata"] = json.loads(values["metadata"])
    if values.get("last_check_at", NO_TIME) is None:
        values["last_check_at"] = NO_TIME
    return msgspec.convert(values, type(collection.empty))


def _stored(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value
