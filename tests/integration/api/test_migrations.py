"""`servicelayer-api migrate` against real databases: exit codes, concurrency, changed files."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

from servicelayer_api.db.migrations import Migration, load_migrations
from servicelayer_api.db.migrator import MigrationError, Migrator
from support.api_server import environment, free_port
from support.postgres import make_database

if TYPE_CHECKING:
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres

_LATEST = load_migrations()[-1].version


class _Told(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)


def _migration(version: int, sql: str, *, transactional: bool = True) -> Migration:
    return Migration(
        version=version,
        name=f"step_{version}",
        sql=sql,
        checksum=f"sum of {sql}",
        transactional=transactional,
    )


def _migrate(url: str, note: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "servicelayer_api", *(arguments or ("migrate",))],
        env={**environment(url, free_port()), "TERMINATION_LOG": str(note)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _reason(note: Path) -> str:
    return str(json.loads(note.read_text())["reason"])


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


def test_migrating_brings_the_schema_to_the_newest_version(
    empty_database_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"

    first = _migrate(empty_database_url, note)
    again = _migrate(empty_database_url, note)

    assert (first.returncode, again.returncode) == (0, 0)
    assert f"{load_migrations()[-1].label} applied" in first.stdout
    assert again.stdout == f"nothing to do, the schema is at {_LATEST:04d}\n"
    assert not note.exists()


@pytest.mark.parametrize(
    "spelling",
    [("-dsn", "{}", "-migrate-only"), ("--migrate-only", "-dsn={}"), ("migrate", "--dsn", "{}")],
)
async def test_the_guides_spellings_migrate(
    empty_database_url: str, tmp_path: Path, spelling: tuple[str, ...]
) -> None:
    words = [word.format(empty_database_url) for word in spelling]

    done = _migrate("", tmp_path / "note", *words)

    assert done.returncode == 0, done.stderr
    (row,) = await _fetch(empty_database_url, "SELECT max(version) AS at FROM schema_migrations")
    assert row["at"] == _LATEST


async def test_five_processes_at_once_apply_each_migration_once(
    empty_database_url: str, tmp_path: Path
) -> None:
    env = {**environment(empty_database_url, 1), "TERMINATION_LOG": str(tmp_path / "note")}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "servicelayer_api",
            "migrate",
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        for _ in range(5)
    ]

    outputs = [(await process.communicate())[0].decode() for process in processes]

    assert [process.returncode for process in processes] == [0] * 5, outputs
    assert sum(text.count(" applied in ") for text in outputs) == _LATEST


async def test_a_changed_file_stops_everything(database_url: str, tmp_path: Path) -> None:
    await _fetch(database_url, "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1")
    note = tmp_path / "note"

    done = _migrate(database_url, note)

    assert done.returncode == 5
    assert "was changed after it was applied" in done.stderr
    assert _reason(note) == "MigrationFailed"


def test_an_unreachable_database_is_told_apart(tmp_path: Path) -> None:
    note = tmp_path / "note"

    done = _migrate("postgres://u:hidden-word@127.0.0.1:1/d", note)

    assert done.returncode == 3
    assert _reason(note) == "DatabaseUnreachable"
    assert "hidden-word" not in done.stderr + done.stdout + note.read_text()


def test_an_unknown_host_is_unreachable(tmp_path: Path) -> None:
    done = _migrate("postgres://u:p@no-such-host.invalid/d", tmp_path / "note")

    assert done.returncode == 3


def test_a_wrong_password_is_refused_by_the_database(
    postgres: LocalPostgres, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    host = postgres.url().partition("@")[2]

    done = _migrate(f"postgres://servicelayer:hidden-word@{host}", note)

    assert done.returncode == 4
    assert _reason(note) == "DatabaseAuthFailed"
    assert "hidden-word" not in done.stderr + note.read_text()


async def test_a_role_that_may_not_create_tables_is_refused(
    postgres: LocalPostgres, tmp_path: Path
) -> None:
    url = await make_database(postgres)
    await _fetch(url, "CREATE ROLE reader LOGIN PASSWORD 'reads'")
    try:
        done = _migrate(f"postgres://reader:reads@{url.partition('@')[2]}", tmp_path / "note")
    finally:
        await _fetch(url, "DROP ROLE reader")

    assert done.returncode == 4


def test_no_database_address_is_a_bad_configuration(tmp_path: Path) -> None:
    note = tmp_path / "note"

    done = _migrate("", note)

    assert done.returncode == 2
    assert _reason(note) == "ConfigInvalid"


async def test_a_failing_migration_leaves_nothing_and_the_earlier_ones_stay(
    empty_database_url: str,
) -> None:
    good = _migration(1, "CREATE TABLE one (id int)")
    bad = _migration(2, "CREATE TABLE two (id int); SELECT 1/0")

    with pytest.raises(MigrationError, match="0002_step_2: division by zero") as caught:
        await Migrator(empty_database_url, [good, bad], _Told()).run()

    assert caught.value.exit_code == 5
    tables = await _fetch(
        empty_database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    assert [row["tablename"] for row in tables] == ["one", "schema_migrations"]
    rows = await _fetch(empty_database_url, "SELECT version FROM schema_migrations")
    assert [row["version"] for row in rows] == [1]


async def test_a_migration_whose_row_cannot_be_written_leaves_nothing(
    empty_database_url: str,
) -> None:
    """Its step and its row are one: a step without a row would be run again, and fail for ever."""
    steps = [_migration(1, "CREATE TABLE one (id int)"), _migration(2, "CREATE TABLE two (id int)")]
    await Migrator(empty_database_url, steps[:1], _Told()).run()
    await _fetch(
        empty_database_url, "ALTER TABLE schema_migrations ADD CHECK (version <> 2) NOT VALID"
    )

    with pytest.raises(MigrationError, match="0002_step_2"):
        await Migrator(empty_database_url, steps, _Told()).run()

    assert not await _fetch(empty_database_url, "SELECT 1 FROM pg_tables WHERE tablename = 'two'")


async def test_a_migration_that_is_killed_before_its_row_is_done_again(
    empty_database_url: str,
) -> None:
    steps = [_migration(1, "CREATE TABLE one (id int)"), _migration(2, "CREATE TABLE two (id int)")]
    await Migrator(empty_database_url, steps[:1], _Told()).run()
    holder = await asyncpg.connect(empty_database_url)
    own = holder.get_server_pid()
    waiting = f"SELECT pid FROM pg_stat_activity WHERE {own} = ANY (pg_blocking_pids(pid))"  # noqa: S608 - a number
    try:
        async with holder.transaction():
            # Rows are read and not written: the step is done, and its row waits.
            await holder.execute("LOCK TABLE schema_migrations IN SHARE MODE")
            working = asyncio.create_task(Migrator(empty_database_url, steps, _Told()).run())
            while not (found := await _fetch(empty_database_url, waiting)):
                assert not working.done()
                await asyncio.sleep(0.05)
            await holder.execute("SELECT pg_terminate_backend($1)", found[0]["pid"])
            with pytest.raises(MigrationError):
                await working
    finally:
        await holder.close()

    assert not await _fetch(empty_database_url, "SELECT 1 FROM pg_tables WHERE tablename = 'two'")
    assert await Migrator(empty_database_url, steps, _Told()).run() == 1


async def test_a_statement_that_refuses_transactions_runs_outside_of_one(
    empty_database_url: str,
) -> None:
    steps = [
        _migration(1, "CREATE TABLE one (id int)"),
        _migration(2, "CREATE INDEX CONCURRENTLY one_id ON one (id)", transactional=False),
    ]

    ran = await Migrator(empty_database_url, steps, _Told()).run()

    assert ran == 2
    found = await _fetch(empty_database_url, "SELECT 1 FROM pg_indexes WHERE indexname = 'one_id'")
    assert len(found) == 1


async def test_waiting_for_another_runner_is_told_and_ends(empty_database_url: str) -> None:
    slow = Migrator(empty_database_url, [_migration(1, "SELECT pg_sleep(6)")], _Told())
    told = _Told()
    impatient = Migrator(empty_database_url, [_migration(1, "SELECT 1")], told, lock_timeout=3)
    working = asyncio.create_task(slow.run())
    sleeping = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE query LIKE '%pg_sleep(6)%' AND pid <> pg_backend_pid()"
    )
    while not await _fetch(empty_database_url, sleeping):  # noqa: ASYNC110 - the server has no event
        await asyncio.sleep(0.05)

    with pytest.raises(MigrationError, match="another process has been migrating"):
        await impatient.run()

    assert told == ["waiting for another process that is migrating"]
    assert await working == 1


async def test_a_database_newer_than_the_code_is_left_alone(database_url: str) -> None:
    await _fetch(
        database_url,
        "INSERT INTO schema_migrations (version, name, checksum, duration_ms) "
        "VALUES (999, 'later', 'x', 1)",
    )
    told = _Told()

    ran = await Migrator(database_url, load_migrations(), told).run()

    assert ran == 0
    assert "newer than this code" in told[-1]
