"""`python -m load.bench`: the product beside a plain peer, under the same load on this machine.

A round of one is followed by a round of the other, so that what else the machine does hits both.
Where the clock cannot be trusted because others work on the machine too, judge by the ratio and by
the CPU time a request. A scenario whose module the product does not have is reported as not built.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from load import bare, drain
from load.measure import Comparison, compare
from load.report import Machine, Report, table, write
from load.row_lock import row_lock_rate
from load.scenarios import DEPOSIT, SCENARIOS, build_world
from load.sides import ROOT, both
from support.postgres import make_database

if TYPE_CHECKING:
    from servicelayer_api.local_postgres import LocalPostgres

_CONNECTIONS = 32
_NAMES = (bare.NAME, *(one.name for one in SCENARIOS), drain.NAME)


def main(arguments: list[str] | None = None) -> int:
    """Measure and report.

    Returns:
        0, or 1 when a request of a measured scenario failed.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := set(options.scenarios) - set(_NAMES):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="servicelayer-bench-") as folder:
        report = _measure(options, Path(folder))
    path = write(report, ROOT / "build" / "bench")
    print(f"\n{table(report)}\n\nwritten to {path.relative_to(ROOT)}")
    failed = [one.name for one in report.scenarios if one.product and one.product.errors]
    if failed:
        print(f"requests failed in: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="load.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(_NAMES))
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side (3)")
    parser.add_argument("--seconds", type=float, default=8, help="seconds a round (8)")
    parser.add_argument("--requests", type=int, default=1000, help="of the oracle drain (1000)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the product (1)")
    parser.add_argument("--product-only", action="store_true", help="leave the peer out")
    return parser


def _measure(options: argparse.Namespace, folder: Path) -> Report:
    began = datetime.now(UTC)
    names = options.scenarios or _NAMES
    wanted = [one for one in SCENARIOS if one.name in names]
    with both(folder, WEB_WORKERS=str(options.workers)) as (server, product, peer):
        machine = Machine.here(asyncio.run(_version(server.url())))
        sides = [product] if options.product_only else [product, peer]
        worlds = [(side, build_world(side)) for side in sides]
        done: list[Comparison] = []
        if bare.NAME in names:
            done.append(
                bare.measure(
                    product.database_url,
                    folder,
                    server.pid or 0,
                    rounds=options.rounds,
                    seconds=options.seconds,
                    say=_say,
                )
            )
        for scenario in wanted:
            if scenario.prepare is not None:
                for side in sides:
                    asyncio.run(scenario.prepare(side.database_url))
            done.append(
                compare(
                    scenario,
                    worlds,
                    server.pid or 0,
                    rounds=options.rounds,
                    seconds=options.seconds,
                    say=_say,
                )
            )
        if drain.NAME in names:
            done.append(
                drain.drain(
                    worlds,
                    server.pid or 0,
                    count=options.requests,
                    rounds=options.rounds,
                    say=_say,
                )
            )
        row_lock = _row_lock(server, options.seconds) if DEPOSIT in wanted else None
    return Report(
        began=began,
        machine=machine,
        rounds=options.rounds,
        seconds=options.seconds,
        connections=_CONNECTIONS,
        workers=options.workers,
        scenarios=done,
        row_lock=row_lock,
    )


def _row_lock(server: LocalPostgres, seconds: float) -> float:
    async def run() -> float:
        return await row_lock_rate(await make_database(server), tag="plain", seconds=seconds)

    rate = asyncio.run(run())
    _say(f"row lock without HTTP: {rate:.0f}/s")
    return rate


def _say(line: str) -> None:
    print(line, flush=True)


async def _version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version")).split()[0]
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
