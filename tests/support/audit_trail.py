"""An audit log with its sealer over a database, without a server; and the hand that tampers."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from prometheus_client import CollectorRegistry

from servicelayer_api.audit import AuditLog, Change
from servicelayer_api.audit.sealer import Sealer
from servicelayer_api.audit.signing import SigningKey
from servicelayer_api.audit.verify import Report, open_checkpoint, verify_database
from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.principal import Caller, Credential, CredentialKind, Principal, Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servicelayer_api.audit.models import Checkpoint
    from servicelayer_api.db import Connection

SIGNING_KEY = base64.b64encode(bytes(range(32))).decode()
KEY = SigningKey(Settings(audit_signing_key=Secret(SIGNING_KEY)))


def make_caller(number: int = 0, tenant: str = "acme") -> Caller:
    credential = Credential(user="alice", role=Role.ADMIN, kind=CredentialKind.PASSWORD)
    return Caller(
        method="POST",
        path=f"/things/{number}",
        request_id=f"r-{number}",
        remote_addr="192.0.2.1",
        user_agent="test",
        principal=Principal(credential=credential, tenant=tenant),
        route="/things/{id}",
    )


class Trail:
    """An audit log and its sealer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = AuditLog(database, SystemClock(), CollectorRegistry(), to_file=True)
        self.sealer = Sealer(database, SystemClock(), KEY, CollectorRegistry())

    async def write(self, count: int, connection: Connection | None = None) -> None:
        """Record changes, a thousand a transaction, or all in the one that is given."""
        if connection is not None:
            await self.log.record_many(connection, changes(count))
            return
        while count > 0:
            async with self.database.transaction() as own:
                await self.log.record_many(own, changes(min(count, 1000)))
            count -= 1000

    async def seal(self, limit: int = 1000) -> int:
        """Seal all that can be; tell how many entries that were."""
        total = 0
        while True:
            # Prolonged each time, as the worker does: a long run outlasts one lease.
            lease = await self.sealer.lead()
            assert lease is not None
            sealed = await self.sealer.seal(lease, limit)
            if not sealed:
                return total
            total += sealed

    async def verify(self, outside: Checkpoint | None = None) -> Report:
        """Verify the log by the right key."""
        return await verify_database(self.database, KEY.verifiers, outside)

    async def faults(self) -> list[tuple[str, str]]:
        """Kind and text of what `verify` finds."""
        return [(fault.kind, fault.text) for fault in (await self.verify()).faults]

    async def seqs(self) -> list[int]:
        """The numbers of the entries, in order."""
        return [row["seq"] for row in await self.fetch("SELECT seq FROM audit_log ORDER BY seq")]

    async def checkpoint(self) -> Checkpoint:
        """The newest checkpoint, its signature checked."""
        query = "SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1"
        (row,) = await self.fetch(query)
        return open_checkpoint(row["note"], KEY.verifiers)

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        """Ask the database something."""
        async with self.database.connection() as connection:
            return await connection.fetch(query, *values)


def changes(count: int) -> list[Change]:
    return [
        Change(
            caller=make_caller(number),
            action="thing.change",
            status=200,
            resource_id=str(number),
            before={"n": number},
            after={"n": number + 1},
        )
        for number in range(count)
    ]


@asynccontextmanager
async def open_trail(url: str) -> AsyncIterator[Trail]:
    """Open a trail over a database."""
    database = Database(url)
    await database.open()
    try:
        yield Trail(database)
    finally:
        await database.close()


async def tamper(url: str, *statements: str) -> None:
    """Do as a superuser what the triggers forbid."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
