"""What is deleted when its time is over, and what stays because something depends on it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.audit import AuditLog
from servicelayer_api.audit.errors import AuditUnavailable
from servicelayer_api.audit.retention import BATCH, Retention
from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.oracle import worker as oracle_worker
from servicelayer_api.pricefeed import worker as pricefeed_worker
from servicelayer_api.pricefeed.metrics import FeedMetrics
from support.api_server import running_api
from support.gas import run_sql
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DAYS = 30
_OLD = "now() - interval '31 days'"


class Kept:
    """A database with an account, and the loops that forget, without a server."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.metrics = CollectorRegistry()
        self.audit = AuditLog(database, SystemClock(), self.metrics, to_file=False)
        self.account = uuid4()

    async def run(self, statement: str, *values: object) -> list[Any]:
        async with self.database.connection() as connection:
            return await connection.fetch(statement, *values)

    async def open_account(self) -> None:
        await self.run(
            "INSERT INTO accounts VALUES ($1, 't', 'o', '{}', 'active', now(), now())",
            self.account,
        )

    def prices(self) -> Retention:
        metrics = FeedMetrics(self.metrics)
        return pricefeed_worker.forgetting(self.database, self.audit, metrics, DAYS)

    def oracle(self) -> Retention:
        return oracle_worker.forgetting(self.database, self.audit, self.metrics, DAYS)

    async def make_feed(self, published: int) -> UUID:
        feed = uuid4()
        await self.run(
            "INSERT INTO price_feeds (id, account_id, tenant, base_asset, quote_asset, pair, "
            "update_interval, update_every, heartbeat, heartbeat_every, deviation_percent, "
            "created_at, updated_at, round_id, price, price_at) VALUES ($1, $2, 't', 'A', 'B', "
            "$3, '1m', '1 minute', '1h', '1 hour', 1, now(), now(), $4::bigint, "
            "CASE WHEN $4::bigint > 0 THEN 1 END, CASE WHEN $4::bigint > 0 THEN now() END)",
            feed,
            self.account,
            str(feed),
            published,
        )
        return feed

    async def observe(
        self, feed: UUID, number: int, source: str, days: float, group: str = ""
    ) -> None:
        await self.run(
            "INSERT INTO price_observations (id, feed_id, round_id, source, source_group, price, "
            "collected_at, created_at) SELECT gen_random_uuid(), $1, $2, $3, $4, 1, at, at "
            "FROM (SELECT now() - make_interval(secs => $5 * 86400) AS at) AS given",
            feed,
            number,
            source,
            group or source,
            days,
        )

    async def observed(self, feed: UUID) -> list[tuple[int, str, int]]:
        rows = await self.run(
            "SELECT round_id, source, round(extract(epoch FROM now() - created_at) / 86400)::int "
            "AS days FROM price_observations WHERE feed_id = $1 ORDER BY 1, 2, 3 DESC",
            feed,
        )
        return [tuple(row) for row in rows]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Kept]:
    database = Database(url)
    await database.open()
    try:
        yield Kept(database)
    finally:
        await database.close()


@pytest.fixture
async def kept(database_url: str) -> AsyncIterator[Kept]:
    async with opened(database_url) as made:
        await made.open_account()
        yield made


async def test_old_observations_go_and_those_that_something_depends_on_stay(kept: Kept) -> None:
    feed = await kept.make_feed(published=3)
    for number, source, days in (
        (1, "a", 90),
        (1, "silent", 89),  # the newest of its source
        (2, "a", 60),
        (3, "a", 50),  # of the last published round
        (3, "b", 49),
        (4, "a", 40),
        (4, "a", 39),  # the newest of its source in the open round
        (4, "b", 5),
    ):
        await kept.observe(feed, number, source, days)

    assert await kept.prices().delete_batch() == 3

    assert await kept.observed(feed) == [
        (1, "silent", 89),
        (3, "a", 50),
        (3, "b", 49),
        (4, "a", 39),
        (4, "b", 5),
    ]


async def test_an_open_round_keeps_the_newest_price_of_a_source_in_each_group(kept: Kept) -> None:
    feed = await kept.make_feed(published=0)
    for days, group in ((90, "x"), (80, "x"), (70, "y"), (60, "z")):
        await kept.observe(feed, 1, "a", days, group)

    assert await kept.prices().delete_batch() == 1
    assert [days for _, _, days in await kept.observed(feed)] == [80, 70, 60]


async def test_what_is_not_old_enough_stays(kept: Kept) -> None:
    feed = await kept.make_feed(published=9)
    for days in (DAYS - 0.01, 2, 1):
        await kept.observe(feed, 1, "a", days)

    assert await kept.prices().delete_batch() == 0
    assert len(await kept.observed(feed)) == 3


