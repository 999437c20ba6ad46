"""Three server processes over one database: each fetch that is due is written once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from support.feed_rounds import Replicas, make_feeds, wait_for_rounds
from support.price_server import environment, price_server, slow

if TYPE_CHECKING:
    from pathlib import Path

FEEDS = 12
ROUNDS = 5
KILLS = 3
# A killed process leaves at most what it had claimed at once, all of it fetched again.
CLAIMED_AT_ONCE = 32


async def test_each_fetch_that_is_due_is_made_by_one_replica_only(
    database_url: str, tmp_path: Path
) -> None:
    with price_server() as prices:
        replicas = Replicas(database_url, tmp_path, environment(prices), 3)
        with closing(replicas):
            with replicas.running[0].client() as client:
                account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
                make_feeds(client, account, FEEDS)
            await wait_for_rounds(database_url, ROUNDS, timeout=60)
        found = await wait_for_rounds(database_url, ROUNDS, timeout=1)
        asked = prices.asked.total()
    assert (found.twice, found.gaps, found.falls) == (0, 0, 0)
    assert asked == found.observations == found.rounds


async def test_replicas_that_are_killed_leave_no_round_out_and_write_none_twice(
    database_url: str, tmp_path: Path
) -> None:
    with price_server(slow) as prices:
        replicas = Replicas(database_url, tmp_path, environment(prices), 3)
        with closing(replicas):
            with replicas.running[0].client() as client:
                account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
                make_feeds(client, account, FEEDS)
            await wait_for_rounds(
                database_url, ROUNDS, timeout=90, replicas=replicas, kills=KILLS, seed=7
            )
        found = await wait_for_rounds(database_url, ROUNDS, timeout=1)
        asked = prices.asked.total()
    assert (found.twice, found.gaps, found.falls) == (0, 0, 0)
    assert found.observations == found.rounds
    assert 0 <= asked - found.observations <= KILLS * CLAIMED_AT_ONCE
