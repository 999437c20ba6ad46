"""The migrations as they lie in files, and the version that a database is at.

A file is `NNNN_name.sql`; the numbers run from 0001 without a gap. In an installed program they lie
inside the package (`db/sql`), in a checkout in `migrations/` at its top. A file that begins with
the line `-- servicelayer: no-transaction` holds a single statement that PostgreSQL refuses inside a
transaction, such as CREATE INDEX CONCURRENTLY, and must be written so that running it twice does no
harm.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable

    from servicelayer_api.db.pool import Connection

_FILE = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_NO_TRANSACTION = "-- servicelayer: no-transaction"
_CHECKOUT = Path(__file__).parents[3] / "migrations"


class MigrationFilesError(Exception):
    """The set of migration files is not usable; the message says which file and why."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the schema."""

    version: int
    name: str
    sql: str
    checksum: str
    transactional: bool = True

    @property
    def label(self) -> str:
        """The file's name without its ending."""
        return f"{self.version:04d}_{self.name}"


def load_migrations(folder: Traversable | None = None) -> list[Migration]:
    """Read the migrations, in order.

    Args:
        folder: Where to read; the package's own when left out.

    Raises:
        MigrationFilesError: There are none, or their numbers have a gap or a double.
    """
    found = sorted(_read(folder or _own_folder()), key=lambda migration: migration.version)
    if not found:
        raise MigrationFilesError("no migration files were found; the installation is incomplete")
    for place, migration in enumerate(found, start=1):
        if migration.version != place:
            raise MigrationFilesError(
                f"{migration.label}.sql: expected number {place:04d}; no gap, no double"
            )
    return found


def _read(folder: Traversable) -> Iterable[Migration]:
    for entry in folder.iterdir():
        matched = _FILE.fullmatch(entry.name)
        if matched is None:
            continue
        sql = entry.read_text(encoding="utf-8")
        yield Migration(
            version=int(matched["version"]),
            name=matched["name"],
            sql=sql,
            checksum=hashlib.sha256(sql.replace("\r\n", "\n").encode()).hexdigest(),
            transactional=not sql.lstrip().startswith(_NO_TRANSACTION),
        )


def _own_folder() -> Traversable:
    packed = resources.files("servicelayer_api.db").joinpath("sql")
    if packed.is_dir():
        return packed
    if _CHECKOUT.is_dir():
        return _CHECKOUT
    raise MigrationFilesError("no migration files were found; the installation is incomplete")


class SchemaVersion:
    """The version that a database is at."""

    @staticmethod
    async def read(connection: Connection) -> int:
        """Read it; 0 when no migration ever ran."""
        try:
            found = await connection.fetchval("SELECT max(version) FROM schema_migrations")
        except asyncpg.UndefinedTableError:
            return 0
        return int(found or 0)
