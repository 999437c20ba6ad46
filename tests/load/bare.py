"""The bare stack: Litestar and asyncpg on the product's HTTP server, and nothing of the product.

A calibration. One query for the three accounts of a tenant, written as JSON: no authentication, no
audit, no limits, no metrics, no access log, and a pool that sends no reset. What it reaches on a
machine says what the product's absolute figures there are worth. Measured as a line of its own, in
the same run, on the product's database.

`python -m load.bare PORT` serves it; `BARE_DATABASE_URL` names the database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator  # noqa: TC003 - litestar reads annotations
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
from litestar import Litestar, get
from litestar.datastructures import State  # noqa: TC002 - litestar reads annotations
from litestar.openapi import OpenAPIConfig

from load.measure import Comparison, compare
from load.scenarios import Scenario, World
from load.sides import bare
from load.wrk import Shot
from support.api_server import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "bare"
_CONNECTIONS = 8
_ROWS = (
    "SELECT id, owner, metadata, status, created_at, updated_at FROM accounts "
    "WHERE tenant = $1 ORDER BY created_at, id LIMIT 25"
)
_SCENARIO = Scenario(
    name=NAME,
    title="bare stack, 3 rows (no product: a calibration)",
    operation=("GET", "/rows"),
    shot=lambda side, _: Shot(method="GET", url=f"{side.url}/rows", headers={}),
)


class _Row(msgspec.Struct, frozen=True):
    id: UUID
    owner: str
    metadata: str
    status: str
    created_at: datetime
    updated_at: datetime


@get("/livez")
async def _livez() -> str:
    return "ok"


@get("/rows")
async def _rows(state: State) -> list[_Row]:
    async with state.pool.acquire() as connection:
        return [_Row(*row) for row in await connection.fetch(_ROWS, TENANT)]


def measure(
    database_url: str,
    folder: Path,
    postgres_pid: int,
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> Comparison:
    """Measure the bare stack.

    Args:
        database_url: The product's database, with the accounts in it.
        folder: Where the log goes.
        postgres_pid: Of the database.
        rounds: How many.
        seconds: Of a round.
        say: Told each round.
    """
    with bare(database_url, folder) as side:
        return compare(
            _SCENARIO,
            [(side, World(account_id=""))],
            postgres_pid,
            rounds=rounds,
            seconds=seconds,
            say=say,
        )


@asynccontextmanager
async def _pool(app: Litestar) -> AsyncGenerator[None]:
    async def no_reset(_: object) -> None:
        """Leave the connection as it is, as the product does."""

    async with asyncpg.create_pool(
        os.environ["BARE_DATABASE_URL"], min_size=0, max_size=_CONNECTIONS, reset=no_reset
    ) as app.state.pool:
        yield


def _serve(port: int) -> None:
    app = Litestar(
        [_livez, _rows],
        lifespan=[_pool],
        logging_config=None,
        openapi_config=OpenAPIConfig(title="bare", version="1", path="/"),
    )
    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    try:
        _serve(int(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
