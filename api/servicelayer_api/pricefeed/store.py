"""The SQL of price feeds, their rounds, observations and snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from servicelayer_api.pricefeed.errors import PriceFeedExists
from servicelayer_api.pricefeed.models import (
    PERCENT_PLACES,
    PLACES,
    Claim,
    Observation,
    Round,
    Snapshot,
    StoredFeed,
)
from servicelayer_api.quotes.decimals import from_numeric, to_numeric
from servicelayer_api.web.pagination import following

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from uuid import UUID

    from servicelayer_api.db import Connection

_FEED: Final = (
    "id, account_id, tenant, base_asset, quote_asset, pair, update_interval, update_every, "
    "heartbeat, heartbeat_every, deviation_percent, active, min_sources, source_groups, "
    "created_at, updated_at, round_id, price, price_at, price_sources, price_spread, "
    "equal_rounds, outcome, failures, last_error"
)
_OBSERVATION: Final = "id, feed_id, round_id, source, source_group, price, collected_at, created_at"
_SNAPSHOT: Final = (
    "id, feed_id, round_id, price, sources, spread, reason, source, collected_at, created_at"
)
_ROUND: Final = (
    "feed_id, round_id, aggregated_price, spread, observation_count, sources, reason, "
    "started_at, closed_at, finalized"
)
_EXACT: Final = ("price", "price_spread", "spread", "aggregated_price")


async def insert_feed(connection: Connection, feed: StoredFeed) -> None:
    """Add a feed; its first fetch is due at once.

    Raises:
        PriceFeedExists: The account has one of this pair.
    """
    try:
        await connection.execute(
            "INSERT INTO price_feeds (id, account_id, tenant, base_asset, quote_asset, pair, "
            "update_interval, update_every, heartbeat, heartbeat_every, deviation_percent, active, "
            "min_sources, source_groups, created_at, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            feed.id,
            feed.account_id,
            feed.tenant,
            feed.base_asset,
            feed.quote_asset,
            feed.pair,
            feed.update_interval,
            feed.update_every,
            feed.heartbeat,
            feed.heartbeat_every,
            to_numeric(feed.deviation_percent, PERCENT_PLACES),
            feed.active,
            feed.min_sources,
            json.dumps(feed.source_groups),
            feed.created_at,
            feed.updated_at,
        )
    except asyncpg.UniqueViolationError as exc:
        raise PriceFeedExists(f"the account has a price feed of {feed.pair}") from exc


async def find_feed(connection: Connection, account_id: UUID, feed_id: UUID) -> StoredFeed | None:
    """Find a feed of an account."""
    return await _one_feed(connection, account_id, feed_id)


async def lock_feed(connection: Connection, account_id: UUID, feed_id: UUID) -> StoredFeed | None:
    """Find a feed of an account and hold it until the transaction ends."""
    return await _one_feed(connection, account_id, feed_id, "FOR NO KEY UPDATE")


async def _one_feed(
    connection: Connection, account_id: UUID, feed_id: UUID, lock: str = ""
) -> StoredFeed | None:
    row = await connection.fetchrow(
        f"SELECT {_FEED} FROM price_feeds WHERE id = $1 AND account_id = $2 {lock}",  # noqa: S608 - fixed
        feed_id,
        account_id,
    )
    return None if row is None else _feed(row)


async def lock_claimed(connection: Connection, claim: Claim) -> StoredFeed | None:
    """Hold a claimed feed until the transaction ends; `None` when the claim is no longer ours."""
    row = await connection.fetchrow(
        f"SELECT {_FEED} FROM price_feeds WHERE id = $1 AND fencing_token = $2 "  # noqa: S608 - fixed
        "AND next_fetch_at = $3 FOR NO KEY UPDATE",
        claim.feed.id,
        claim.fencing_token,
        claim.slot,
    )
    return None if row is None else _feed(row)


async def list_feeds(
    connection: Connection, account_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[StoredFeed]:
    """List the feeds of an account, oldest first; `after` is the time and id of the one before."""
    position, values = following("(created_at, id) > ($3, $4)", after)
    rows = await connection.fetch(
        f"SELECT {_FEED} FROM price_feeds WHERE account_id = $1 {position} "  # noqa: S608 - fixed
        "ORDER BY created_at, id LIMIT $2",
        account_id,
        limit,
        *values,
    )
    return [_feed(row) for row in rows]


async def update_config(connection: Connection, feed: StoredFeed) -> None:
    """Write the configuration of a feed that is locked; a shorter interval moves the next fetch."""
    await connection.execute(
        "UPDATE price_feeds SET update_interval = $2, update_every = $3, heartbeat = $4, "
        "heartbeat_every = $5, deviation_percent = $6, active = $7, min_sources = $8, "
        "source_groups = $9, updated_at = $10, "
        "next_fetch_at = CASE WHEN lease_until IS NULL "
        "  THEN least(next_fetch_at, clock_timestamp() + $3) ELSE next_fetch_at END "
        "WHERE id = $1",
        feed.id,
        feed.update_interval,
        feed.update_every,
        feed.heartbeat,
        feed.heartbeat_every,
        to_numeric(feed.deviation_percent, PERCENT_PLACES),
        feed.active,
        feed.min_sources,
        json.dumps(feed.source_groups),
        feed.updated_at,
    )


async def update_published(connection: Connection, feed: StoredFeed) -> None:
    """Write what the last observation made of a feed that is locked."""
    await connection.execute(
        "UPDATE price_feeds SET round_id = $2, price = $3, price_at = $4, price_sources = $5, "
        "price_spread = $6, equal_rounds = $7, outcome = $8 WHERE id = $1",
        feed.id,
        feed.round_id,
        None if feed.price is None else to_numeric(feed.price, PLACES),
        feed.price_at,
        feed.price_sources,
        to_numeric(feed.price_spread, PLACES),
        feed.equal_rounds,
        feed.outcome,
    )


async def update_fetched(connection: Connection, claim: Claim, failures: int, error: str) -> None:
    """End a claim: the next fetch is due at the next beat of the interval that is still to come.

    Args:
        connection: With the feed locked.
        claim: As it was given.
        failures: That came one after the other.
        error: Of this fetch; empty when it was good.
    """
    await connection.execute(
        "UPDATE price_feeds SET lease_until = NULL, failures = $2, last_error = $3, "
        "next_fetch_at = next_fetch_at + update_every * greatest(1, 1 + floor("
        "extract(epoch FROM clock_timestamp() - next_fetch_at) / extract(epoch FROM update_every)"
        "))::float8 WHERE id = $1",
        claim.feed.id,
        failures,
        error,
    )


async def delete_feed(connection: Connection, feed_id: UUID) -> None:
    """Delete a feed and all it has."""
    await connection.execute("DELETE FROM price_feeds WHERE id = $1", feed_id)


async def lock_due(connection: Connection, limit: int, lease: timedelta) -> list[Claim]:
    """Claim feeds whose fetch is due and that nobody holds, the longest due first."""
    rows = await connection.fetch(
        "UPDATE price_feeds SET fencing_token = fencing_token + 1, "  # noqa: S608 - fixed names
        "lease_until = clock_timestamp() + $2 WHERE id IN ("
        "  SELECT id FROM price_feeds WHERE active AND next_fetch_at <= clock_timestamp()"
        "  AND (lease_until IS NULL OR lease_until < clock_timestamp())"
        "  ORDER BY next_fetch_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
        f") RETURNING {_FEED}, next_fetch_at, fencing_token",
        limit,
        lease,
    )
    return [
        Claim(feed=_feed(row), slot=row["next_fetch_at"], fencing_token=row["fencing_token"])
        for row in rows
    ]


async def insert_observation(
    connection: Connection, observation: Observation, slot: datetime | None
) -> None:
    """Add a price to the open round of a feed that is locked."""
    await connection.execute(
        f"INSERT INTO price_observations ({_OBSERVATION}, slot) "  # noqa: S608 - fixed names
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        observation.id,
        observation.feed_id,
        observation.round_id,
        observation.source,
        observation.source_group,
        to_numeric(observation.price, PLACES),
        observation.collected_at,
        observation.created_at,
        slot,
    )
    await connection.execute(
        "INSERT INTO price_rounds AS r (feed_id, round_id, observation_count, started_at) "
        "VALUES ($1, $2, 1, $3) ON CONFLICT (feed_id, round_id) "
        "DO UPDATE SET observation_count = r.observation_count + 1",
        observation.feed_id,
        observation.round_id,
        observation.created_at,
    )


async def find_last_of_source(
    connection: Connection, feed_id: UUID, source: str
) -> datetime | None:
    """Find when the newest price of a source was collected."""
    found: datetime | None = await connection.fetchval(
        "SELECT collected_at FROM price_observations WHERE feed_id = $1 AND source = $2 "
        "ORDER BY collected_at DESC LIMIT 1",
        feed_id,
        source,
    )
    return found


async def list_newest_by_group(
    connection: Connection, feed_id: UUID, round_id: int
) -> list[Observation]:
    """List the newest price of each group in a round."""
    rows = await connection.fetch(
        f"SELECT DISTINCT ON (source_group) {_OBSERVATION} FROM price_observations "  # noqa: S608 - fixed
        "WHERE feed_id = $1 AND round_id = $2 "
        "ORDER BY source_group, collected_at DESC, created_at DESC, id DESC",
        feed_id,
        round_id,
    )
    return [_observation(row) for row in rows]


async def update_round_published(connection: Connection, snapshot: Snapshot) -> None:
    """Close the round of a snapshot."""
    await connection.execute(
        "UPDATE price_rounds SET aggregated_price = $3, spread = $4, sources = $5, reason = $6, "
        "closed_at = $7, finalized = true WHERE feed_id = $1 AND round_id = $2",
        snapshot.feed_id,
        snapshot.round_id,
        to_numeric(snapshot.price, PLACES),
        to_numeric(snapshot.spread, PLACES),
        snapshot.sources,
        snapshot.reason,
        snapshot.created_at,
    )


async def insert_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Add a published price."""
    await connection.execute(
        f"INSERT INTO price_snapshots ({_SNAPSHOT}) "  # noqa: S608 - fixed names
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        snapshot.id,
        snapshot.feed_id,
        snapshot.round_id,
        to_numeric(snapshot.price, PLACES),
        snapshot.sources,
        to_numeric(snapshot.spread, PLACES),
        snapshot.reason,
        snapshot.source,
        snapshot.collected_at,
        snapshot.created_at,
    )


