"""Runs the migrations: each once, in order, by one process at a time.

Invariants: an advisory lock admits one runner, the others wait and say so; each migration commits
together with its row in `schema_migrations`, so that a crash leaves either both or none; an applied
file that was changed afterwards stops everything. A table lock that a migration cannot get soon
ends it instead of queueing all traffic behind it.

The advisory lock is held by an open transaction of a second connection and not by a session,
because PgBouncer in transaction mode hands sessions around: a session's lock would stay behind on a
connection of somebody else.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import asyncpg

from servicelayer_api.db.address import CONNECT_TIMEOUT, connect_options, place_of
from servicelayer_api.db.errors import diagnose, explain
from servicelayer_api.db.names import Names

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from servicelayer_api.db.migrations import Migration
    from servicelayer_api.db.pool import Connection

_LOCK_KEY = 0x736C_6D69_6772  # "slmigr"
_OLDEST_SERVER = 140000
_LOCK_POLL = 0.2
_WAITING_NOTE_AFTER = 2.0
_TABLE = """
CREATE TABLE schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    duration_ms integer NOT NULL
)
"""


class MigrationError(Exception):
    """Why migrating stopped; `reason` and `exit_code` are the contract with the operator."""

    reason = "MigrationFailed"
    exit_code = 5


class DatabaseUnreachable(MigrationError):
    """The database does not answer."""

    reason = "DatabaseUnreachable"
    exit_code = 3


class DatabaseRefused(MigrationError):
    """The database refuses the login or a right."""

    reason = "DatabaseAuthFailed"
    exit_code = 4


class DatabaseUnsupported(MigrationError):
    """The database is too old."""

    reason = "DatabaseUnsupported"
    exit_code = 6


class Report(Protocol):
    """Where progress is told, a line at a time."""

    def __call__(self, line: str) -> None:
        """Tell a line."""
        ...


class Migrator:
    """Brings one database to the newest version."""

    def __init__(
        self,
        dsn: str,
        migrations: Sequence[Migration],
        report: Report,
        *,
        lock_timeout: float = 300.0,
        statement_timeout: float = 900.0,
    ) -> None:
        """Prepare a run.

        Args:
            dsn: The database's address with its credentials.
            migrations: All of them, in order.
            report: Told of progress.
            lock_timeout: Seconds to wait for another process that is migrating.
            statement_timeout: Seconds that one migration may take.
        """
        self._dsn = dsn
        self._migrations = migrations
        self._report = report
        self._lock_timeout = lock_timeout
        self._statement_timeout = statement_timeout

    async def run(self) -> int:
        """Run what has not run yet.

        Returns:
            How many migrations ran.

        Raises:
            MigrationError: It stopped; what was committed before stays.
        """
        try:
            async with self._connected() as guard:
                self._require_version(guard)
                async with self._alone(guard), self._connected() as connection:
                    return await self._run_pending(connection)
        except MigrationError:
            raise
        except Exception as exc:
            raise _explain(exc, place_of(self._dsn)) from exc

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Connection]:
        options = connect_options(
            self._dsn, statement_cache=False, timeout=self._statement_timeout + 10
        )
        names = Names(self._dsn, wait=CONNECT_TIMEOUT)
        try:
            connection = await names.connect(**options)
        finally:
            await names.close()
        try:
            yield connection
        finally:
            await _close(connection)

    @staticmethod
    def _require_version(connection: Connection) -> None:
        version = connection.get_server_version()
        if version.major * 10000 < _OLDEST_SERVER:
            raise DatabaseUnsupported(
                f"the database is PostgreSQL {version.major}; version 14 or newer is needed"
            )

    @asynccontextmanager
    async def _alone(self, guard: Connection) -> AsyncGenerator[None]:
        began, told = time.monotonic(), False
        async with guard.transaction():
            while not await guard.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK_KEY):
                waited = time.monotonic() - began
                if waited > self._lock_timeout:
                    raise MigrationError(
                        f"another process has been migrating for {waited:.0f} s; "
                        "pg_stat_activity shows what it does"
                    )
                if not told and waited > _WAITING_NOTE_AFTER:
                    told = True
                    self._report("waiting for another process that is migrating")
                await asyncio.sleep(_LOCK_POLL)
            # This also ends the portal of the query above, whose snapshot would otherwise stay and
            # make CREATE INDEX CONCURRENTLY wait for this transaction for ever.
            await guard.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield

    async def _run_pending(self, connection: Connection) -> int:
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT version, name, checksum FROM schema_migrations")
        applied = {int(row["version"]): (str(row["name"]), str(row["checksum"])) for row in rows}
        pending = [m for m in self._migrations if self._is_pending(m, applied)]
        newest = self._migrations[-1].version
        if not pending:
            ahead = max(applied, default=0)
            note = (
                f" (the database is at {ahead:04d}, newer than this code)" if ahead > newest else ""
            )
            self._report(f"nothing to do, the schema is at {max(ahead, newest):04d}{note}")
        for migration in pending:
            await self._apply(connection, migration)
        return len(pending)

    @staticmethod
    def _is_pending(migration: Migration, applied: dict[int, tuple[str, str]]) -> bool:
        found = applied.get(migration.version)
        if found is None:
            return True
        if found[1] != migration.checksum:
            raise MigrationError(
                f"{migration.label}: the file was changed after it was applied (as {found[0]}); "
                "restore the file and write a new migration instead"
            )
        return False

    async def _apply(self, connection: Connection, migration: Migration) -> None:
        began = time.monotonic()
        try:
            if migration.transactional:
                async with connection.transaction():
                    await self._limit(connection)
                    await connection.execute(migration.sql)
                    await self._record(connection, migration, began)
            else:
                await connection.execute(migration.sql)
                await self._record(connection, migration, began)
        except asyncpg.PostgresError as exc:
            if diagnose(exc) == "unreachable":
                raise
            # The server's own sentence names tables and columns of ours, never data or credentials.
            raise MigrationError(f"{migration.label}: {exc.args[0] if exc.args else exc}") from exc
        self._report(f"{migration.label} applied in {(time.monotonic() - began) * 1000:.0f} ms")

    async def _limit(self, connection: Connection) -> None:
        await connection.execute("SET LOCAL lock_timeout = '10s'")
        await connection.execute(
            f"SET LOCAL statement_timeout = '{int(self._statement_timeout * 1000)}ms'"
        )

    @staticmethod
    async def _record(connection: Connection, migration: Migration, began: float) -> None:
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, duration_ms) "
            "VALUES ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.checksum,
            int((time.monotonic() - began) * 1000),
        )


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def _explain(exc: Exception, place: str) -> MigrationError:
    told = explain(exc, place)
    match diagnose(exc):
        case "unreachable":
            return DatabaseUnreachable(told)
        case "refused":
            return DatabaseRefused(told)
        case _:
            return MigrationError(told)
