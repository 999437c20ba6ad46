"""The pool of connections to PostgreSQL.

Invariants: it connects lazily, so that the program starts and answers while the database is away
and goes on by itself when it is back; a connection in the pool carries no session state of a
request (no LISTEN, no temporary tables, no SET without LOCAL), which is what makes the empty
`reset` right and PgBouncer's transaction mode possible; every statement has a time limit, and so
has the wait for a connection and for a lock together.

A request may be put into one *ambient* transaction (`Database.ambient`): until it ends, whatever
the same task asks of the pool joins it, so that all effects of the request stand or fall together
without any service knowing of it. Other tasks never join: a connection serves one at a time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, cast

import asyncpg
import structlog

from servicelayer_api.db.address import CONNECT_TIMEOUT, connect_options, place_of
from servicelayer_api.db.errors import (
    POOL_EXHAUSTED,
    DatabaseTrouble,
    ReadOnlyError,
    translate,
    translate_connect,
)
from servicelayer_api.db.names import Names
from servicelayer_api.db.pooler import keeps_statements
from servicelayer_api.db.troubles import Troubles
from servicelayer_api.db.write_trial import try_to_write
from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from asyncpg.pool import PoolConnectionProxy

    from servicelayer_api.settings import Settings

    type Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    type _Pool = asyncpg.Pool[asyncpg.Record]
else:
    type Connection = object

_ACQUIRE_TIMEOUT: Final = 5.0
_CLOSE_TIMEOUT: Final = 5.0
_FAREWELL: Final = 1.0

_log = structlog.get_logger(__name__)


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
        self,
        dsn: str,
        *,
        size: int = 8,
        statement_cache: bool | None = None,
        timeout: float = 10.0,
    ) -> None:
        """Describe the pool; nothing is opened yet.

        Args:
            dsn: The address with its credentials.
            size: Connections at most.
            statement_cache: Whether prepared statements are kept; `None` asks the database.
            timeout: Seconds a single statement may take, and the wait for a connection and a lock.
        """
        self._dsn = dsn
        self._size = size
        self._statement_cache = statement_cache
        self._timeout = timeout
        # Together no longer than a statement: a caller waits for both before it is served.
        self._acquire_timeout = min(_ACQUIRE_TIMEOUT, timeout / 2)
        self._lock_timeout = timeout - self._acquire_timeout
        self._place = place_of(dsn)
        self._names = Names(dsn)
        self._troubles = Troubles()
        self._opened = False
        self._pool: _Pool | None = None
        self._filling: asyncio.Task[_Pool] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """Describe the pool that the settings ask for."""
        return cls(
            settings.database_url.reveal(),
            size=settings.database_pool_size,
            statement_cache=settings.keeps_statements,
            timeout=settings.database_timeout,
        )

    async def open(self) -> None:
        """Allow connections, without making one: the first use does."""
        self._opened = True

    async def close(self) -> None:
        """Close all connections, those in use after a short grace."""
        self._opened = False
        filling, self._filling = self._filling, None
        if filling is not None:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
        self._drop_pool()
        while self._closing:
            await asyncio.gather(*self._closing)
        await self._names.close()

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
            meaning = exc if isinstance(exc, DatabaseTrouble) else translate(exc, self._place)
            if isinstance(meaning, DatabaseTrouble) and pool is not None:
                await self._suffer(meaning, pool, lent)
            if meaning is None or meaning is exc:
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

    async def _acquire(self) -> tuple[_Pool, PoolConnectionProxy[asyncpg.Record]]:
        try:
            pool = self._pool or await self._fill()
            return pool, await pool.acquire(timeout=self._acquire_timeout)
        except Exception as exc:
            meaning = translate_connect(exc, self._place)
            if isinstance(exc, TimeoutError) and self.figures()["active"] >= self._size:
                meaning = DatabaseTrouble(
                    POOL_EXHAUSTED, f"all {self._size} connections to {self._place} are in use"
                )
            if meaning is None:
                raise
            if isinstance(meaning, DatabaseTrouble):
                self._troubles.note(meaning)
            raise meaning from exc

    async def _fill(self) -> _Pool:
        """Make the pool, once for all who wait for it."""
        if not self._opened:
            raise Unavailable("the program is starting or stopping")
        filling = self._filling
        if filling is None or filling.done():
            filling = self._filling = asyncio.create_task(self._make_pool())
        return await asyncio.shield(filling)

    async def _make_pool(self) -> _Pool:
        kept = self._statement_cache
        if kept is None:
            kept = await self._ask_for_statements()
        options = connect_options(self._dsn, statement_cache=kept, timeout=self._timeout)
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=self._size,
            reset=_no_reset,
            connect=self._names.connect,
            init=self._limit_locks,
            **options,
        )
        return self._pool

    async def _limit_locks(self, connection: Connection) -> None:
        """Bound the wait for a lock; behind a pooler the session is others' too and stays as is."""
        await connection.execute(
            "SELECT set_config('lock_timeout', $1, false) WHERE pg_backend_pid() = $2",
            f"{self._lock_timeout * 1000:.0f}ms",
            connection.get_server_pid(),
        )

    async def _ask_for_statements(self) -> bool:
        options = connect_options(self._dsn, statement_cache=False, timeout=CONNECT_TIMEOUT)
        connection = await self._names.connect(**options)
        try:
            kept = await keeps_statements(connection)
        finally:
            await _part(connection)
        if not kept:
            _log.warning(
                "the pooler before the database keeps no prepared statements; going on without",
                database=self._place,
                remedy="PgBouncer 1.21 or newer with max_prepared_statements saves time; "
                "DATABASE_STATEMENT_CACHE=off hides this line",
            )
        return kept

    async def _suffer(self, refusal: DatabaseTrouble, pool: _Pool, lent: Connection) -> None:
        """Draw the consequences of a trouble for the pool."""
        self._troubles.note(refusal)
        trouble = refusal.trouble
        if trouble.condemns:
            with suppress(asyncpg.InterfaceError):  # the driver may have dropped it already
                lent.terminate()
        if trouble.all_connections:
            await pool.expire_connections()
        if trouble.uncached and self._statement_cache is None and pool is self._pool:
            # A pooler was put in between, or changed: the next use asks again.
            self._drop_pool()

    def _drop_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            task = asyncio.create_task(_close(pool))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def require_writes(self) -> None:
        """Make sure that the database answers and takes writes.

        Raises:
            DatabaseTrouble: It does not; the error's `told` says why.
        """
        async with self.connection() as lent:
            row = await lent.fetchrow(
                "SELECT pg_is_in_recovery() AS standby, "
                "current_setting('transaction_read_only')::boolean AS read_only"
            )
            if row is not None and row["standby"]:
                raise ReadOnlyError("it is a standby")
            if row is not None and row["read_only"]:
                raise ReadOnlyError("it is set to read only")
            if self._troubles.writes_in_doubt:
                await try_to_write(lent)
                self._troubles.writes_in_doubt = False

    def figures(self) -> Mapping[str, int]:
        """Give the pool's figures: connections at most, open, and in use."""
        pool = self._pool
        opened = pool.get_size() if pool is not None else 0
        idle = pool.get_idle_size() if pool is not None else 0
        return {"max": self._size, "open": opened, "active": opened - idle}

    @staticmethod
    async def _give_back(pool: _Pool, lent: Connection) -> None:
        try:
            await pool.release(
                cast("PoolConnectionProxy[asyncpg.Record]", lent), timeout=_CLOSE_TIMEOUT
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # The connection broke while it was lent; the driver has dropped it from the pool
            # already, and whoever used it has been told by the statement that failed.
            return


async def _no_reset(_connection: object) -> None:
    """Keep the connection as it is: the driver's reset is one round trip more for every request."""


async def _close(pool: _Pool) -> None:
    """Close a pool's connections, those in use after a short grace."""
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await pool.close()
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()


async def _part(connection: Connection) -> None:
    """Close a connection in order; one whose other end does not answer the farewell is dropped."""
    try:
        await connection.close(timeout=_FAREWELL)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
