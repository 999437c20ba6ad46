"""Reads that several requests ask for at the same time are made once for all of them.

Invariant: what a caller is given was read by a query that began after the caller asked. So nobody
sees less than what was committed before, on whichever replica; nothing is kept for later, and there
is nothing to invalidate.

How: while a read is under way, those who ask for the same one wait for the next; when it ends, one
of them makes it and the others ride along. Who asks alone reads at once, and no read of one key
waits for a read of another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from servicelayer_api.db.pool import Database

    type _Seat = asyncio.Future[object]

_DRIVE: Final = object()
"""What a waiting caller is told when it is to make the next read."""


class SharedReads:
    """Shares reads by key; one instance for each set of keys."""

    def __init__(self, database: Database) -> None:
        """Share reads of this database."""
        self._database = database
        # The keys that are being read, each with those who wait for its next read.
        self._waiting: dict[Hashable, list[_Seat]] = {}

    async def get[V](self, key: Hashable, read: Callable[[], Awaitable[V]]) -> V:
        """Read, alone or with others.

        Args:
            key: Names the read with everything its result depends on.
            read: Makes the read. What it gives is shared: nobody may change it.

        Returns:
            What `read` gave, to this caller or to another of the same key.

        Raises:
            Unavailable: As `read`; its errors go to all who share it.
        """
        if self._database.in_ambient:
            # What the request itself has written is seen by its own connection only.
            return await read()
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = []
            return await self._drive(key, read)
        seat: _Seat = asyncio.get_running_loop().create_future()
        waiting.append(seat)
        try:
            told = await seat
        except asyncio.CancelledError:
            if _is_told_to_drive(seat):
                self._pass_on(key)
            raise
        if told is _DRIVE:
            return await self._drive(key, read)
        return cast("V", told)

    async def _drive[V](self, key: Hashable, read: Callable[[], Awaitable[V]]) -> V:
        riders, self._waiting[key] = self._waiting[key], []
        try:
            found = await read()
        except asyncio.CancelledError:
            # Only this caller has gone; the others asked before whoever came meanwhile.
            self._waiting[key][:0] = riders
            raise
        except Exception as exc:
            for seat in riders:
                if not seat.done():
                    seat.set_exception(exc)
            raise
        else:
            for seat in riders:
                if not seat.done():
                    seat.set_result(found)
            return found
        finally:
            self._pass_on(key)

    def _pass_on(self, key: Hashable) -> None:
        """Let the first who waits make the next read."""
        waiting = self._waiting[key]
        while waiting:
            seat = waiting.pop(0)
            if not seat.done():
                seat.set_result(_DRIVE)
                return
        del self._waiting[key]


def _is_told_to_drive(seat: _Seat) -> bool:
    """Tell whether a caller who leaves was just told to make the next read."""
    return seat.done() and not seat.cancelled() and not seat.exception() and seat.result() is _DRIVE
