"""What is the matter with a database is told as what it is, and heals without a restart."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from servicelayer_api.db import Database
from servicelayer_api.db.errors import DatabaseTrouble
from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.db.migrator import DatabaseRefused, DatabaseUnreachable, Migrator
from servicelayer_api.errors import Invalid
from servicelayer_api.web.modules import NotReady
from servicelayer_api.web.store_module import Store
from support.postgres import make_database, make_template

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from servicelayer_api.local_postgres import LocalPostgres


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=2, timeout=5)
    await made.open()
    yield made
    await made.close()


async def _write(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO leases VALUES (gen_random_uuid()::text, gen_random_uuid(), 1, now())"
        )


async def _why_not_ready(database: Database) -> str:
    store = Store(database, latest=load_migrations()[-1].version).module()
    assert store.probe is not None
    try:
        await store.probe()
    except NotReady as exc:
        return str(exc)
    return ""


async def _superuser(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


# SQLSTATE (PostgreSQL, appendix A) -> what a caller is told, and whether the connection is dropped.
STATES = {
    "08006": ("away", True),
    "25006": ("read-only", True),
    "25P03": ("connection-ended", True),
    "25P04": ("connection-ended", True),
    "26000": ("statement-lost", True),
    "28000": ("login-refused", True),
    "28P01": ("login-refused", True),
    "3D000": ("login-refused", True),
    "40001": ("busy", False),
    "40P01": ("busy", False),
    "42501": ("right-missing", False),
    "42703": ("not-migrated", False),
    "42P01": ("not-migrated", False),
    "42P05": ("statement-lost", True),
    "53000": ("out-of-resources", False),
    "53100": ("disk-full", False),
    "53200": ("out-of-resources", False),
    "53300": ("too-many-connections", False),
    "53400": ("out-of-resources", False),
    "55P03": ("busy", False),
    "57014": ("slow", False),
    "57P01": ("away", True),
    "57P02": ("away", True),
    "57P03": ("away", True),
    "57P04": ("away", True),
    "57P05": ("connection-ended", True),
    "58000": ("storage-fault", False),
    "58030": ("storage-fault", False),
    "58P01": ("storage-fault", False),
    "XX001": ("storage-fault", False),
    "XX002": ("storage-fault", False),
}


@pytest.mark.parametrize("state", STATES)
async def test_an_error_of_the_database_is_told_by_its_class(
    database: Database, state: str
) -> None:
    name, dropped = STATES[state]
    async with database.connection() as connection:
        pid = connection.get_server_pid()
    with pytest.raises(DatabaseTrouble) as caught:
        async with database.connection() as connection:
            await connection.execute(_raising(state))
    assert caught.value.status == 503
    assert caught.value.trouble.name == name
    assert "secret" not in caught.value.detail + caught.value.told

    async with database.connection() as connection:
        assert (connection.get_server_pid() != pid) is dropped


async def test_the_wait_for_a_connection_and_a_lock_is_bounded_together(
    database_url: str,
) -> None:
    database = Database(database_url, size=1, timeout=1)
    await database.open()
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("BEGIN; LOCK TABLE leases")
        with pytest.raises(DatabaseTrouble) as locked:
            await _write(database)
        async with database.connection() as connection:
            assert await connection.fetchval("SHOW lock_timeout") == "500ms"
            with pytest.raises(DatabaseTrouble) as waited:
                await _write(database)
    finally:
        await holder.close()
        await database.close()
    assert (locked.value.trouble.name, waited.value.trouble.name) == ("busy", "pool-exhausted")


@pytest.mark.parametrize("state", ["22001", "22P02", "54000"])
async def test_a_value_that_the_database_refuses_is_the_callers_fault(
    database: Database, state: str
) -> None:
    with pytest.raises(Invalid):
        async with database.connection() as connection:
            await connection.execute(_raising(state))


@pytest.mark.parametrize("state", ["23505", "42601", "XX000", "P0001"])
async def test_an_error_of_our_own_is_not_called_the_databases_trouble(
    database: Database, state: str
) -> None:
    with pytest.raises(asyncpg.PostgresError):
        async with database.connection() as connection:
            await connection.execute(_raising(state))


def _raising(state: str) -> str:
    raising = (
        f"RAISE EXCEPTION 'words' USING ERRCODE = '{state}', DETAIL = 'secret', HINT = 'secret'"
    )
    return f"DO $$ BEGIN {raising}; END $$"


async def test_connections_made_while_the_database_was_read_only_are_not_kept(
    database: Database, database_url: str
) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]
    await _write(database)
    await _superuser(
        database_url,
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(DatabaseTrouble):
        await _write(database)
    # Both connections of the pool are made anew in this state.
    async with database.connection() as one, database.connection() as two:
        assert await one.fetchval("SHOW transaction_read_only") == "on"
        assert await two.fetchval("SHOW transaction_read_only") == "on"
    assert "set to read only" in await _why_not_ready(database)

    connection = await asyncpg.connect(database_url)
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await connection.close()

    assert await _why_not_ready(database) == ""
    await _write(database)


async def test_a_right_that_was_taken_away_is_named_until_it_is_back(
    database_url: str, postgres: LocalPostgres
) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]
    role = f"app_{name}"
    await _superuser(
        database_url,
        f"CREATE ROLE {role} LOGIN PASSWORD 'pw'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    )
    database = Database(
        f"postgres://{role}:pw@127.0.0.1:{postgres.port}/{name}?sslmode=disable", size=2
    )
    await database.open()
    try:
        assert await _why_not_ready(database) == ""
        await _superuser(database_url, f"REVOKE INSERT ON leases FROM {role}")
        with pytest.raises(DatabaseTrouble) as caught:
            await _write(database)
        assert caught.value.trouble.name == "right-missing"
        assert "permission denied for table leases" in caught.value.told
        assert "the table leases" in await _why_not_ready(database)
        assert "the table leases" in await _why_not_ready(database)

        await _superuser(database_url, f"GRANT INSERT ON leases TO {role}")
        assert await _why_not_ready(database) == ""
        await _write(database)
    finally:
        await database.close()
        await _superuser(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_full_disk_is_told_and_ends_when_there_is_room_again(
    own_postgres: LocalPostgres, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    with _small_disk(tmp_path / "small", own_postgres) as disk:
        await make_template(own_postgres)
        await _superuser(
            own_postgres.url(),
            f"CREATE TABLESPACE small LOCATION '{disk / 'space'}'",
            "CREATE DATABASE small TEMPLATE migrated_template TABLESPACE small",
        )
        database = Database(own_postgres.url("small"), size=2)
        await database.open()
        try:
            assert await _why_not_ready(database) == ""
            _fill_up(disk / "filler")
            with pytest.raises(DatabaseTrouble) as caught:
                async with database.transaction() as connection:
                    await connection.execute(
                        "INSERT INTO leases SELECT repeat(n::text, 9), gen_random_uuid(), 1, now() "
                        "FROM generate_series(10000, 90000) AS n"
                    )
            assert caught.value.trouble.name == "disk-full"
            assert "No space left on device" in caught.value.told
            assert "No space left on device" in await _why_not_ready(database)

            (disk / "filler").unlink()
            assert await _why_not_ready(database) == ""
            await _write(database)
        finally:
            await database.close()
            own_postgres.stop()


@contextmanager
def _small_disk(folder: Path, server: LocalPostgres) -> Generator[Path]:
    """A file system of 24 MiB with a folder `space` that the server may use."""
    folder.mkdir()
    owner = Path(f"/proc/{server.pid}").stat()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine mounts nothing: {done.stderr.strip()}")
    try:
        space = folder / "space"
        space.mkdir()
        os.chown(space, owner.st_uid, owner.st_gid)
        yield folder
    finally:
        server.stop()
        subprocess.run(["umount", str(folder)], check=True)


def _fill_up(path: Path) -> None:
    block = bytes(64 * 1024)
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(block):
                pass
        except OSError:
            return


async def test_why_the_database_cannot_be_used_is_one_sentence_with_its_place(
    postgres: LocalPostgres, database_url: str
) -> None:
    place = f"127.0.0.1:{postgres.port}"
    good = database_url.partition("?")[0]
    absent = f"{good.rpartition('/')[2]}-no"
    sentences = {
        "postgres://u:hidden@nowhere.invalid/d": (
            DatabaseUnreachable,
            "the database's host is not known to DNS: nowhere.invalid:5432",
        ),
        "postgres://u:hidden@127.0.0.1:1/d": (
            DatabaseUnreachable,
            "the database at 127.0.0.1:1 cannot be reached: Connection refused",
        ),
        f"{good}-no?sslmode=disable": (
            DatabaseRefused,
            f'the database at {place} says: database "{absent}" does not exist',
        ),
        f"{good}?sslmode=require": (
            DatabaseUnreachable,
            f"the database at {place} offers no TLS, which sslmode asks for",
        ),
        f"{good}?sslmode=disable&connect_time=10": (
            DatabaseRefused,
            f'the database at {place} says: unrecognized configuration parameter "connect_time"',
        ),
        f"postgres://postgres:hidden@{place}/postgres?sslmode=disable": (
            DatabaseRefused,
            f'the database at {place} says: password authentication failed for user "postgres"',
        ),
    }
    for dsn, (kind, sentence) in sentences.items():
        with pytest.raises(kind) as caught:
            await Migrator(dsn, load_migrations(), lambda _: None).run()
        assert str(caught.value).startswith(sentence), dsn
        assert "hidden" not in str(caught.value)
        database = Database(dsn)
        await database.open()
        assert (await _why_not_ready(database)).startswith(sentence), dsn
        await database.close()


async def test_too_many_connections_are_told_in_the_servers_words(
    postgres: LocalPostgres,
) -> None:
    url = await make_database(postgres)
    name = url.rpartition("/")[2].partition("?")[0]
    await _superuser(
        postgres.url(), f"CREATE ROLE one_{name} LOGIN PASSWORD 'pw' CONNECTION LIMIT 0"
    )
    database = Database(
        f"postgres://one_{name}:pw@127.0.0.1:{postgres.port}/{name}?sslmode=disable"
    )
    await database.open()
    try:
        with pytest.raises(DatabaseTrouble) as caught:
            await database.require_writes()
        assert caught.value.trouble.name == "too-many-connections"
        assert "too many connections for role" in caught.value.told
    finally:
        await database.close()
        await _superuser(postgres.url(), f"DROP DATABASE {name}", f"DROP ROLE one_{name}")
