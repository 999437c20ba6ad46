"""The encryption key is changed while the program serves: by the command, by the route, after a
crash.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry

from servicelayer_api.app import SEALED_COLUMNS
from servicelayer_api.clock import SystemClock
from servicelayer_api.crypto.envelope import KeyEncryptionKey, make_data_key
from servicelayer_api.db import Database
from servicelayer_api.ids import new_id
from servicelayer_api.vault import Rotations, Vault
from support.api_server import ENCRYPTION_KEY, environment, free_port, running_api
from support.patience import patience
from support.people import PASSWORDS, auth_users
from support.secrets_api import SecretsApi, secret_path, speaking_to

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from servicelayer_api.vault.models import Rotation

NEW_KEY: Final = "ab" * 32
OLD: Final = KeyEncryptionKey(bytes.fromhex(ENCRYPTION_KEY))
NEW: Final = KeyEncryptionKey(bytes.fromhex(NEW_KEY))
OLD_PLAIN: Final = AESGCM(bytes.fromhex(ENCRYPTION_KEY))
_ALL: Final = "SELECT id, sealed, imported FROM secret_versions"
CHANGED: Final = {
    "SECRET_ENCRYPTION_KEY": NEW_KEY,
    "SECRET_ENCRYPTION_KEY_PREVIOUS": ENCRYPTION_KEY,
}


def _command(database_url: str, *words: str, **extra: str) -> tuple[list[str], dict[str, str]]:
    env = environment(database_url, free_port(), {**CHANGED, **extra})
    return [sys.executable, "-m", "servicelayer_api", "keys", *words], env


def _run(database_url: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    command, env = _command(database_url, *words, **extra)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


async def _add_accounts(database_url: str, count: int) -> list[UUID]:
    """Add accounts, each with a data key that the old key wraps."""
    owners = [new_id() for _ in range(count)]
    now = datetime.now(UTC)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.copy_records_to_table(
            "accounts",
            columns=["id", "tenant", "owner", "metadata", "status", "created_at", "updated_at"],
            records=[(owner, "t", "o", "{}", "active", now, now) for owner in owners],
        )
        keys: list[tuple[UUID, UUID, int, int, bytes]] = []
        for owner in owners:
            key_id = new_id()
            keys.append((key_id, owner, 1, 1, OLD.wrap(make_data_key(), key_id, owner, 1)))
        await connection.copy_records_to_table(
            "vault_data_keys",
            columns=["id", "owner", "version", "key_version", "wrapped"],
            records=keys,
        )
    finally:
        await connection.close()
    return owners


async def _open(database_url: str, *keys: KeyEncryptionKey) -> tuple[Database, Vault]:
    database = Database(database_url, size=4)
    await database.open()
    vault = Vault(database, SystemClock(), keys, SEALED_COLUMNS, CollectorRegistry())
    await vault.unlock()
    return database, vault


async def test_ten_thousand_data_keys_change_their_wrapping_while_readers_go_on(
    database_url: str,
) -> None:
    database, _ = await _open(database_url, OLD)
    await database.close()
    owners = await _add_accounts(database_url, 10_000)
    database, vault = await _open(database_url, NEW, OLD)
    rotations = Rotations(vault, database)
    blobs: dict[UUID, bytes] = {}
    async with database.connection() as connection:
        for owner in owners[::500]:
            blobs[owner] = await vault.seal(connection, owner, b"text", context="c")
        made, _ = await rotations.begin(connection, "keys", "test")
    seen: list[Rotation] = []
    reads = 0

    async def read_on() -> None:
        nonlocal reads
        while True:
            # A vault of its own each time, so that every read unwraps the data key anew.
            fresh = Vault(database, SystemClock(), (NEW, OLD), (), CollectorRegistry())
            async with database.connection() as connection:
                for owner, blob in blobs.items():
                    assert await fresh.open(connection, owner, blob, context="c") == b"text"
                seen.append(await rotations.find(made.id) or made)
            reads += 1

    reader = asyncio.create_task(read_on())
    await rotations.work(asyncio.Event())
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader

    ended = await rotations.find(made.id)
    assert ended is not None
    assert (ended.state, ended.total, ended.done, ended.failed) == ("done", 10_000, 10_000, 0)
    assert reads > 0
    progress = [rotation.done for rotation in seen]
    assert progress == sorted(progress)
    await database.close()
    database, alone = await _open(database_url, NEW)
    async with database.connection() as connection:
        for owner, blob in blobs.items():
            assert await alone.open(connection, owner, blob, context="c") == b"text"
    await database.close()


async def test_a_rotation_that_was_killed_in_the_middle_goes_on_where_it_was(
    database_url: str,
) -> None:
    database, _ = await _open(database_url, OLD)
    await database.close()
    await _add_accounts(database_url, 1_200)
    watcher = await asyncpg.connect(database_url)
    holder = await asyncpg.connect(database_url)
    held = holder.transaction()
    await held.start()
    # The command goes around a key that is held, then waits for it: it cannot end before the kill.
    await holder.execute("SELECT FROM vault_data_keys ORDER BY id DESC LIMIT 1 FOR UPDATE")
    command, env = _command(database_url, "rotate")
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + patience(30)
    done = 0
    while done < 1_000 and time.monotonic() < deadline:
        done = await watcher.fetchval("SELECT coalesce(max(done), 0) FROM vault_rotations")
        await asyncio.sleep(0.02)
    process.kill()
    output, _ = await process.communicate()
    await held.rollback()
    await holder.close()

    assert 0 < done < 1_200, output
    assert await watcher.fetchval("SELECT state FROM vault_rotations") == "running"
    again = _run(database_url, "rotate")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "done: 1200 of 1200 data keys" in again.stdout
    rows = await watcher.fetch("SELECT state, done, total FROM vault_rotations")
    assert [tuple(row) for row in rows] == [("done", 1_200, 1_200)]
    assert await watcher.fetchval("SELECT count(*) FROM vault_data_keys WHERE key_version = 1") == 0
    await watcher.close()


def test_the_old_key_is_needed_until_the_command_has_done_its_work(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path) as process, speaking_to(process, database_url) as api:
        account = api.open_account()
        api.keep(account, "s", "v")
    early = {"SECRET_ENCRYPTION_KEY": NEW_KEY}
    with running_api(database_url, tmp_path, **CHANGED) as process:
        pass
    with running_api(database_url, tmp_path, wait=None, **early) as refused:
        assert refused.wait() == 2
        assert "1 data key is still wrapped by key version 1" in refused.output()
    too_early = _run(database_url, "status", SECRET_ENCRYPTION_KEY_PREVIOUS="")
    assert (too_early.returncode, too_early.stdout) == (2, "")

    told = _run(database_url, "rotate")

    assert told.returncode == 0, told.stderr
    assert f"key version 2, fingerprint {NEW.fingerprint}: 1 data keys, current" in told.stdout
    assert f"key version 1, fingerprint {OLD.fingerprint}: 0 data keys, retired" in told.stdout
    with (
        running_api(database_url, tmp_path, **early) as process,
        speaking_to(process, database_url) as api,
    ):
        assert api.value(account, "s") == "v"
    assert _run(database_url, "status", SECRET_ENCRYPTION_KEY_PREVIOUS="").returncode == 0


def test_the_status_of_the_keys_writes_nothing(database_url: str) -> None:
    old = {"SECRET_ENCRYPTION_KEY": ENCRYPTION_KEY, "SECRET_ENCRYPTION_KEY_PREVIOUS": ""}

    async def used_once() -> None:
        database, _ = await _open(database_url, OLD)
        await database.close()

    asyncio.run(used_once())

    looked = _run(database_url, "status")
    after = _run(database_url, "status", **old)

    assert (looked.returncode, after.returncode) == (0, 0), looked.stderr + after.stderr
    assert f"fingerprint {NEW.fingerprint}: set here" in looked.stdout
    assert "key version 2" not in looked.stdout + after.stdout
    assert "set here" not in after.stdout
    assert _run(database_url, "status", **{**old, "SECRET_ENCRYPTION_KEY": NEW_KEY}).returncode == 2


def test_an_admin_of_the_platform_rotates_over_http_while_secrets_are_read(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path) as process, speaking_to(process, database_url) as api:
        account = api.open_account()
        api.keep(account, "s", "v")
    with (
        running_api(database_url, tmp_path, AUTH_USERS=auth_users(), **CHANGED) as process,
        speaking_to(process, database_url) as api,
    ):
        tokens = {
            name: api.ask("POST", "/auth/login", {"username": name, "password": password}).json()[
                "token"
            ]
            for name, password in PASSWORDS.items()
        }
        for name, tenant in (("ann", "tenant-a"), ("ben", "tenant-b")):
            for method in ("GET", "POST"):
                refused = api.ask(
                    method, "/admin/keys/rotation", {}, token=tokens[name], x_tenant_id=tenant
                )
                assert refused.status_code == 403
        assert api.ask("POST", "/admin/keys/rotation", {}).status_code == 403
        started = api.ask("POST", "/admin/keys/rotation", {}, token=tokens["root"])
        assert (started.status_code, started.json()["kind"]) == (202, "keys"), started.text
        ended = _ended(api, tokens["root"], account)

        assert ended["rotation"]["done"] == ended["rotation"]["total"] == 1
        assert [(key["version"], key["data_keys"]) for key in ended["keys"]] == [(2, 1), (1, 0)]
        assert "retired_at" in ended["keys"][1]
        again = api.ask("POST", "/admin/keys/rotation", {"data_keys": True}, token=tokens["root"])
        assert again.json()["kind"] == "data-keys"
        assert _ended(api, tokens["root"], account)["rotation"]["resealed"] == 1
        assert api.value(account, "s") == "v"
        for text in (api.process.output(), started.text, str(ended)):
            assert NEW_KEY not in text
            assert ENCRYPTION_KEY not in text


def _ended(api: SecretsApi, token: str, account: str) -> dict[str, Any]:
    """Read a secret until the rotation has ended; give the status."""
    deadline = time.monotonic() + patience(30)
    while time.monotonic() < deadline:
        assert api.value(account, "s") == "v"
        status: dict[str, Any] = api.ask("GET", "/admin/keys/rotation", token=token).json()
        if status["rotation"]["state"] != "running":
            assert status["rotation"]["state"] == "done", status
            return status
    raise AssertionError("the rotation did not end")


async def test_new_data_keys_and_imported_values_reach_every_version_of_every_secret(
    database_url: str, tmp_path: Path
) -> None:
    soon = datetime.now(UTC) + timedelta(days=1, microseconds=7)
    names = ["plain", "with 'quotes' and %", "schlüssel", "a b", "x" * 256]
    with running_api(database_url, tmp_path) as process, speaking_to(process, database_url) as api:
        account = api.open_account()
        for place, name in enumerate(names):
            expires = {"expires_at": soon.isoformat()} if place % 2 else {}
            api.keep(account, name, f"old {name}", acl=place * 60, **expires)
            path = secret_path(account, name.replace("%", "%25"))
            assert api.ask("PUT", path, {"value": f"new {name}"}).status_code == 200
        # As the reference server sealed it: under the key itself, nothing bound.
        blob = OLD_PLAIN.encrypt(b"n" * 12, b"imported value", None)
        await api.execute(
            "UPDATE secret_versions SET imported = true, sealed = $1 WHERE version = 1 AND "
            "secret_id = (SELECT id FROM secrets WHERE name = 'plain')",
            b"n" * 12 + blob,
        )
        before = {row["id"]: row["sealed"] for row in await api.fetch(_ALL)}

    rotated = _run(database_url, "rotate", "--data-keys")
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr
    keyed = _run(database_url, "rotate")
    assert keyed.returncode == 0, keyed.stdout + keyed.stderr

    with (
        running_api(database_url, tmp_path, SECRET_ENCRYPTION_KEY=NEW_KEY) as process,
        speaking_to(process, database_url) as api,
    ):
        after = await api.fetch(_ALL)
        assert not any(row["imported"] for row in after)
        assert all(row["sealed"][1:17] != before[row["id"]][1:17] for row in after)
        for name in names:
            path = name.replace("%", "%25")
            assert api.value(account, path) == f"new {name}"
            old = "imported value" if name == "plain" else f"old {name}"
            assert api.value(account, path, "?version=1") == old
