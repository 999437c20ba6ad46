"""Drives many price feeds that are due at once through several replicas, some of them killed.

Used by the tests and, with larger numbers, by the load runs. What is checked afterwards: whatever
was fetched for a slot was written once, the rounds of a feed count on without a gap, and the prices
of a feed only rise, so that no process wrote over a later one.
"""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from support.api_server import ApiProcess
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

_BODY = {"quote_asset": "USD", "deviation_percent": 1, "update_interval": "@every 1s"}


def make_feeds(client: httpx.Client, account_id: str, count: int) -> list[str]:
    """Make feeds that are due every second; gives their ids."""
    made: list[str] = []
    for number in range(count):
        answer = client.post(
            f"/accounts/{account_id}/pricefeeds", json={**_BODY, "base_asset": f"A{number}"}
        )
        made.append(str(answer.raise_for_status().json()["ID"]))
    return made


class Replicas:
    """Several server processes over one database."""

    def __init__(
        self, database_url: str, folder: Path, environ: Mapping[str, str], count: int
    ) -> None:
        self._start = lambda: ApiProcess(database_url, folder, environ)
        self.running = [self._start()]
        self.running[0].wait_for("/readyz", 200)
        self.running += [self._start() for _ in range(count - 1)]
        for process in self.running[1:]:
            process.wait_for("/readyz", 200)

    def kill_one(self, chance: random.Random) -> None:
        """Kill a process at random and start another in its place."""
        victim = chance.choice(self.running)
        victim.signal(signal.SIGKILL)
        victim.wait()
        self.running[self.running.index(victim)] = self._start()

    def close(self) -> None:
        """Stop all of them."""
        for process in self.running:
            process.close()


class Tally(NamedTuple):
    """What the database holds of a run."""

    feeds: int
    observations: int
    rounds: int
    fewest: int
    twice: int
    gaps: int
    falls: int


async def tally(database_url: str) -> Tally:
    """Count rounds, and what must not be there."""
    connection = await asyncpg.connect(database_url)
    try:
        row: Any = await connection.fetchrow(
            """
            WITH taken AS (
                SELECT feed_id, round_id, slot, price,
                       lag(price) OVER (PARTITION BY feed_id ORDER BY round_id) AS before,
                       lag(round_id, 1, 0::bigint)
                           OVER (PARTITION BY feed_id ORDER BY round_id) AS follows
                FROM price_observations
            ), each AS (
                SELECT f.id, (SELECT count(*) FROM price_rounds r
                              WHERE r.feed_id = f.id AND r.finalized) AS rounds
                FROM price_feeds f
            )
            SELECT (SELECT count(*) FROM each) AS feeds,
                   (SELECT count(*) FROM taken) AS observations,
                   (SELECT sum(rounds) FROM each) AS rounds,
                   (SELECT min(rounds) FROM each) AS fewest,
                   (SELECT count(*) - count(DISTINCT (feed_id, slot)) FROM taken) AS twice,
                   (SELECT count(*) FROM taken WHERE round_id <> follows + 1) AS gaps,
                   (SELECT count(*) FROM taken WHERE price <= before) AS falls
            """
        )
    finally:
        await connection.close()
    return Tally(**{name: int(value or 0) for name, value in row.items()})


async def wait_for_rounds(
    database_url: str,
    fewest: int,
    *,
    timeout: float,  # noqa: ASYNC109 - a deadline of its own
    replicas: Replicas | None = None,
    kills: int = 0,
    seed: int = 0,
) -> Tally:
    """Wait until every feed has so many rounds, killing replicas meanwhile.

    Args:
        database_url: Where they are.
        fewest: Rounds that each feed must have.
        timeout: Seconds after which that is given up.
        replicas: Whose processes may be killed.
        kills: How many.
        seed: Of the choice.
    """
    chance = random.Random(seed)  # noqa: S311 - a choice of victims
    deadline = time.monotonic() + patience(timeout)
    killed = 0
    while time.monotonic() < deadline:
        found = await tally(database_url)
        # Spread over the run: each kill waits for the rounds to have gone on.
        share = found.rounds * (kills + 1) > killed * fewest * found.feeds
        if replicas is not None and killed < kills and share:
            replicas.kill_one(chance)
            killed += 1
        if found.fewest >= fewest and killed == kills:
            return found
        time.sleep(0.1)  # noqa: ASYNC251 - nothing else runs in this loop
    raise AssertionError(f"not enough rounds after {timeout:g} s: {await tally(database_url)}")