async def list_snapshots(
    connection: Connection, feed_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Snapshot]:
    """List published prices, the newest first; `after` is the collected_at and id of the last."""
    position, values = following("(collected_at, id) < ($3, $4)", after)
    rows = await connection.fetch(
        f"SELECT {_SNAPSHOT} FROM price_snapshots WHERE feed_id = $1 {position} "  # noqa: S608 - fixed
        "ORDER BY collected_at DESC, id DESC LIMIT $2",
        feed_id,
        limit,
        *values,
    )
    return [Snapshot(**_exact(row)) for row in rows]


async def list_rounds(
    connection: Connection, feed_id: UUID, below: int | None, limit: int
) -> list[Round]:
    """List rounds below a number, the newest first."""
    rows = await connection.fetch(
        f"SELECT {_ROUND} FROM price_rounds "  # noqa: S608 - fixed names
        "WHERE feed_id = $1 AND ($2::bigint IS NULL OR round_id < $2) "
        "ORDER BY round_id DESC LIMIT $3",
        feed_id,
        below,
        limit,
    )
    return [Round(**_exact(row)) for row in rows]


async def list_observations(
    connection: Connection,
    feed_id: UUID,
    round_id: int | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Observation]:
    """List prices as they came, the newest first; of one round only when it is given."""
    position, values = following("(created_at, id) < ($4, $5)", after)
    rows = await connection.fetch(
        f"SELECT {_OBSERVATION} FROM price_observations WHERE feed_id = $1 "  # noqa: S608 - fixed
        f"AND ($2::bigint IS NULL OR round_id = $2) {position} "
        "ORDER BY created_at DESC, id DESC LIMIT $3",
        feed_id,
        round_id,
        limit,
        *values,
    )
    return [_observation(row) for row in rows]


