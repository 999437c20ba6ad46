"""Many due oracle requests, several servers, and a hand that kills them: who is done how often?

`drain` fills the queue of a database, lets servers work on it, kills some with SIGKILL at random
and starts others instead, until everything is completed. `Tally` says what the database, the audit
log and the called source saw. Used by a test with hundreds of requests, and by `load` with
thousands.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from servicelayer_api.ids import new_id
from support.api_server import ApiProcess, running_api
from support.oracle_stub import oracle_stub

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

_SETTINGS = {
    "EGRESS_ALLOW": "127.0.0.1",
    "ORACLE_TIMEOUT": "1s",
    "ORACLE_BACKOFF": "50ms",
    "ORACLE_MAX_ATTEMPTS": "20",
    "LOG_LEVEL": "warning",
}
_OPEN = "SELECT count(*) FROM oracle_requests WHERE status IN ('pending', 'running')"


@dataclass
class Tally:
    """What was seen when all was done.

    Attributes:
        asked: Requests there were.
        succeeded: Requests with their own answer as result.
        audited: Successes in the audit log for each request, as a set of counts.
        failed_in_audit: Failures in the audit log.
        calls: Calls the source got.
        attempts: Attempts the requests show.
        kills: Servers that were killed.
        seconds: From the first server's readiness to the last completion.
    """

    asked: int
    succeeded: int
    audited: set[int]
    failed_in_audit: int
    calls: int
    attempts: int
    kills: int
    seconds: float


def drain(
    database_url: str,
    folder: Path,
    *,
    requests: int,
    servers: int = 3,
    kills: int = 4,
    seed: int = 1,
    deadline: float = 100.0,
) -> Tally:
    """Let servers complete requests while some are killed."""
    with oracle_stub() as stub:
        ids = _fill(database_url, folder, f"{stub.url}/echo", requests)
        seconds, killed = _work(
            database_url,
            folder,
            random.Random(seed),  # noqa: S311 - chooses whom to kill
            servers,
            kills,
            deadline,
        )
        return asyncio.run(_tally(database_url, ids, len(stub.calls), killed, seconds))


def _fill(database_url: str, folder: Path, url: str, requests: int) -> list[UUID]:
    idle = {**_SETTINGS, "ORACLE_DISPATCH": "false"}
    with running_api(database_url, folder, **idle) as api, api.client() as client:
        account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
        source = client.post(
            f"/accounts/{account}/oracle/sources",
            json={"name": "s", "url": url, "headers": {"X-Key": "sealed"}},
        ).json()["ID"]
    ids = [new_id() for _ in range(requests)]

    async def insert() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.executemany(
                "INSERT INTO oracle_requests (id, account_id, source_id, alternates, payload, "
                "result_path, created_at, updated_at) "
                "VALUES ($1, $2, $3, '{}', $4, '$.query.id[0]', now(), now())",
                [(n, account, source, json.dumps({"id": str(n)})) for n in ids],
            )
        finally:
            await connection.close()

    asyncio.run(insert())
    return ids


def _work(
    database_url: str,
    folder: Path,
    chance: random.Random,
    servers: int,
    kills: int,
    deadline: float,
) -> tuple[float, int]:
    killed = 0
    with ExitStack() as stack:
        running = [ApiProcess(database_url, folder, _SETTINGS) for _ in range(servers)]
        stack.callback(lambda: [server.close() for server in running])
        running[0].wait_for("/readyz", 200, timeout=60)
        started = time.monotonic()
        before = asyncio.run(_open_requests(database_url))
        while left := asyncio.run(_open_requests(database_url)):
            if time.monotonic() > started + deadline:
                raise AssertionError(f"{left} left\n{running[0].output()[-2000:]}")
            # Each kill comes when another part of the work is done, so that all fall into it.
            if killed < kills and left < before * (kills - killed) / (kills + 1):
                place = chance.randrange(servers)
                running[place].signal(signal.SIGKILL)
                running[place].wait()
                running[place] = ApiProcess(database_url, folder, _SETTINGS)
                killed += 1
            time.sleep(chance.uniform(0.01, 0.05))
        return time.monotonic() - started, killed


async def _open_requests(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return int(await connection.fetchval(_OPEN))
    finally:
        await connection.close()


async def _tally(
    database_url: str, ids: list[UUID], calls: int, kills: int, seconds: float
) -> Tally:
    connection = await asyncpg.connect(database_url)
    try:
        succeeded = await connection.fetchval(
            "SELECT count(*) FROM oracle_requests WHERE status = 'succeeded' AND result = id::text"
        )
        attempts = await connection.fetchval("SELECT sum(attempts) FROM oracle_requests")
        rows = await connection.fetch(
            "SELECT resource_id, count(*) AS times FROM audit_log "
            "WHERE action = 'oracle.request.succeeded' GROUP BY resource_id"
        )
        failed = await connection.fetchval(
            "SELECT count(*) FROM audit_log WHERE action = 'oracle.request.failed'"
        )
    finally:
        await connection.close()
    times = {row["resource_id"]: int(row["times"]) for row in rows}
    return Tally(
        asked=len(ids),
        succeeded=int(succeeded),
        audited={times.get(str(request), 0) for request in ids},
        failed_in_audit=int(failed),
        calls=calls,
        attempts=int(attempts),
        kills=kills,
        seconds=seconds,
    )
