"""The API behind PgBouncer in transaction mode."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from servicelayer_api.db import Database
from servicelayer_api.db.errors import DatabaseTrouble
from servicelayer_api.db.pooler import keeps_statements
from support.api_server import running_api
from support.pgbouncer import find_pgbouncer, pgbouncer

if TYPE_CHECKING:
    from pathlib import Path

    from support.api_server import ApiProcess


@pytest.fixture
def program() -> str:
    found = find_pgbouncer()
    if found is None:
        pytest.skip("PgBouncer is not installed; on Debian: apt-get install pgbouncer")
    return found


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_it_migrates_and_serves_behind_pgbouncer(
    program: str, empty_database_url: str, tmp_path: Path, cache: str
) -> None:
    with (
        pgbouncer(program, empty_database_url, tmp_path) as url,
        running_api(url, tmp_path, DATABASE_STATEMENT_CACHE=cache) as api,
        ThreadPoolExecutor(8) as pool,
    ):
        statuses = list(pool.map(_make_and_list, [api] * 48))
        told = "keeps no prepared statements" in api.output()

    assert statuses == [(201, 200)] * 48
    assert told is (cache == "auto")


async def test_a_database_that_is_reached_directly_keeps_statements(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    assert await keeps_statements(connection)
    await connection.close()


async def test_a_pooler_that_is_put_in_between_later_is_found_out(
    program: str, database_url: str, tmp_path: Path
) -> None:
    """The address stays; what answers there becomes a pooler that loses statements."""
    with pgbouncer(program, database_url, tmp_path) as url:
        database = Database(url, size=1)
        await database.open()
        # As it was left by a database without a pooler: one connection, which keeps statements.
        database._pool = await asyncpg.create_pool(url, min_size=0, max_size=1, reset=_keep)
        assert await _ask(database) == 7
        # PgBouncer lends the server connection that was used last; this holds it.
        other = await asyncpg.connect(url, statement_cache_size=0)
        async with other.transaction():
            await other.fetchval("SELECT 1")
            with pytest.raises(DatabaseTrouble) as caught:
                await _ask(database)
            assert caught.value.trouble.name == "statement-lost"
            assert await _ask(database) == 7
        await other.close()
        await database.close()


async def _keep(_: object) -> None:
    return


async def _ask(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT $1::int + 0", 7))


def _make_and_list(api: ApiProcess) -> tuple[int, int]:
    with api.client() as client:
        made = client.post(
            "/accounts", json={"owner": "somebody"}, headers={"idempotency-key": str(uuid4())}
        )
        return made.status_code, client.get("/accounts").status_code
