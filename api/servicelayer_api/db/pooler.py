"""Telling whether prepared statements can be kept, by asking the database itself.

Between the program and PostgreSQL there may be a pooler such as PgBouncer in transaction mode,
which gives each transaction another server connection. A statement that was prepared by name is
then lost, unless the pooler keeps track of names: PgBouncer does from 1.21 on, when its
`max_prepared_statements` is not 0 (its release notes), and gives the statements names of its own.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servicelayer_api.db.pool import Connection

_QUESTION: Final = "SELECT 'are prepared statements kept?'::text"


async def keeps_statements(connection: Connection) -> bool:
    """Whether a statement that is prepared by name on a connection can be used again.

    Args:
        connection: just made, without a statement cache, so that the question itself leaves no
            names behind on a server connection that others will be given.
    """
    name = f"servicelayer_{secrets.token_hex(8)}"
    async with connection.transaction(readonly=True):
        if await connection.fetchval("SELECT pg_backend_pid()") == connection.get_server_pid():
            # Nothing stands in between: the server is the one that answered the login.
            return True
        # Held until it was looked for: the driver closes a statement that nobody refers to.
        prepared = await connection.prepare(_QUESTION, name=name)
        given = await connection.fetchval(
            "SELECT name FROM pg_prepared_statements WHERE statement = $1", prepared.get_query()
        )
        if given != name:
            return given is not None
        await connection.execute(f"DEALLOCATE {name}")
    return False
