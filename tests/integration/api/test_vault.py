"""The vault on a real PostgreSQL: keys, data keys, attacks on their rows."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.clock import SystemClock
from servicelayer_api.crypto.envelope import MAX_SEALS, KeyEncryptionKey
from servicelayer_api.vault import Vault
from servicelayer_api.vault.errors import Undecipherable, VaultClosed, WrongKey
from servicelayer_api.web.modules import NotReady
from support.api_server import ENCRYPTION_KEY, running_api
from support.patience import patience
from support.postgres import make_database
from support.vault_notes import (
    NEW,
    OLD,
    a_vault,
    execute,
    make_accounts,
    notes_database,
    opened,
    read_note,
    write_note,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from servicelayer_api.db import Database
    from servicelayer_api.local_postgres import LocalPostgres


OTHER_KEY: Final = "ab" * 32


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with notes_database(database_url) as made:
        yield made


async def test_what_was_sealed_opens_in_another_process_too(database: Database) -> None:
    (account,) = await make_accounts(database)
    vault = await opened(database, OLD)
    notes = [await write_note(database, vault, owner, b"text") for owner in (account, None)]

    other = await opened(database, OLD)
    for note in notes:
        assert await read_note(database, other, note) == b"text"


async def test_a_seal_that_was_undone_leaves_no_key_behind_that_others_lack(
    database: Database,
) -> None:
    (account,) = await make_accounts(database)
    vault = await opened(database, OLD)

    async def seal_and_fail() -> None:
        async with database.transaction() as connection:
            await vault.seal(connection, account, b"text", context="c")
            raise LookupError

    with pytest.raises(LookupError):
        await seal_and_fail()
    note = await write_note(database, vault, account, b"text")

    assert await read_note(database, await opened(database, OLD), note) == b"text"


async def test_two_first_seals_at_once_agree_on_one_data_key(database: Database) -> None:
    (account,) = await make_accounts(database)
    vaults = [await opened(database, OLD) for _ in range(4)]
    notes = await asyncio.gather(
        *(write_note(database, vault, account, b"text") for vault in vaults)
    )

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM vault_data_keys") == 1
    for note in notes:
        assert await read_note(database, vaults[0], note) == b"text"


async def test_rows_and_data_keys_moved_by_sql_do_not_open(database: Database) -> None:
    one, two = await make_accounts(database, 2)
    vault = await opened(database, OLD)
    notes = [await write_note(database, vault, owner, b"text") for owner in (one, two, None)]
    swap = "UPDATE notes SET {0} = (SELECT n.{0} FROM notes n WHERE n.id = $2) WHERE id = $1"
    keys = "UPDATE vault_data_keys SET {0} WHERE owner = $1"

    async def refused(note: UUID, sql: str, *values: object) -> None:
        async with database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(sql, *values)
            fresh = a_vault(database, OLD)
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
        assert await read_note(database, vault, note) == b"text"


async def test_what_does_not_open_is_counted_and_not_explained(database: Database) -> None:
    (account,) = await make_accounts(database)
    metrics = CollectorRegistry()
    vault = Vault(database, SystemClock(), (OLD,), (), metrics)
    await vault.unlock()
    async with database.connection() as connection:
        for sealed in (b"", b"nonsense", b"\x01" + bytes(80)):
            with pytest.raises(Undecipherable) as refusal:
                await vault.open(connection, account, sealed, context="c")
            assert refusal.value.detail == Undecipherable.title

    assert metrics.get_sample_value("vault_open_failures_total") == 3


async def test_a_data_key_that_is_used_up_is_followed_by_a_new_one(database: Database) -> None:
    (account,) = await make_accounts(database)
    vault = await opened(database, OLD)
    first = await write_note(database, vault, account, b"text")
    await execute(database, "UPDATE vault_data_keys SET uses = $1", MAX_SEALS - 1)
    last = await write_note(database, vault, account, b"text")
    beyond = await write_note(database, vault, account, b"text")

    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT version, uses, active FROM vault_data_keys ORDER BY version"
        )
    assert [(r["version"], r["uses"], r["active"]) for r in rows] == [
        (1, MAX_SEALS, False),
        (2, 1, True),
    ]
    for note in (first, last, beyond):
        assert await read_note(database, await opened(database, OLD), note) == b"text"


async def test_a_wrong_key_is_refused_and_told_by_the_module_too(database: Database) -> None:
    await opened(database, OLD)
    wrong = a_vault(database, NEW)
    with pytest.raises(WrongKey) as refusal:
        await wrong.unlock()
    with pytest.raises(NotReady) as reason:
        await wrong.probe()

    for text in (str(refusal.value), str(reason.value)):
        assert OLD.fingerprint in text
        assert NEW.fingerprint in text
        assert "\n" not in text
    await a_vault(database, OLD).probe()


async def test_a_damaged_check_value_is_refused(database: Database) -> None:
    await opened(database, OLD)
    await execute(database, "UPDATE vault_key_versions SET check_value = '\\x00'")

    with pytest.raises(WrongKey, match="check value"):
        await a_vault(database, OLD).unlock()


async def test_a_process_that_never_saw_a_new_key_goes_on_with_the_one_it_has(
    database: Database,
) -> None:
    before, after = await make_accounts(database, 2)
    old = await opened(database, OLD)
    note = await write_note(database, old, before, b"text")
    new = await opened(database, NEW, OLD)
    newest = await write_note(database, new, after, b"text")

    assert await read_note(database, old, note) == b"text"
    (third,) = await make_accounts(database)
    assert await read_note(database, new, await write_note(database, old, third, b"t")) == b"t"
    with pytest.raises(VaultClosed):
        await read_note(database, old, newest)


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
        deadline = time.monotonic() + patience(30)
        with api.client() as client:
            while fingerprint not in reason and time.monotonic() < deadline:
                modules = client.get("/system/status").json()["modules"]
                (vault,) = [module for module in modules if module["name"] == "vault"]
                reason = vault.get("ready_error", "")
                await asyncio.sleep(0.1)
            assert fingerprint in reason
            assert client.get("/readyz").status_code == 503
