"""A million random ledger operations against a plain model, disturbed.

`PYTHONPATH=tests .venv/bin/python -m load.ledger_model`; `--help` tells how to run less. Shards run
side by side, each on a database and a seed of its own, and tell the seed and the operation of the
first difference. With no arguments: 1,000,000 operations on 4 shards. What the program logs is
not shown; a line tells every half minute how far it is.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
import time
from pathlib import Path

import structlog

from servicelayer_api.local_postgres import LocalPostgres
from support.ledger_model import LedgerDriver
from support.postgres import TEMPLATE, make_database, make_template

SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
PROGRESS_SECONDS = 30


async def run(server: LocalPostgres, operations: int, shards: int, seed: int) -> int:
    """Run all shards; give the number of operations that were disturbed."""
    await make_template(server)
    drivers = [
        LedgerDriver(await make_database(server, TEMPLATE), seed + shard) for shard in range(shards)
    ]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(driver.run(operations // shards)) for driver in drivers]
        teller = group.create_task(tell_progress(drivers, operations))
        await asyncio.wait(running)
        teller.cancel()
    return sum(driver.disturbances for driver in drivers)


async def tell_progress(drivers: list[LedgerDriver], operations: int) -> None:
    """Say how many operations are done, until cancelled."""
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        done = sum(driver.done for driver in drivers)
        sys.stderr.write(f"{done} of {operations} operations, no difference so far\n")


def main() -> int:
    """Read the arguments, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent)
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
