"""The SQL of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from servicelayer_api.audit.models import Entry, Query
from servicelayer_api.audit.rules import like_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from servicelayer_api.db import Connection

_COLUMNS: Final = (
    "id, at, actor, role, credential, tenant, account_id, action, resource_id, method, path, "
    "status, request_id, remote_addr, user_agent"
)
_INSERT: Final = (
    f"INSERT INTO audit_log ({_COLUMNS}) "  # noqa: S608 - fixed column names
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
)


async def insert_entry(connection: Connection, entry: Entry) -> None:
    """Add an entry in the transaction that is open."""
    await connection.execute(_INSERT, *_row(entry))


async def insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Add entries, all or none."""
    await connection.executemany(_INSERT, [_row(entry) for entry in entries])


async def list_entries(
    connection: Connection, query: Query, *, only_tenant: str | None
) -> list[Entry]:
    """Find a page of entries, oldest first; of one tenant when `only_tenant` names it."""
    conditions: list[str] = []
    values: list[Any] = []

    def where(condition: str, value: Any) -> None:
        values.append(value)
        conditions.append(condition.replace("?", f"${len(values)}"))

    if only_tenant is not None:
        where("tenant = ?", only_tenant)
    if query.user is not None:
        where("actor = ?", query.user)
    if query.role is not None:
        where("role = ?", query.role)
    if query.tenant is not None:
        where("tenant = ?", query.tenant)
    if query.method is not None:
        where("method = ?", query.method.upper())
    if query.contains is not None:
        where("path LIKE ?", like_pattern(query.contains))
    if query.status is not None:
        where("status = ?", query.status)
    order = "DESC" if query.newest else "ASC"
    filters = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    values += [query.limit, query.offset]
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM audit_log {filters} "  # noqa: S608 - values are parameters, names are fixed
        f"ORDER BY seq {order} LIMIT ${len(values) - 1} OFFSET ${len(values)}",
        *values,
    )
    return [_entry(row) for row in (reversed(rows) if query.newest else rows)]


def _row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.id,
        entry.time,
        entry.user,
        entry.role,
        entry.credential,
        entry.tenant,
        entry.account_id,
        entry.action,
        entry.resource_id,
        entry.method,
        entry.path,
        entry.status,
        entry.request_id,
        entry.remote_addr,
        entry.user_agent,
    )


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        id=row["id"],
        time=row["at"],
        user=row["actor"],
        role=row["role"],
        credential=row["credential"],
        tenant=row["tenant"],
        account_id=row["account_id"],
        action=row["action"],
        resource_id=row["resource_id"],
        method=row["method"],
        path=row["path"],
        status=row["status"],
        request_id=row["request_id"],
        remote_addr=row["remote_addr"],
        user_agent=row["user_agent"],
    )
