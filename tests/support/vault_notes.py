"""A vault over a table of its own, notes, in a real database."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from servicelayer_api.clock import SystemClock
from servicelayer_api.crypto.envelope import KeyEncryptionKey
from servicelayer_api.db import Database
from servicelayer_api.ids import new_id
from servicelayer_api.vault import Rotations, SealedColumn, Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from servicelayer_api.vault.models import Rotation

OLD: Final = KeyEncryptionKey(b"o" * 32)
NEW: Final = KeyEncryptionKey(b"n" * 32)
NEWER: Final = KeyEncryptionKey(b"w" * 32)
NOTES: Final = SealedColumn(
    name="notes",
    table="notes",
    key="id",
    column="body",
    owner="account_id",
    context="'note|' || id",
    imported="imported",
)


@asynccontextmanager
async def notes_database(database_url: str) -> AsyncGenerator[Database]:
    """Give the database a table of notes that the vault seals."""
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


def a_vault(database: Database, *keys: KeyEncryptionKey) -> Vault:
    return Vault(database, SystemClock(), keys, (NOTES,), CollectorRegistry())


async def opened(database: Database, *keys: KeyEncryptionKey) -> Vault:
    vault = a_vault(database, *keys)
    await vault.unlock()
    return vault


async def make_accounts(database: Database, count: int = 1) -> list[UUID]:
    made = [new_id() for _ in range(count)]
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO accounts (id, tenant, owner, metadata, status, created_at, updated_at) "
            "VALUES ($1, 't', 'o', '{}', 'active', now(), now())",
            [(account,) for account in made],
        )
    return made


async def write_note(database: Database, vault: Vault, owner: UUID | None, text: bytes) -> UUID:
    note = new_id()
    async with database.transaction() as connection:
        sealed = await vault.seal(connection, owner, text, context=f"note|{note}")
        await connection.execute(
            "INSERT INTO notes (id, account_id, body) VALUES ($1, $2, $3)", note, owner, sealed
        )
    return note


async def read_note(database: Database, vault: Vault, note: UUID) -> bytes:
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT account_id, body FROM notes WHERE id = $1", note)
        assert row is not None
        return await vault.open(connection, row["account_id"], row["body"], context=f"note|{note}")


async def execute(database: Database, sql: str, *values: object) -> None:
    async with database.connection() as connection:
        await connection.execute(sql, *values)


async def rotate(database: Database, vault: Vault, *, data_keys: bool = False) -> Rotation:
    rotations = Rotations(vault, database)
    async with database.transaction() as connection:
        made, _ = await rotations.begin(connection, "data-keys" if data_keys else "keys", "test")
    await rotations.work(asyncio.Event())
    found = await rotations.find(made.id)
    assert found is not None
    return found
