"""The pool, its translation of errors, and leases, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from servicelayer_api.db import Database
from servicelayer_api.db.leases import Lease, LeaseLost, acquire_lease, release_lease, require_lease
from servicelayer_api.errors import Invalid, Unavailable
from servicelayer_api.ids import new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=2, timeout=2)
    await made.open()
    yield made
    await made.close()


async def _count(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM leases"))


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.transaction() as connection:
        await acquire_lease(connection, "work", new_id(), 60)

    assert await _count(database) == 1


async def test_a_transaction_is_undone_by_any_error(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.transaction() as connection:
            await acquire_lease(connection, "work", new_id(), 60)
            raise LookupError

    with pytest.raises(LookupError):
        await fail_half_way()

    assert await _count(database) == 0


async def test_a_transaction_left_open_does_not_reach_the_next_borrower(database: Database) -> None:
    for _ in range(4):
        async with database.connection() as connection:
            await connection.execute("BEGIN")

    async with database.connection() as connection:
        assert not connection.is_in_transaction()


async def test_a_constraints_violation_is_left_to_the_store(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.connection() as connection:
            await connection.execute("INSERT INTO leases VALUES ('', $1, 1, now())", new_id())


async def test_a_text_that_cannot_be_stored_is_the_callers_fault(database: Database) -> None:
    with pytest.raises(Invalid):
        async with database.connection() as connection:
            await connection.fetchval("SELECT $1::text", "nul\0in it")


async def test_a_value_of_the_wrong_type_is_the_callers_fault(database: Database) -> None:
    with pytest.raises(Invalid):
        async with database.connection() as connection:
            await connection.fetchval("SELECT $1::int", 2**40)


async def test_a_slow_statement_is_cut_off(database: Database) -> None:
    with pytest.raises(Unavailable, match="too long"):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(30)")

    assert await _count(database) == 0


async def test_a_lost_connection_is_replaced(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert await _count(database) == 0


async def test_a_database_that_is_away_is_unavailable() -> None:
    nowhere = Database("postgres://u:p@127.0.0.1:1/d")
    await nowhere.open()

    with pytest.raises(Unavailable, match="does not answer"):
        await nowhere.require_writes()
    await nowhere.close()


async def test_the_figures_follow_the_connections(database: Database) -> None:
    before = database.figures()
    async with database.connection(), database.connection():
        during = database.figures()
    after = database.figures()

    assert [f["active"] for f in (before, during, after)] == [0, 2, 0]
    assert (before["max"], during["open"]) == (2, 2)


async def test_a_lease_has_one_holder_until_it_expires(database: Database) -> None:
    first, second = new_id(), new_id()
    async with database.connection() as connection:
        held = await acquire_lease(connection, "work", first, 0.2)
        refused = await acquire_lease(connection, "work", second, 60)
        await asyncio.sleep(0.3)
        taken = await acquire_lease(connection, "work", second, 60)

        assert refused is None
        assert held is not None
        assert taken is not None
        assert taken.fencing_token == held.fencing_token + 1
        await require_lease(connection, taken)
        with pytest.raises(LeaseLost):
            await require_lease(connection, held)


async def test_a_lease_that_was_lost_and_won_again_is_another_one(database: Database) -> None:
    """What the same process holds from before has no part in it: only the token tells."""
    first, second = new_id(), new_id()
    async with database.connection() as connection:

        async def take(holder: UUID) -> Lease:
            await connection.execute("UPDATE leases SET expires_at = '-infinity'")
            taken = await acquire_lease(connection, "work", holder, 60)
            assert taken is not None
            return taken

        old = await take(first)
        await take(second)
        new = await take(first)

        assert (old.holder, new.fencing_token) == (new.holder, old.fencing_token + 2)
        with pytest.raises(LeaseLost):
            await require_lease(connection, old)
        await release_lease(connection, old)
        assert await acquire_lease(connection, "work", second, 60) is None
        await require_lease(connection, new)


async def test_a_released_lease_is_free_at_once(database: Database) -> None:
    async with database.connection() as connection:
        held = await acquire_lease(connection, "work", new_id(), 60)
        assert held is not None
        await release_lease(connection, held)

        assert await acquire_lease(connection, "work", new_id(), 60) is not None


async def test_what_a_task_does_inside_an_ambient_transaction_commits_with_it(
    database: Database,
) -> None:
    async with database.ambient():
        assert database.in_ambient
        async with database.transaction() as connection:
            await acquire_lease(connection, "one", new_id(), 60)
        async with database.connection() as connection:
            await acquire_lease(connection, "two", new_id(), 60)
        assert await _count(database) == 2
        assert await asyncio.create_task(_count(database)) == 0

    assert not database.in_ambient
    assert await _count(database) == 2


async def test_an_error_undoes_the_whole_ambient_transaction(database: Database) -> None:
    async def fail_at_the_end() -> None:
        async with database.ambient():
            async with database.transaction() as connection:
                await acquire_lease(connection, "one", new_id(), 60)
            raise LookupError

    with pytest.raises(LookupError):
        await fail_at_the_end()

    assert await _count(database) == 0
    assert database.figures()["active"] == 0


async def test_an_inner_transaction_that_fails_leaves_the_ambient_one_usable(
    database: Database,
) -> None:
    async def break_a_constraint() -> None:
        async with database.transaction() as connection:
            await acquire_lease(connection, "lost", new_id(), 60)
            await connection.execute("INSERT INTO leases VALUES ('', $1, 1, now())", new_id())

    async with database.ambient():
        with pytest.raises(asyncpg.CheckViolationError):
            await break_a_constraint()
        async with database.transaction() as connection:
            await acquire_lease(connection, "kept", new_id(), 60)

    assert await _count(database) == 1


async def test_another_task_never_joins_the_ambient_transaction(database: Database) -> None:
    async def is_joined() -> bool:
        return database.in_ambient

    async with database.ambient():
        assert await is_joined()
        assert not await asyncio.create_task(is_joined())


async def test_another_database_does_not_join_the_ambient_transaction(
    database: Database, database_url: str
) -> None:
    other = Database(database_url, size=1)
    await other.open()
    async with database.ambient():
        assert not other.in_ambient
    await other.close()