async def make_requests(kept: Kept) -> dict[str, UUID]:
    """One request of every kind, all of them old, and one that was completed yesterday."""
    source = uuid4()
    await kept.run(
        "INSERT INTO oracle_sources (id, account_id, name, description, url, method, "
        "header_names, header_values, has_body, result_path, enabled, created_at, updated_at) "
        "VALUES ($1, $2, 's', '', 'https://a.test', 'GET', '{}', '{}', false, '', true, now(), "
        "now())",
        source,
        kept.account,
    )
    made: dict[str, UUID] = {}
    for name, status, completed, reason in (
        ("pending", "pending", None, None),
        ("running", "running", None, None),
        ("succeeded", "succeeded", _OLD, None),
        ("failed", "failed", _OLD, None),
        ("dead", "failed", _OLD, "attempts"),
        ("put back", "failed", _OLD, "expired"),
        ("fresh", "succeeded", "now() - interval '1 day'", None),
    ):
        made[name] = uuid4()
        await kept.run(
            "INSERT INTO oracle_requests (id, account_id, source_id, alternates, status, holder, "  # noqa: S608 - the table above
            "payload, result_path, created_at, updated_at, completed_at, dead_reason) VALUES "
            f"($1, $2, $3, '{{}}', $4, $5, '', '', {_OLD}, {_OLD}, {completed or 'NULL'}, $6)",
            made[name],
            kept.account,
            source,
            status,
            "runner" if status == "running" else None,
            reason,
        )
    return made


async def test_completed_requests_go_and_open_ones_and_those_put_back_stay(kept: Kept) -> None:
    made = await make_requests(kept)
    await kept.run(
        "UPDATE oracle_requests SET status = 'pending', completed_at = NULL, dead_reason = NULL "
        "WHERE id = $1",
        made["put back"],
    )

    assert await kept.oracle().delete_batch() == 3

    left = {row["id"] for row in await kept.run("SELECT id FROM oracle_requests")}
    assert left == {made[name] for name in ("pending", "running", "put back", "fresh")}


async def test_what_was_deleted_is_counted_and_in_the_audit_log(kept: Kept) -> None:
    await make_requests(kept)
    oracle = kept.oracle()

    assert (await oracle.delete_batch(), await oracle.delete_batch()) == (4, 0)

    assert kept.metrics.get_sample_value("oracle_deleted_requests_total") == 4
    entries = await kept.run("SELECT actor, action, role FROM audit_log")
    assert [tuple(entry) for entry in entries] == [
        ("oracle-retention", "oracle.requests.expire", "system")
    ]


async def test_one_process_deletes_at_a_time_in_batches(kept: Kept) -> None:
    feed = await kept.make_feed(published=9)
    await kept.run(
        "INSERT INTO price_observations (id, feed_id, round_id, source, source_group, price, "
        "collected_at, created_at) SELECT gen_random_uuid(), $1, 1, 'a', 'a', 1, "
        "now() - n * interval '31 days', now() - n * interval '31 days' "
        "FROM generate_series(1, $2 + 1) n",
        feed,
        BATCH,
    )
    first = kept.prices()
    async with opened(kept.database._dsn) as elsewhere:
        second = elsewhere.prices()
        assert await first.delete_batch() == BATCH
        assert await second.delete_batch() == 0
    assert await first.delete_batch() == 0  # the newest of the source stays


async def test_nothing_goes_that_the_audit_log_cannot_take(kept: Kept) -> None:
    await make_requests(kept)
    await kept.run("ALTER TABLE audit_log ADD CONSTRAINT shut CHECK (actor = '') NOT VALID")

    with pytest.raises(AuditUnavailable):
        await kept.oracle().delete_batch()

    assert len(await kept.run("SELECT id FROM oracle_requests")) == 7
    assert kept.metrics.get_sample_value("oracle_deleted_requests_total") == 0


def test_a_server_forgets_by_itself_unless_it_is_told_to_keep(
    database_url: str, tmp_path: Path
) -> None:
    async def prepare() -> None:
        async with opened(database_url) as kept:
            await kept.open_account()
            await make_requests(kept)
            feed = await kept.make_feed(published=9)
            await kept.observe(feed, 1, "a", 91)
            await kept.observe(feed, 1, "a", 90.5)

    asyncio.run(prepare())
    count = "SELECT count(*) FROM oracle_requests WHERE completed_at IS NOT NULL"
    settings = {"ORACLE_RETENTION_DAYS": "0", "ORACLE_DISPATCH": "false"}
    with running_api(database_url, tmp_path, **settings) as api, api.client() as client:
        deadline = time.monotonic() + patience(30)
        while run_sql(database_url, "SELECT count(*) FROM price_observations")[0][0] > 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "pricefeed_deleted_observations_total 1.0" in client.get("/metrics").text
        assert run_sql(database_url, count)[0][0] == 5
