"""A real PostgreSQL for the session, and a database of its own for each test.

A migrated template is made once; a test's database is a copy of it, which takes some 30 ms.
Fixtures that break the server on purpose start one of their own (`own_postgres`).
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import asyncpg
import pytest

from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.db.migrator import Migrator
from servicelayer_api.local_postgres import LocalPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

__all__ = ["database_url", "empty_database_url", "own_postgres", "postgres"]

# Nothing of a test's data need outlive the machine.
_QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
TEMPLATE = "migrated_template"


def start_postgres(folder: Path) -> LocalPostgres:
    """Start a quick, throw-away server."""
    server = LocalPostgres(folder, secrets.token_hex(8), settings=_QUICK)
    server.start()
    return server


async def make_database(server: LocalPostgres, template: str | None = None) -> str:
    """Make a database; give its address."""
    name = f"t_{secrets.token_hex(8)}"
    connection = await asyncpg.connect(server.url())
    try:
        suffix = f" TEMPLATE {template}" if template else ""
        await connection.execute(f"CREATE DATABASE {name}{suffix}")
    finally:
        await connection.close()
    return server.url(name)


async def drop_database(server: LocalPostgres, url: str) -> None:
    """Drop a database, whoever is still connected."""
    name = url.rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()


async def make_template(server: LocalPostgres) -> None:
    """Make the migrated template."""
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    finally:
        await connection.close()

    def ignore(line: str) -> None:
        del line

    await Migrator(server.url(TEMPLATE), load_migrations(), ignore).run()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """The session's server; tests must leave it running."""
    server = start_postgres(tmp_path_factory.mktemp("postgres"))
    try:
        asyncio.run(make_template(server))
        yield server
    finally:
        server.stop()


@pytest.fixture
async def database_url(postgres: LocalPostgres) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    url = await make_database(postgres, TEMPLATE)
    yield url
    await drop_database(postgres, url)


@pytest.fixture
async def empty_database_url(postgres: LocalPostgres) -> AsyncIterator[str]:
    """An empty database of the test's own."""
    url = await make_database(postgres)
    yield url
    await drop_database(postgres, url)


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[LocalPostgres]:
    """A server of the test's own, to be stopped, killed and started at will."""
    server = start_postgres(tmp_path / "postgres")
    try:
        yield server
    finally:
        server.stop()
