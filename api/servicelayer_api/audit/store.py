"""The SQL of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec
from msgspec.structs import replace

from servicelayer_api.audit.errors import AuditUnavailable
from servicelayer_api.audit.models import Entry, Query
from servicelayer_api.audit.rules import like_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from servicelayer_api.audit.models import Draft
    from servicelayer_api.db import Connection

_WRITTEN: Final = (
    ("id", "uuid"),
    ("at", "timestamptz"),
    ("actor", "text"),
    ("role", "text"),
    ("credential", "text"),
    ("tenant", "text"),
    ("account_id", "uuid"),
    ("action", "text"),
    ("resource_id", "text"),
    ("method", "text"),
    ("path", "text"),
    ("status", "smallint"),
    ("request_id", "text"),
    ("remote_addr", "text"),
    ("user_agent", "text"),
    ("route", "text"),
    ("scope", "text"),
    ("idempotency", "bytea"),
    ("before_digest", "bytea"),
    ("after_digest", "bytea"),
    ("salt", "bytea"),
    ("requests", "integer"),
)
_NAMES: Final = ", ".join(name for name, _ in _WRITTEN)
_VALUES: Final = ", ".join(f"${number}" for number in range(1, len(_WRITTEN) + 1))
_TYPED: Final = ", ".join(f"{name} {kind}" for name, kind in _WRITTEN)
_INSERT: Final = f"INSERT INTO audit_log ({_NAMES}) VALUES ({_VALUES}) RETURNING seq"  # noqa: S608 - fixed names
# One JSON text and not an array a column: the driver looks at each item of an array several times.
_INSERT_MANY: Final = (
    f"INSERT INTO audit_log ({_NAMES}) SELECT {_NAMES} "  # noqa: S608 - fixed names
    f"FROM ROWS FROM (json_to_recordset($1) AS ({_TYPED})) WITH ORDINALITY "
    f"AS given ({_NAMES}, place) ORDER BY place RETURNING id, seq"
)
_ENCODER: Final = msgspec.json.Encoder()
SHOWN: Final = f"seq, {_NAMES}"
# Refused for a reason that lies in the request or in a competing one, not in the log.
_NOT_THE_LOG: Final = (
    asyncpg.DataError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.PostgresConnectionError,
)


async def insert_entry(connection: Connection, draft: Draft) -> Entry:
    """Add an entry in the transaction that is open.

    Returns:
        The entry with its place in the log.

    Raises:
        AuditUnavailable: the database refuses it.
    """
    try:
        seq = await connection.fetchval(_INSERT, *_row(draft))
    except asyncpg.PostgresError as exc:
        if isinstance(exc, _NOT_THE_LOG):
            raise
        raise AuditUnavailable("the audit log cannot be written") from exc
    return replace(draft.entry, seq=seq)


async def insert_entries(connection: Connection, drafts: Sequence[Draft]) -> list[Entry]:
    """Add entries in this order by one statement, all or none.

    Returns:
        The entries with their places in the log.

    Raises:
        AuditUnavailable: the database refuses one.
    """
    given = _ENCODER.encode([_members(draft) for draft in drafts]).decode()
    try:
        rows = await connection.fetch(_INSERT_MANY, given)
    except asyncpg.PostgresError as exc:
        if isinstance(exc, _NOT_THE_LOG):
            raise
        raise AuditUnavailable("the audit log cannot be written") from exc
    places = {row["id"]: row["seq"] for row in rows}
    return [replace(draft.entry, seq=places[draft.entry.id]) for draft in drafts]


async def get_transaction(connection: Connection) -> str:
    """The number of the transaction that is open."""
    return str(await connection.fetchval("SELECT pg_current_xact_id()::text"))


async def list_ended(
    connection: Connection, ids: Sequence[UUID], transactions: Sequence[str]
) -> dict[UUID, bool]:
    """Say of entries whose transactions have ended whether they are in the log.

    Both are told from one snapshot, so that an entry cannot come between the two questions.
    """
    rows = await connection.fetch(
        "SELECT given.id, EXISTS (SELECT FROM audit_log l WHERE l.id = given.id) AS kept "
        "FROM unnest($1::uuid[], $2::text[]) AS given (id, xid) "
        "WHERE pg_visible_in_snapshot(given.xid::xid8, pg_current_snapshot())",
        ids,
        transactions,
    )
    return {row["id"]: row["kept"] for row in rows}


async def list_entries(
    connection: Connection, query: Query, *, only_tenant: str | None
) -> list[Entry]:
    """Find a page of entries, oldest first; of one tenant when `only_tenant` names it."""
    wanted = (
        ("tenant = ?", only_tenant),
        ("actor = ?", query.user),
        ("role = ?", query.role),
        ("tenant = ?", query.tenant),
        ("method = ?", None if query.method is None else query.method.upper()),
        ("path LIKE ?", None if query.contains is None else like_pattern(query.contains)),
        ("status = ?", query.status),
        ("account_id = ?", query.account_id),
        ("action = ?", query.action),
        ("seq < ?" if query.newest else "seq > ?", query.after),
    )
    asked = [(condition, value) for condition, value in wanted if value is not None]
    values: list[Any] = [value for _, value in asked]
    conditions = [
        condition.replace("?", f"${place}") for place, (condition, _) in enumerate(asked, start=1)
    ]
    order = "DESC" if query.newest else "ASC"
    filters = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    values += [query.limit, query.offset]
    rows = await connection.fetch(
        f"SELECT {SHOWN} FROM audit_log {filters} "  # noqa: S608 - values are parameters, names are fixed
        f"ORDER BY seq {order} LIMIT ${len(values) - 1} OFFSET ${len(values)}",
        *values,
    )
    return [read_entry(row) for row in (reversed(rows) if query.newest else rows)]


def _row(draft: Draft) -> tuple[Any, ...]:
    entry = draft.entry
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
        entry.route,
        entry.scope,
        _bytes(entry.idempotency),
        _bytes(entry.before),
        _bytes(entry.after),
        draft.salt or None,
        None if entry.requests is msgspec.UNSET else entry.requests,
    )


def _members(draft: Draft) -> dict[str, Any]:
    """The same columns by name, as JSON can write them: bytes in PostgreSQL's hexadecimal form."""
    return {
        name: f"\\x{value.hex()}" if isinstance(value, bytes) else value
        for (name, _), value in zip(_WRITTEN, _row(draft), strict=True)
    }


def _bytes(text: str) -> bytes | None:
    return bytes.fromhex(text) if text else None


def _hex(value: bytes | None) -> str:
    return value.hex() if value else ""


def read_entry(row: asyncpg.Record) -> Entry:
    """Read an entry from a row with the columns `SHOWN`."""
    return Entry(
        seq=row["seq"],
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
        route=row["route"],
        scope=row["scope"],
        idempotency=_hex(row["idempotency"]),
        before=_hex(row["before_digest"]),
        after=_hex(row["after_digest"]),
        requests=msgspec.UNSET if row["requests"] is None else row["requests"],
    )
