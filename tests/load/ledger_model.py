"""A million random ledger operations against a plain model, disturbed.

`PYTHONPATH=tests .venv/bin/python -m load.ledger_model`; `--help` tells how to run less. Shards run
side by side, each on a database and a seed of its own, and tell the seed and the operation of the
first difference. With no arguments: 1,000,000 operations on 4 shards.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from servicelayer_api.local_postgres import LocalPostgres
from support.ledger_model import LedgerDriver
from support.postgres import TEMPLATE, make_database, make_template

SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


async def run(server: LocalPostgres, operations: int, shards: int, seed: int) -> int:
    """Run all shards; give the number of operations that were disturbed."""
    await make_template(server)
    drivers = [
        LedgerDriver(await make_database(server, TEMPLATE), seed + shard) for shard in range(shards)
    ]
    async with asyncio.TaskGroup() as group:
        for driver in drivers:
            group.create_task(driver.run(operations // shards))
    return sum(driver.disturbances for driver in drivers)


def main() -> int:
    """Read the arguments, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = LocalPostgres(Path(folder), secrets.token_hex(8), settings=SETTINGS)
        server.start()
        began = time.monotonic()
        try:
            disturbed = asyncio.run(run(server, given.operations, given.shards, given.seed))
        finally:
            server.stop()
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{given.operations} operations on {given.shards} shards from seed {given.seed}: "
        f"no difference; {disturbed} disturbed; {seconds:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
