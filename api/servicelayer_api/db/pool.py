"""The pool of connections to PostgreSQL.

Invariants: it connects lazily, so that the program starts and answers while the database is away
and goes on by itself when it is back; a connection in the pool carries no session state (no LISTEN,
no temporary tables, no SET without LOCAL), which is what makes the empty `reset` right and
PgBouncer's transaction mode possible; every statement has a time limit.

A request may be put into one *ambient* transaction (`Database.ambient`): until it ends, whatever
the same task asks of the pool joins it, so that all effects of the request stand or fall together
without any service knowing of it. Other tasks never join: a connection serves one at a time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from servicelayer_api.db.errors import translate, translate_connect
from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from asyncpg.pool import PoolConnectionProxy

    from servicelayer_api.settings import Settings

    type Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    type Connection = object

_CONNECT_TIMEOUT = 5.0
_ACQUIRE_TIMEOUT = 5.0
_APPLICATION = "servicelayer-api"
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_WRITE = "write postgres://user:password@host:5432/name?sslmode=require"


class _Ambient:
    """The transaction that the calls of one task join."""

    __slots__ = ("connection", "database", "task")

    def __init__(self, database: Database, connection: Connection) -> None:
        self.database = database
        self.connection = connection
        self.task = asyncio.current_task()


# A task made inside a request inherits this too, which is why the task is compared as well.
_AMBIENT: ContextVar[_Ambient | None] = ContextVar("ambient_transaction", default=None)


class Database:
    """A lazily filled pool; one a process."""

    def __init__(
        self, dsn: str, *, size: int = 8, statement_cache: bool = True, timeout: float = 10.0
    ) -> None:
        """Describe the pool; nothing is opened yet.

        Args:
            dsn: The address with its credentials.
            size: Connections at most.
            statement_cache: Whether prepared statements are kept; off behind an old PgBouncer.
            timeout: Seconds a single statement may take.
        """
        self._dsn = dsn
        self._size = size
        self._options = connect_options(statement_cache=statement_cache, timeout=timeout)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """Describe the pool that the settings ask for."""
        return cls(
            settings.database_url.reveal(),
            size=settings.database_pool_size,
            statement_cache=settings.database_statement_cache,
            timeout=settings.database_timeout,
        )

    async def open(self) -> None:
        """Make the pool, without connecting: the first use does."""
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=self._size,
                reset=_no_reset,
                **self._options,
            )

    async def close(self) -> None:
        """Close all connections, those in use after a short grace."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a connection; each statement commits by itself, or with the ambient transaction.

        Raises:
            Unavailable: The database does not answer, is too slow, or all connections are in use.
            Invalid: A value cannot be stored (such as a NUL in a text).
        """
        lent = self._joined()
        pool = None
        if lent is None:
            pool, lent = await self._acquire()
        try:
            yield lent
        except Exception as exc:
            meaning = translate(exc)
            if meaning is None:
                raise
            raise meaning from exc
        finally:
            if pool is not None:
                await self._give_back(pool, lent)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Lend a connection with an open transaction: committed at the end, undone on any error.

        Inside an ambient transaction it is a savepoint of that, and commits with it.

        Raises:
            Unavailable: As `connection`; also when a competing change made this one give way.
            Invalid: As `connection`.
        """
        async with self.connection() as lent, lent.transaction():
            yield lent

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Connection]:
        """Lend a connection that sees the database as it is at its first query, until the end.

        For checks that compare what several queries read: without it a change that is committed
        between two of them looks like a fault. It takes no locks and writes nothing.

        Raises:
            Unavailable: As `connection`.
        """
        async with (
            self.connection() as lent,
            lent.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield lent

    @asynccontextmanager
    async def ambient(self) -> AsyncGenerator[Connection]:
        """Open the transaction that everything the current task does here joins until its end.

        Raises:
            Unavailable: As `transaction`.
            Invalid: As `connection`.
        """
        async with self.connection() as lent, lent.transaction():
            token = _AMBIENT.set(_Ambient(self, lent))
            try:
                yield lent
            finally:
                _AMBIENT.reset(token)

    @property
    def in_ambient(self) -> bool:
        """Whether what is asked here now joins an ambient transaction."""
        return self._joined() is not None

    def _joined(self) -> Connection | None:
        ambient = _AMBIENT.get()
        if ambient is None or ambient.database is not self:
            return None
        return ambient.connection if ambient.task is asyncio.current_task() else None

    async def _acquire(
        self,
    ) -> tuple[asyncpg.Pool[asyncpg.Record], PoolConnectionProxy[asyncpg.Record]]:
        pool = self._pool
        if pool is None:
            raise Unavailable("the program is starting or stopping")
        try:
            return pool, await pool.acquire(timeout=_ACQUIRE_TIMEOUT)
        except Exception as exc:
            meaning = translate_connect(exc)
            if meaning is None:
                raise
            raise meaning from exc

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            Unavailable: There is none.
        """
        async with self.connection() as lent:
            await lent.execute("SELECT 1")

    def figures(self) -> Mapping[str, int]:
        """Give the pool's figures: connections at most, open, and in use."""
        pool = self._pool
        opened = pool.get_size() if pool is not None else 0
        idle = pool.get_idle_size() if pool is not None else 0
        return {"max": self._size, "open": opened, "active": opened - idle}

    @staticmethod
    async def _give_back(pool: asyncpg.Pool[asyncpg.Record], lent: Connection) -> None:
        try:
            await pool.release(
                cast("PoolConnectionProxy[asyncpg.Record]", lent), timeout=_CONNECT_TIMEOUT
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # The connection broke while it was lent; the driver has dropped it from the pool
            # already, and whoever used it has been told by the statement that failed.
            return


def connect_options(*, statement_cache: bool, timeout: float) -> dict[str, Any]:
    """Give the driver's options that pool and migration runner share."""
    options: dict[str, Any] = {"timeout": _CONNECT_TIMEOUT, "command_timeout": timeout}
    if statement_cache:
        # PgBouncer refuses start-up parameters it does not know, so this one is sent without it
        # only.
        options["server_settings"] = {"application_name": _APPLICATION}
    else:
        options["statement_cache_size"] = 0
    return options


async def _no_reset(_connection: object) -> None:
    """Keep the connection as it is: the driver's reset is one round trip more for every request."""


def parse_dsn(dsn: str) -> str | None:
    """Check the form of a database address; say what is wrong, without repeating it, or `None`."""
    try:
        parts = urlsplit(dsn)
        port = parts.port
    except ValueError:
        return f"it is not a URL; {_WRITE}"
    query = dict(parse_qsl(parts.query))
    mode = query.get("sslmode", "prefer")
    faults = {
        "it does not begin with postgres://": parts.scheme not in {"postgres", "postgresql"},
        "its port is 0": port == 0,
        "it names no host": not parts.hostname and "host" not in query,
        "it names no database": not parts.path.strip("/")
        and not ({"dbname", "database"} & query.keys()),
        "its sslmode is unknown": mode not in _SSL_MODES,
    }
    return next((f"{fault}; {_WRITE}" for fault, found in faults.items() if found), None)
