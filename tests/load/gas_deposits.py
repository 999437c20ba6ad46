"""Deposits on one hot account, with or without the server and PostgreSQL being killed meanwhile.

`PYTHONPATH=tests .venv/bin/python -m load.gas_deposits [--kill]`: 32 connections for 20 s against a
server over a PostgreSQL that writes to the disk before it says so. Afterwards every acknowledged
deposit is looked up in the ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from servicelayer_api.local_postgres import LocalPostgres
from support.api_server import ApiProcess
from support.deposit_load import Tally, Target, prove, run_load
from support.postgres import make_database


class Stage:
    """A PostgreSQL, a server over it, and a gas account; the server is replaced when killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.postgres = LocalPostgres(folder / "postgres", secrets.token_hex(8))
        self.postgres.start()
        self.dsn = asyncio.run(make_database(self.postgres))
        self.server = self._serve()

    def open_account(self) -> Target:
        """Open an account with a gas account."""
        with self.server.client() as client:
            account = client.post("/accounts", json={"owner": "load"}).json()["ID"]
            gas = client.post(f"/accounts/{account}/gasbank", json={}).json()["ID"]
        return Target(lambda: self.server.port, account, gas)

    def strike(self) -> None:
        """Kill the server and start another one, then kill PostgreSQL and start it again."""
        self.server.signal(signal.SIGKILL)
        self.server.wait()
        self.server = self._serve()
        self.postgres.kill()
        self.postgres.start()

    def close(self) -> None:
        """Stop both."""
        self.server.close()
        self.postgres.stop()

    def _serve(self) -> ApiProcess:
        server = ApiProcess(self.dsn, self._folder, {"LOG_LEVEL": "warning"})
        server.wait_for("/readyz", 200)
        return server


async def measure(stage: Stage, connections: int, seconds: float, *, kill: bool) -> Tally:
    """Deposit, strike in the middle if asked to, and prove the ledger."""
    target = await asyncio.to_thread(stage.open_account)

    async def strike() -> None:
        if kill:
            await asyncio.sleep(seconds / 3)
            await asyncio.to_thread(stage.strike)

    load = run_load(target, connections=connections, seconds=seconds, seed=1)
    tally, _ = await asyncio.gather(load, strike())
    await prove(stage.dsn, target, tally)
    return tally


def main() -> int:
    """Read the arguments, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        try:
            tally = asyncio.run(measure(stage, given.connections, given.seconds, kill=given.kill))
        finally:
            stage.close()
    sys.stdout.write(
        f"{len(tally.acknowledged)} deposits acknowledged in {tally.seconds:.1f} s, "
        f"{tally.rate:.0f} a second; {len(tally.repeated)} sent again; each in the ledger once\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
