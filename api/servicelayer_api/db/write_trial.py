"""Trying a write, after one was refused for a reason that concerns every write.

What is tried takes new pages, as most of the program's writes do: on a full disk a small change may
still fit into a page that has room. It is always undone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from servicelayer_api.db.errors import RightMissingError

if TYPE_CHECKING:
    from servicelayer_api.db.pool import Connection

_BYTES: Final = 128 * 1024


async def try_to_write(connection: Connection) -> None:
    """Write and undo it.

    Args:
        connection: without an open transaction.

    Raises:
        RightMissingError: a right is missing.
        Exception: whatever the driver raises when the database refuses.
    """
    table = await connection.fetchval(
        "SELECT min(c.relname) FROM pg_class c, pg_class ours "
        "WHERE ours.oid = 'schema_migrations'::regclass AND c.relkind = 'r' "
        "AND c.relnamespace = ours.relnamespace AND c.relowner = ours.relowner "
        "AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT'))"
    )
    if table is not None:
        raise RightMissingError(f"the service's user may not read and write the table {table}")
    trial = connection.transaction()
    await trial.start()
    try:
        await connection.execute("INSERT INTO write_trials VALUES ($1)", os.urandom(_BYTES))
    finally:
        if not connection.is_closed():
            await trial.rollback()
