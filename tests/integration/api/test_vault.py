"""The vault on a real PostgreSQL: keys, data keys, attacks on their rows, rotations."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.clock import SystemClock
from servicelayer_api.crypto.envelope import MAX_SEALS, KeyEncryptionKey
from servicelayer_api.db import Database
from servicelayer_api.ids import new_id
from servicelayer_api.vault import Rotations, SealedColumn, Vault
from servicelayer_api.vault.errors import RotationRunning, Undecipherable, VaultClosed, WrongKey
from servicelayer_api.web.modules import NotReady
from support.api_server import ENCRYPTION_KEY, running_api
from support.postgres import make_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from servicelayer_api.local_postgres import LocalPostgres
    from servicelayer_api.vault.models import Rotation

OTHER_KEY: Final = "ab" * 32
_OLD: Final = KeyEncryptionKey(b"o" * 32)
_NEW: Final = KeyEncryptionKey(b"n" * 32)
_NEWER: Final = KeyEncryptionKey(b"w" * 32)
_NOTES: Final = SealedColumn(
    name="notes",
    table="notes",
    key="id",
    column="body",
    owner="account_id",
    context="'note|' || id",
    imported="imported",
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=4)
    await made.open()
    async with made.connection() as connection:
        await connection.execute(
            "CREATE TABLE notes (id uuid PRIMARY KEY, body bytea, "
            "account_id uuid REFERENCES accounts ON DELETE CASCADE, "
            "imported boolean NOT NULL DEFAULT false)"
        )
    yield made
    await made.close()


def _vault(database: Database, *keys: KeyEncryptionKey) -> Vault:
    return Vault(database, SystemClock(), keys, (_NOTES,), CollectorRegistry())


async def _opened(database: Database, *keys: KeyEncryptionKey) -> Vault:
    vault = _vault(database, *keys)
    await vault.unlock()
    return vault


async def _accounts(database: Database, count: int = 1) -> list[UUID]:
    made = [new_id() for _ in range(count)]
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO accounts (id, tenant, owner, metadata, status, created_at, updated_at) "
            "VALUES ($1, 't', 'o', '{}', 'active', now(), now())",
            [(account,) for account in made],
        )
    return made


async def _write_note(database: Database, vault: Vault, owner: UUID | None, text: bytes) -> UUID:
    note = new_id()
    async with database.transaction() as connection:
        sealed = await vault.seal(connection, owner, text, context=f"note|{note}")
        await connection.execute(
            "INSERT INTO notes (id, account_id, body) VALUES ($1, $2, $3)", note, owner, sealed
        )
    return note


async def _read_note(database: Database, vault: Vault, note: UUID) -> bytes:
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT account_id, body FROM notes WHERE id = $1", note)
        assert row is not None
        return await vault.open(connection, row["account_id"], row["body"], context=f"note|{note}")


async def _execute(database: Database, sql: str, *values: object) -> None:
    async with database.connection() as connection:
        await connection.execute(sql, *values)


async def _rotate(database: Database, vault: Vault, *, data_keys: bool = False) -> Rotation:
    rotations = Rotations(vault, database)
    async with database.transaction() as connection:
        made, _ = await rotations.begin(connection, "data-keys" if data_keys else "keys", "test")
    await rotations.work(asyncio.Event())
    found = await rotations.find(made.id)
    assert found is not None
    return found


async def test_what_was_sealed_opens_in_another_process_too(database: Database) -> None:
    (account,) = await _accounts(database)
    vault = await _opened(database, _OLD)
    notes = [await _write_note(database, vault, owner, b"text") for owner in (account, None)]

    other = await _opened(database, _OLD)
    for note in notes:
        assert await _read_note(database, other, note) == b"text"


async def test_a_seal_that_was_undone_leaves_no_key_behind_that_others_lack(
    database: Database,
) -> None:
    (account,) = await _accounts(database)
    vault = await _opened(database, _OLD)

    async def seal_and_fail() -> None:
        async with database.transaction() as connection:
            await vault.seal(connection, account, b"text", context="c")
            raise LookupError

    with pytest.raises(LookupError):
        await seal_and_fail()
    note = await _write_note(database, vault, account, b"text")

    assert await _read_note(database, await _opened(database, _OLD), note) == b"text"


async def test_two_first_seals_at_once_agree_on_one_data_key(database: Database) -> None:
    (account,) = await _accounts(database)
    vaults = [await _opened(database, _OLD) for _ in range(4)]
    notes = await asyncio.gather(
        *(_write_note(database, vault, account, b"text") for vault in vaults)
    )

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM vault_data_keys") == 1
    for note in notes:
        assert await _read_note(database, vaults[0], note) == b"text"


async def test_rows_and_data_keys_moved_by_sql_do_not_open(database: Database) -> None:
    one, two = await _accounts(database, 2)
    vault = await _opened(database, _OLD)
    notes = [await _write_note(database, vault, owner, b"text") for owner in (one, two, None)]
    swap = "UPDATE notes SET {0} = (SELECT n.{0} FROM notes n WHERE n.id = $2) WHERE id = $1"
    keys = "UPDATE vault_data_keys SET {0} WHERE owner = $1"

    async def refused(note: UUID, sql: str, *values: object) -> None:
        async with database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(sql, *values)
            fresh = _vault(database, _OLD)
            row = await connection.fetchrow("SELECT * FROM notes WHERE id = $1", note)
            assert row is not None
            for reader in (vault, fresh) if sql.startswith("UPDATE notes") else (fresh,):
                with pytest.raises(Undecipherable):
                    await reader.open(
                        connection, row["account_id"], row["body"], context=f"note|{note}"
                    )
            await transaction.rollback()

    await refused(notes[0], swap.format("body"), notes[0], notes[1])
    await refused(notes[0], swap.format("body"), notes[0], notes[2])
    await refused(notes[2], swap.format("body"), notes[2], notes[0])
    await refused(notes[0], swap.format("account_id"), notes[0], notes[1])
    await refused(notes[0], "UPDATE notes SET account_id = NULL WHERE id = $1", notes[0])
    await refused(
        notes[0], "UPDATE notes SET body = set_byte(body, 40, get_byte(body, 40) # 1) "
        "WHERE id = $1", notes[0],
    )  # fmt: skip
    await refused(notes[0], keys.format("version = 7"), one)
    await refused(notes[0], keys.format("wrapped = set_byte(wrapped, 9, 0 # 77)"), one)
    await refused(
        notes[0],
        "UPDATE vault_data_keys SET wrapped = (SELECT wrapped FROM vault_data_keys d "
        "WHERE d.owner = $2) WHERE owner = $1",
        one,
        two,
    )
    for note in notes:
        assert await _read_note(database, vault, note) == b"text"


async def test_what_does_not_open_is_counted_and_not_explained(database: Database) -> None:
    (account,) = await _accounts(database)
    metrics = CollectorRegistry()
    vault = Vault(database, SystemClock(), (_OLD,), (), metrics)
    await vault.unlock()
    async with database.connection() as connection:
        for sealed in (b"", b"nonsense", b"\x01" + bytes(80)):
            with pytest.raises(Undecipherable) as refusal:
                await vault.open(connection, account, sealed, context="c")
            assert refusal.value.detail == Undecipherable.title

    assert metrics.get_sample_value("vault_open_failures_total") == 3


async def test_a_data_key_that_is_used_up_is_followed_by_a_new_one(database: Database) -> None:
    (account,) = await _accounts(database)
    vault = await _opened(database, _OLD)
    first = await _write_note(database, vault, account, b"text")
    await _execute(database, "UPDATE vault_data_keys SET uses = $1", MAX_SEALS - 1)
    last = await _write_note(database, vault, account, b"text")
    beyond = await _write_note(database, vault, account, b"text")

    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT version, uses, active FROM vault_data_keys ORDER BY version"
        )
    assert [(r["version"], r["uses"], r["active"]) for r in rows] == [
        (1, MAX_SEALS, False),
        (2, 1, True),
    ]
    for note in (first, last, beyond):
        assert await _read_note(database, await _opened(database, _OLD), note) == b"text"


async def test_a_wrong_key_is_refused_and_told_by_the_module_too(database: Database) -> None:
    await _opened(database, _OLD)
    wrong = _vault(database, _NEW)
    with pytest.raises(WrongKey) as refusal:
        await wrong.unlock()
    with pytest.raises(NotReady) as reason:
        await wrong.probe()

    for text in (str(refusal.value), str(reason.value)):
        assert _OLD.fingerprint in text
        assert _NEW.fingerprint in text
        assert "\n" not in text
    await _vault(database, _OLD).probe()


async def test_a_damaged_check_value_is_refused(database: Database) -> None:
    await _opened(database, _OLD)
    await _execute(database, "UPDATE vault_key_versions SET check_value = '\\x00'")

    with pytest.raises(WrongKey, match="check value"):
        await _vault(database, _OLD).unlock()


async def test_a_process_that_never_saw_a_new_key_goes_on_with_the_one_it_has(
    database: Database,
) -> None:
    before, after = await _accounts(database, 2)
    old = await _opened(database, _OLD)
    note = await _write_note(database, old, before, b"text")
    new = await _opened(database, _NEW, _OLD)
    newest = await _write_note(database, new, after, b"text")

    assert await _read_note(database, old, note) == b"text"
    (third,) = await _accounts(database)
    assert await _read_note(database, new, await _write_note(database, old, third, b"t")) == b"t"
    with pytest.raises(VaultClosed):
        await _read_note(database, old, newest)


async def test_the_key_can_be_changed_and_the_old_one_taken_away(database: Database) -> None:
    accounts = await _accounts(database, 3)
    old = await _opened(database, _OLD)
    notes = [await _write_note(database, old, account, b"text") for account in accounts]
    new = await _opened(database, _NEW, _OLD)
    with pytest.raises(WrongKey, match="3 data keys are still wrapped by key version 1"):
        await _vault(database, _NEW).unlock()

    rotation = await _rotate(database, new)

    assert (rotation.state, rotation.total, rotation.done, rotation.failed) == ("done", 3, 3, 0)
    alone = await _opened(database, _NEW)
    for note in notes:
        assert await _read_note(database, alone, note) == b"text"
    async with database.connection() as connection:
        status = await Rotations(alone, database).status(connection)
    assert [(k.version, k.current, k.available, k.data_keys) for k in status.keys] == [
        (2, True, True, 3),
        (1, False, False, 0),
    ]
    assert status.keys[1].retired_at is not None


async def test_a_second_rotation_joins_or_waits(database: Database) -> None:
    vault = await _opened(database, _OLD)
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
    (account,) = await _accounts(database)
    old = await _opened(database, _OLD)
    await _write_note(database, old, account, b"text")
    new = await _opened(database, _NEW, _OLD)

    async with database.transaction() as connection:
        made, _ = await Rotations(new, database).begin(connection, "keys", "test")
    for unfit in (old, _vault(database, _NEW)):
        await Rotations(unfit, database).work(asyncio.Event())
        found = await Rotations(new, database).find(made.id)
        assert found is not None
        assert found.state == "running"


async def test_a_data_key_that_does_not_open_is_left_and_counted(database: Database) -> None:
    accounts = await _accounts(database, 3)
    old = await _opened(database, _OLD)
    for account in accounts:
        await _write_note(database, old, account, b"text")
    await _execute(
        database,
        "UPDATE vault_data_keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) "
        "WHERE owner = $1",
        accounts[1],
    )

    rotation = await _rotate(database, await _opened(database, _NEW, _OLD))

    assert (rotation.state, rotation.done, rotation.failed) == ("failed", 2, 1)
    with pytest.raises(WrongKey, match="1 data key is still wrapped by key version 1"):
        await _vault(database, _NEW).unlock()


async def test_new_data_keys_seal_all_data_anew_and_old_blobs_open_no_more_than_before(
    database: Database,
) -> None:
    accounts: list[UUID | None] = [*await _accounts(database, 2), None]
    vault = await _opened(database, _OLD)
    notes = [
        await _write_note(database, vault, account, b"text %d" % place)
        for account in accounts
        for place in range(5)
    ]
    damaged = notes[0]
    await _execute(database, "UPDATE notes SET body = body || '\\x00' WHERE id = $1", damaged)

    rotation = await _rotate(database, vault, data_keys=True)

    assert (rotation.state, rotation.done, rotation.failed) == ("failed", 3, 1)
    assert rotation.resealed == len(notes) - 1
    for place, note in enumerate(notes[1:], start=1):
        assert await _read_note(database, vault, note) == b"text %d" % (place % 5)
    async with database.connection() as connection:
        left = await connection.fetch(
            "SELECT n.id FROM notes n JOIN vault_data_keys d "
            "ON substring(n.body FROM 2 FOR 16) = uuid_send(d.id) WHERE NOT d.active"
        )
    assert [row["id"] for row in left] == [damaged]


async def test_three_keys_at_once_end_under_the_newest(database: Database) -> None:
    one, two = await _accounts(database, 2)
    notes = [await _write_note(database, await _opened(database, _OLD), one, b"text")]
    notes.append(await _write_note(database, await _opened(database, _NEW, _OLD), two, b"text"))
    newest = await _opened(database, _NEWER, _NEW, _OLD)

    assert (await _rotate(database, newest)).done == 2
    for note in notes:
        assert await _read_note(database, await _opened(database, _NEWER), note) == b"text"


def test_a_server_with_the_wrong_key_refuses_to_start_and_names_both_fingerprints(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path):
        pass
    note = tmp_path / "note"
    old, new = (KeyEncryptionKey(bytes.fromhex(key)) for key in (ENCRYPTION_KEY, OTHER_KEY))
    with running_api(
        database_url,
        tmp_path,
        wait=None,
        SECRET_ENCRYPTION_KEY=OTHER_KEY,
        TERMINATION_LOG=str(note),
    ) as refused:
        assert refused.wait() == 2
        line = refused.output().strip().splitlines()[-1]

    told = json.loads(note.read_text())
    assert told["reason"] == "ConfigInvalid"
    for text in (line, told["message"]):
        assert old.fingerprint in text
        assert new.fingerprint in text
        assert OTHER_KEY not in text


async def test_a_wrong_key_found_out_later_keeps_the_server_unready(
    own_postgres: LocalPostgres, tmp_path: Path
) -> None:
    database_url = await make_database(own_postgres)
    with running_api(database_url, tmp_path):
        pass
    own_postgres.stop()
    with running_api(
        database_url, tmp_path, wait="/livez", SECRET_ENCRYPTION_KEY=OTHER_KEY, MIGRATE="false"
    ) as api:
        api.wait_for("/readyz", 503)
        own_postgres.start()
        fingerprint = KeyEncryptionKey(bytes.fromhex(ENCRYPTION_KEY)).fingerprint
        reason = ""
        deadline = time.monotonic() + 30
        with api.client() as client:
            while fingerprint not in reason and time.monotonic() < deadline:
                modules = client.get("/system/status").json()["modules"]
                (vault,) = [module for module in modules if module["name"] == "vault"]
                reason = vault.get("ready_error", "")
                await asyncio.sleep(0.1)
            assert fingerprint in reason
            assert client.get("/readyz").status_code == 503
