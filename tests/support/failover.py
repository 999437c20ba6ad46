"""A PostgreSQL primary with a streaming standby, switched over as often as a test asks."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import asyncpg

from servicelayer_api.local_postgres import LocalPostgres, find_binaries
from support.patience import patience

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS = {"fsync": "off", "max_connections": "100"}
_LIMIT = 60.0


class FailoverPair:
    """Two servers of which one takes writes and the other follows it.

    Attributes:
        primary: takes writes.
        standby: follows.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._password = secrets.token_hex(8)
        self.primary = self._server("a")
        self.standby = self._server("b")
        self._folders = {id(self.primary): folder / "a", id(self.standby): folder / "b"}

    def start(self) -> None:
        """Start both."""
        self.primary.start()
        self._follow()

    def stop(self) -> None:
        """Stop both."""
        self.standby.stop()
        self.primary.stop()

    def url(self) -> str:
        """The address that names both hosts."""
        host = f"127.0.0.1:{self.primary.port}"
        return self.primary.url().replace(host, f"{host},127.0.0.1:{self.standby.port}")

    def lose_primary(self) -> None:
        """Stop the primary in order: what it acknowledged has reached the standby."""
        self.primary.stop()

    def promote(self) -> None:
        """Let the standby take writes, and change the names."""
        asyncio.run(_execute(self.standby.url(), "SELECT pg_promote()"))
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self) -> None:
        """Make the server that was lost a standby of the new primary."""
        shutil.rmtree(self._folders[id(self.standby)] / "data")
        self._follow()

    def _server(self, name: str) -> LocalPostgres:
        return LocalPostgres(self._folder / name, self._password, settings=_SETTINGS)

    def _follow(self) -> None:
        folder = self._folders[id(self.standby)]
        folder.mkdir(exist_ok=True)
        unprivileged = [sys.executable, "-P", "-m", "servicelayer_api.unprivileged", str(folder)]
        subprocess.run(
            [
                *unprivileged,
                str(find_binaries() / "pg_basebackup"),
                f"--dbname={self.primary.url()}",
                f"--pgdata={folder / 'data'}",
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
        )
        self.standby.start()
        asyncio.run(_wait_until_followed(self.primary.url()))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _wait_until_followed(url: str) -> None:
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + patience(_LIMIT)
    try:
        query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        while not await connection.fetchval(query):
            assert time.monotonic() < deadline, "the standby does not follow"
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
