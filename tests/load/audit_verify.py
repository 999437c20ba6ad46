"""The audit log at a million entries: written, sealed, verified, and one changed byte found.

`PYTHONPATH=tests .venv/bin/python -m load.audit_verify`; `--entries` for another size. The database
is a throw-away one; entries are recorded a thousand a transaction, as a group commit does. Two
verifications are timed: of the log as it is, which must find nothing, and after one byte of one row
was changed behind the program's back, which must name that entry and nothing else.
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
from support.audit_trail import open_trail, tamper
from support.postgres import TEMPLATE, make_database, make_template

SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


async def run(server: LocalPostgres, entries: int) -> bool:
    """Do it all; tell whether the changed byte, and nothing else, was found."""
    await make_template(server)
    dsn = await make_database(server, TEMPLATE)
    async with open_trail(dsn) as trail:
        began = time.monotonic()
        await trail.write(entries)
        began = _say(f"{entries} entries written", entries, began)
        sealed = await trail.seal()
        began = _say(f"{sealed} sealed", entries, began)
        before = await trail.faults()
        began = _say(f"verified, {len(before)} faults", entries, began)
        place = entries * 2 // 3
        (row,) = await trail.fetch(
            f"SELECT id, seq FROM audit_log ORDER BY seq OFFSET {place} LIMIT 1"  # noqa: S608 - a number
        )
        await tamper(
            dsn,
            "UPDATE audit_log SET path = overlay(path placing 'X' from 2 for 1) "  # noqa: S608 - a number from the database
            f"WHERE seq = {row['seq']}",
        )
        began = time.monotonic()
        after = await trail.faults()
        _say(f"verified, {len(after)} faults: {after[:1]}", entries, began)
        named = [kind for kind, text in after if str(row["id"]) in text]
        return sealed == entries and not before and len(after) == 1 and named == ["changed"]


def _say(what: str, entries: int, began: float) -> float:
    seconds = time.monotonic() - began
    print(f"{what}: {seconds:.1f} s, {entries / seconds:.0f} a second", flush=True)
    return time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """Read the arguments, run, report.

    Returns:
        0 when what was changed, and nothing else, was found.
    """
    parser = argparse.ArgumentParser(
        prog="load.audit_verify", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        server = LocalPostgres(Path(folder), secrets.token_hex(8), settings=SETTINGS)
        server.start()
        try:
            found = asyncio.run(run(server, options.entries))
        finally:
            server.stop()
    print("the changed byte was found, and nothing else" if found else "WRONG: see above")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
