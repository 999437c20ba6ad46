"""Entries of what was shown: disclosures that come while one write runs share the next.

Invariant: `record` returns only after the entry is committed, so whoever shows something after it
shows nothing that is not in the log. There is no change whose transaction the entry could join:
the statement that writes a group commits by itself. Should it be cut, more may be in the log than
was shown, never less.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from servicelayer_api.audit.models import Change
    from servicelayer_api.db import Connection, Database

    type _Waiting = tuple[Change, asyncio.Future[None]]

_MOST: Final = 256


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
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def record(self, disclosed: Change) -> None:
        """Write an entry; holding a connection meanwhile would starve the one that writes.

        Raises:
            AuditUnavailable: the log cannot be written; nothing may be shown.
            Unavailable: the database is away, likewise.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((disclosed, written))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="audit-disclosures")
        await written

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._serve(group)
        finally:
            left, self._waiting, self._running = self._waiting, [], None
            _settle(left, _stopping())

    async def _serve(self, group: Sequence[_Waiting]) -> None:
        fault: Exception | None = None
        try:
            async with self._database.connection() as connection:
                await self._write(connection, [disclosed for disclosed, _ in group])
        except Exception as exc:  # noqa: BLE001 - handed to each request, which raises it
            fault = exc
        except BaseException:
            _settle(group, _stopping())
            raise
        if fault is not None and len(group) > 1 and not isinstance(fault, Unavailable):
            # It lies in one of them: the others must not suffer for it.
            for one in group:
                await self._serve([one])
            return
        _settle(group, fault)


def _settle(group: Sequence[_Waiting], fault: Exception | None) -> None:
    for _, written in group:
        if written.done():  # its client has gone
            continue
        if fault is None:
            written.set_result(None)
        else:
            written.set_exception(fault)


def _stopping() -> Unavailable:
    return Unavailable("the program is stopping")
