"""Rotations of the vault on a real PostgreSQL: keys that change, are missing, or are damaged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from servicelayer_api.vault import Rotations
from servicelayer_api.vault.errors import RotationRunning, WrongKey
from support.vault_notes import (
    NEW,
    NEWER,
    OLD,
    a_vault,
    execute,
    make_accounts,
    notes_database,
    opened,
    read_note,
    rotate,
    write_note,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from servicelayer_api.db import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with notes_database(database_url) as made:
        yield made


async def test_the_key_can_be_changed_and_the_old_one_taken_away(database: Database) -> None:
    accounts = await make_accounts(database, 3)
    old = await opened(database, OLD)
    notes = [await write_note(database, old, account, b"text") for account in accounts]
    new = await opened(database, NEW, OLD)
    with pytest.raises(WrongKey, match="3 data keys are still wrapped by key version 1"):
        await a_vault(database, NEW).unlock()

    rotation = await rotate(database, new)

    assert (rotation.state, rotation.total, rotation.done, rotation.failed) == ("done", 3, 3, 0)
    alone = await opened(database, NEW)
    for note in notes:
        assert await read_note(database, alone, note) == b"text"
    async with database.connection() as connection:
        status = await Rotations(alone, database).status(connection)
    assert [(k.version, k.current, k.available, k.data_keys) for k in status.keys] == [
        (2, True, True, 3),
        (1, False, False, 0),
    ]
    assert status.keys[1].retired_at is not None


async def test_a_second_rotation_joins_or_waits(database: Database) -> None:
    vault = await opened(database, OLD)
    rotations = Rotations(vault, database)
    async with database.connection() as connection:
        first, new = await rotations.begin(connection, "keys", "test")
        second, again = await rotations.begin(connection, "keys", "test")
        with pytest.raises(RotationRunning):
            await rotations.begin(connection, "data-keys", "test")

    assert (first.id, new, again) == (second.id, True, False)


async def test_a_process_without_the_old_key_leaves_the_rotation_to_others(
    database: Database,
) -> None:
    (account,) = await make_accounts(database)
    old = await opened(database, OLD)
    await write_note(database, old, account, b"text")
    new = await opened(database, NEW, OLD)

    async with database.transaction() as connection:
        made, _ = await Rotations(new, database).begin(connection, "keys", "test")
    for unfit in (old, a_vault(database, NEW)):
        await Rotations(unfit, database).work(asyncio.Event())
        found = await Rotations(new, database).find(made.id)
        assert found is not None
        assert found.state == "running"


async def test_a_data_key_that_does_not_open_is_left_and_counted(database: Database) -> None:
    accounts = await make_accounts(database, 3)
    old = await opened(database, OLD)
    for account in accounts:
        await write_note(database, old, account, b"text")
    await execute(
        database,
        "UPDATE vault_data_keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) "
        "WHERE owner = $1",
        accounts[1],
    )

    rotation = await rotate(database, await opened(database, NEW, OLD))

    assert (rotation.state, rotation.done, rotation.failed) == ("failed", 2, 1)
    with pytest.raises(WrongKey, match="1 data key is still wrapped by key version 1"):
        await a_vault(database, NEW).unlock()


async def test_new_data_keys_seal_all_data_anew_and_old_blobs_open_no_more_than_before(
    database: Database,
) -> None:
    accounts: list[UUID | None] = [*await make_accounts(database, 2), None]
    vault = await opened(database, OLD)
    notes = [
        await write_note(database, vault, account, b"text %d" % place)
        for account in accounts
        for place in range(5)
    ]
    damaged = notes[0]
    await execute(database, "UPDATE notes SET body = body || '\\x00' WHERE id = $1", damaged)

    rotation = await rotate(database, vault, data_keys=True)

    assert (rotation.state, rotation.done, rotation.failed) == ("failed", 3, 1)
    assert rotation.resealed == len(notes) - 1
    for place, note in enumerate(notes[1:], start=1):
        assert await read_note(database, vault, note) == b"text %d" % (place % 5)
    async with database.connection() as connection:
        left = await connection.fetch(
            "SELECT n.id FROM notes n JOIN vault_data_keys d "
            "ON substring(n.body FROM 2 FOR 16) = uuid_send(d.id) WHERE NOT d.active"
        )
    assert [row["id"] for row in left] == [damaged]


async def test_three_keys_at_once_end_under_the_newest(database: Database) -> None:
    one, two = await make_accounts(database, 2)
    notes = [await write_note(database, await opened(database, OLD), one, b"text")]
    notes.append(await write_note(database, await opened(database, NEW, OLD), two, b"text"))
    newest = await opened(database, NEWER, NEW, OLD)

    assert (await rotate(database, newest)).done == 2
    for note in notes:
        assert await read_note(database, await opened(database, NEWER), note) == b"text"