async def list_figures(connection: Connection, frozen_rounds: int) -> dict[str, tuple[int, float]]:
    """Count the active feeds by state, with the greatest age of a price in seconds.

    The states are told apart as `rules.state` does.
    """
    rows = await connection.fetch(
        "SELECT CASE WHEN outcome = 'no_quorum' THEN 'no_quorum' WHEN price_at IS NULL THEN 'empty'"
        " WHEN clock_timestamp() >= price_at + heartbeat_every + 2 * update_every THEN 'stale'"
        " WHEN $1 > 0 AND equal_rounds >= $1 THEN 'frozen' ELSE 'fresh' END AS state, count(*), "
        "coalesce(extract(epoch FROM clock_timestamp() - min(price_at)), 0)::float8 AS oldest "
        "FROM price_feeds WHERE active GROUP BY 1",
        frozen_rounds,
    )
    return {str(row["state"]): (int(row["count"]), float(row["oldest"])) for row in rows}


def _exact(row: asyncpg.Record | Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = dict(row.items())
    for name in _EXACT:
        if values.get(name) is not None:
            values[name] = from_numeric(values[name], PLACES)
    return values


def _feed(row: asyncpg.Record) -> StoredFeed:
    values = {name: value for name, value in _exact(row).items() if name in _FEED_NAMES}
    values["source_groups"] = json.loads(values["source_groups"])
    values["deviation_percent"] = from_numeric(values["deviation_percent"], PERCENT_PLACES)
    return StoredFeed(**values)


def _observation(row: asyncpg.Record) -> Observation:
    return Observation(**_exact(row))


_FEED_NAMES: Final = frozenset(_FEED.split(", "))
