"""A database whose transactions go wrong when they are told to.

A transaction is lost before its commit, its commit is not heard of, or the server ends the
connection at a moment that nobody chose.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, override

import asyncpg

from servicelayer_api.db import Database
from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from servicelayer_api.db import Connection

type Disturbance = Literal["lost", "unheard", "cut"]


class Disturbed(Unavailable):
    """The operation was disturbed; nobody knows what came of it."""


class DisturbedDatabase(Database):
    """A database whose next transaction can be made to go wrong."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, size=4)
        self.next: Disturbance | None = None
        self.delay = 0.0
        self._dsn_of_killer = dsn
        self._killer: asyncpg.Connection[asyncpg.Record] | None = None
        self._killing: set[asyncio.Task[None]] = set()

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        planned, self.next = self.next, None
        async with super().transaction() as connection:
            if planned == "cut":
                pid = connection.get_server_pid()
                task = asyncio.create_task(self._cut(pid, self.delay))
                self._killing.add(task)
                task.add_done_callback(self._killing.discard)
            yield connection
            if planned == "lost":
                raise Disturbed
        if planned == "unheard":
            raise Disturbed

    async def calm(self) -> None:
        """Wait until nothing that was planned can happen any more."""
        self.next = None
        while self._killing:
            # Not left to their callbacks: waiting for tasks that are done gives these no turn.
            under_way = set(self._killing)
            await asyncio.gather(*under_way)
            self._killing -= under_way

    async def end(self) -> None:
        """Close everything."""
        await self.calm()
        await self.close()
        if self._killer is not None:
            await self._killer.close()

    async def _cut(self, pid: int, delay: float) -> None:
        await asyncio.sleep(delay)
        if self._killer is None:
            self._killer = await asyncpg.connect(self._dsn_of_killer)
        await self._killer.execute("SELECT pg_terminate_backend($1)", pid)
