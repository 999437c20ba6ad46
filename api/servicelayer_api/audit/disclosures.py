"""Entries of what was shown: disclosures that come while one write runs share the next.

Invariant: `record` returns only after the entry is committed, so whoever shows something after it
shows nothing that is not in the log. There is no change whose transaction the entry could join:
the statement that writes a group commits by itself. Should it be cut, more may be in the log than
was shown, never less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.db.groups import Groups
from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from servicelayer_api.audit.models import Change
    from servicelayer_api.db import Connection, Database


class Disclosures:
    """Writes entries in groups, each request waiting for its own."""

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[Change]], Awaitable[None]],
    ) -> None:
        """Write to this database by `write`, which is one statement."""
        self._database = database
        self._write = write
        self._groups = Groups(self._serve, name="audit-disclosures")

    async def record(self, disclosed: Change) -> None:
        """Write an entry; holding a connection meanwhile would starve the one that writes.

        Raises:
            AuditUnavailable: the log cannot be written; nothing may be shown.
            Unavailable: the database is away, likewise.
        """
        await self._groups.join(disclosed)

    async def _serve(self, group: Sequence[Change]) -> Sequence[Exception | None]:
        try:
            async with self._database.connection() as connection:
                await self._write(connection, group)
        except Exception as exc:  # noqa: BLE001 - handed to each request, which raises it
            if len(group) == 1 or isinstance(exc, Unavailable):
                return [exc] * len(group)
            # It lies in one of them: the others must not suffer for it.
            return [outcome for one in group for outcome in await self._serve([one])]
        return [None] * len(group)
