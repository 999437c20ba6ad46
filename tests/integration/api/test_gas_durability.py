"""Deposits go on while the server is killed and PostgreSQL restarted; none is lost or doubled."""

from __future__ import annotations

import asyncio
import secrets
import signal
from typing import TYPE_CHECKING

import pytest

from servicelayer_api.local_postgres import LocalPostgres
from support.api_server import ApiProcess
from support.deposit_load import Target, prove, run_load
from support.postgres import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECTIONS = 8
SECONDS = 6.0


@pytest.fixture
def durable_postgres(tmp_path: Path) -> Iterator[LocalPostgres]:
    """A server that writes to the disk before it says so, unlike the other tests'."""
    server = LocalPostgres(tmp_path / "postgres", secrets.token_hex(8))
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def test_every_acknowledged_deposit_is_in_the_ledger_once_whatever_is_killed(
    durable_postgres: LocalPostgres, tmp_path: Path
) -> None:
    dsn = await make_database(durable_postgres)
    servers = [await asyncio.to_thread(start, dsn, tmp_path)]
    try:
        with servers[0].client() as client:
            account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
            gas = client.post(f"/accounts/{account}/gasbank", json={}).json()["ID"]
        target = Target(lambda: servers[-1].port, account, gas)

        async def disturb() -> None:
            await asyncio.sleep(SECONDS / 4)
            servers[-1].signal(signal.SIGKILL)
            await asyncio.to_thread(servers[-1].wait)
            servers.append(await asyncio.to_thread(start, dsn, tmp_path))
            await asyncio.to_thread(durable_postgres.kill)
            await asyncio.to_thread(durable_postgres.start)

        load = run_load(target, connections=CONNECTIONS, seconds=SECONDS, seed=1)
        tally, _ = await asyncio.gather(load, disturb())
        await prove(dsn, target, tally)
    finally:
        for server in servers:
            server.close()
    assert tally.repeated, "nothing was in flight when the server was killed"
    assert len(tally.acknowledged) == len(tally.sent) > CONNECTIONS


def start(dsn: str, folder: Path) -> ApiProcess:
    server = ApiProcess(dsn, folder, {"LOG_LEVEL": "warning"})
    server.wait_for("/readyz", 200)
    return server
