"""The SQL of data feeds, their updates and their accepted rounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from servicelayer_api.datafeeds.models import PLACES, StoredFeed, StoredRound, StoredUpdate
from servicelayer_api.quotes.decimals import from_numeric, to_numeric
from servicelayer_api.web.pagination import following

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from servicelayer_api.db import Connection

_FEED: Final = (
    "id, account_id, tenant, pair, description, decimals, heartbeat_seconds, threshold_ppm, "
    "signer_set, aggregation, weights, quorum, metadata, tags, created_at, updated_at, round_id, "
    "price, price_spread, price_sources, price_at, accepted_at, record_id"
)
_PENDING: Final = (
    "EXISTS (SELECT FROM data_feed_updates u WHERE u.feed_id = f.id AND u.status = 'pending' "
    "AND u.round_id > f.round_id) AS pending"
)
_UPDATE: Final = (
    "id, account_id, feed_id, round_id, price, signer, submitted_for, signature, public_key, salt, "
    "scheme, status, error, metadata, created_at, updated_at"
)
_ROUND: Final = (
    "feed_id, round_id, record_id, record, public_key, signature, closed_by, accepted_at"
)


async def insert_feed(connection: Connection, feed: StoredFeed) -> None:
    """Add a feed."""
    await connection.execute(
        "INSERT INTO data_feeds (id, account_id, tenant, created_at, updated_at, pair, "
        "description, decimals, heartbeat_seconds, threshold_ppm, signer_set, aggregation, "
        "weights, quorum, metadata, tags) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        feed.id,
        feed.account_id,
        feed.tenant,
        feed.created_at,
        feed.updated_at,
        *_config(feed),
    )


async def update_config(connection: Connection, feed: StoredFeed) -> None:
    """Write the configuration of a feed that is locked."""
    await connection.execute(
        "UPDATE data_feeds SET updated_at = $2, pair = $3, description = $4, decimals = $5, "
        "heartbeat_seconds = $6, threshold_ppm = $7, signer_set = $8, aggregation = $9, "
        "weights = $10, quorum = $11, metadata = $12, tags = $13 WHERE id = $1",
        feed.id,
        feed.updated_at,
        *_config(feed),
    )


async def update_accepted(connection: Connection, feed: StoredFeed) -> None:
    """Write what an accepted round made of a feed that is locked."""
    await connection.execute(
        "UPDATE data_feeds SET round_id = $2, price = $3, price_spread = $4, price_sources = $5, "
        "price_at = $6, accepted_at = $7, record_id = $8 WHERE id = $1",
        feed.id,
        feed.round_id,
        None if feed.price is None else to_numeric(feed.price, PLACES),
        to_numeric(feed.price_spread, PLACES),
        feed.price_sources,
        feed.price_at,
        feed.accepted_at,
        feed.record_id,
    )


async def delete_feed(connection: Connection, feed_id: UUID) -> None:
    """Delete a feed and all it has."""
    await connection.execute("DELETE FROM data_feeds WHERE id = $1", feed_id)


async def find_feed(connection: Connection, account_id: UUID, feed_id: UUID) -> StoredFeed | None:
    """Find a feed of an account."""
    return await _one_feed(connection, account_id, feed_id)


async def lock_feed(connection: Connection, account_id: UUID, feed_id: UUID) -> StoredFeed | None:
    """Find a feed of an account and hold it until the transaction ends."""
    # Locked first: what is read of its updates must be as the transaction before left it.
    held = await connection.fetchval(
        "SELECT id FROM data_feeds WHERE id = $1 AND account_id = $2 FOR NO KEY UPDATE",
        feed_id,
        account_id,
    )
    return None if held is None else await _one_feed(connection, account_id, feed_id)


async def _one_feed(connection: Connection, account_id: UUID, feed_id: UUID) -> StoredFeed | None:
    row = await connection.fetchrow(
        f"SELECT {_FEED}, {_PENDING} FROM data_feeds f WHERE id = $1 AND account_id = $2",  # noqa: S608 - fixed
        feed_id,
        account_id,
    )
    return None if row is None else _feed(row)


async def list_feeds(
    connection: Connection, account_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[StoredFeed]:
    """List the feeds of an account, the newest first; `after` is the time and id of the last."""
    position, values = following("(created_at, id) < ($3, $4)", after)
    rows = await connection.fetch(
        f"SELECT {_FEED}, {_PENDING} FROM data_feeds f WHERE account_id = $1 {position} "  # noqa: S608 - fixed
        "ORDER BY created_at DESC, id DESC LIMIT $2",
        account_id,
        limit,
        *values,
    )
    return [_feed(row) for row in rows]


async def find_any_update(connection: Connection, feed_id: UUID) -> bool:
    """Tell whether the feed was given any price."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM data_feed_updates WHERE feed_id = $1)", feed_id
        )
    )


async def insert_update(connection: Connection, update: StoredUpdate) -> None:
    """Add an update to a feed that is locked."""
    await connection.execute(
        f"INSERT INTO data_feed_updates ({_UPDATE}) "  # noqa: S608 - fixed names
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        update.id,
        update.account_id,
        update.feed_id,
        update.round_id,
        to_numeric(update.price, PLACES),
        update.signer,
        update.submitted_for,
        update.signature,
        update.public_key,
        update.salt,
        update.scheme,
        update.status,
        update.error,
        json.dumps(update.metadata),
        update.created_at,
        update.updated_at,
    )


async def update_judged(connection: Connection, updates: Sequence[StoredUpdate]) -> None:
    """Write status, error and metadata of updates."""
    await connection.executemany(
        "UPDATE data_feed_updates SET status = $2, error = $3, metadata = $4, updated_at = $5 "
        "WHERE id = $1",
        [
            (each.id, each.status, each.error, json.dumps(each.metadata), each.updated_at)
            for each in updates
        ],
    )


async def update_superseded(
    connection: Connection, feed_id: UUID, round_id: int, error: str, now: datetime
) -> None:
    """Reject what still waits in rounds up to an accepted one."""
    await connection.execute(
        "UPDATE data_feed_updates SET status = 'rejected', error = $3, updated_at = $4 "
        "WHERE feed_id = $1 AND round_id <= $2 AND status = 'pending'",
        feed_id,
        round_id,
        error,
        now,
    )


async def find_last_of_signer(
    connection: Connection, feed_id: UUID, signer: str
) -> StoredUpdate | None:
    """Find a signer's update to its highest round."""
    row = await connection.fetchrow(
        f"SELECT {_UPDATE} FROM data_feed_updates WHERE feed_id = $1 AND signer = $2 "  # noqa: S608 - fixed
        "ORDER BY round_id DESC LIMIT 1",
        feed_id,
        signer,
    )
    return None if row is None else _update(row)


async def find_update(connection: Connection, update_id: UUID) -> StoredUpdate | None:
    """Find an update by its id."""
    row = await connection.fetchrow(
        f"SELECT {_UPDATE} FROM data_feed_updates WHERE id = $1",  # noqa: S608 - fixed names
        update_id,
    )
    return None if row is None else _update(row)


async def list_pending(connection: Connection, feed_id: UUID, round_id: int) -> list[StoredUpdate]:
    """List what waits in a round, in the order in which it came."""
    rows = await connection.fetch(
        f"SELECT {_UPDATE} FROM data_feed_updates "  # noqa: S608 - fixed names
        "WHERE feed_id = $1 AND round_id = $2 AND status = 'pending' ORDER BY created_at, id",
        feed_id,
        round_id,
    )
    return [_update(row) for row in rows]


async def list_updates(
    connection: Connection,
    feed_id: UUID,
    after: tuple[int, datetime, UUID] | None,
    limit: int,
) -> list[StoredUpdate]:
    """List updates, the highest round first; `after` is round, time and id of the last."""
    position, values = following("(round_id, created_at, id) < ($3, $4, $5)", after)
    rows = await connection.fetch(
        f"SELECT {_UPDATE} FROM data_feed_updates WHERE feed_id = $1 {position} "  # noqa: S608 - fixed
        "ORDER BY round_id DESC, created_at DESC, id DESC LIMIT $2",
        feed_id,
        limit,
        *values,
    )
    return [_update(row) for row in rows]


async def insert_round(connection: Connection, accepted: StoredRound) -> None:
    """Add an accepted round."""
    await connection.execute(
        f"INSERT INTO data_feed_rounds ({_ROUND}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",  # noqa: S608 - fixed
        accepted.feed_id,
        accepted.round_id,
        accepted.record_id,
        accepted.record,
        accepted.public_key,
        accepted.signature,
        accepted.closed_by,
        accepted.accepted_at,
    )


async def find_round(connection: Connection, feed_id: UUID, round_id: int) -> StoredRound | None:
    """Find an accepted round of a feed."""
    row = await connection.fetchrow(
        f"SELECT {_ROUND} FROM data_feed_rounds WHERE feed_id = $1 AND round_id = $2",  # noqa: S608 - fixed
        feed_id,
        round_id,
    )
    return None if row is None else StoredRound(**dict(row.items()))


async def list_rounds(
    connection: Connection, feed_id: UUID, below: int | None, limit: int
) -> list[StoredRound]:
    """List accepted rounds below a number, the newest first."""
    rows = await connection.fetch(
        f"SELECT {_ROUND} FROM data_feed_rounds "  # noqa: S608 - fixed names
        "WHERE feed_id = $1 AND ($2::bigint IS NULL OR round_id < $2) "
        "ORDER BY round_id DESC LIMIT $3",
        feed_id,
        below,
        limit,
    )
    return [StoredRound(**dict(row.items())) for row in rows]


async def list_figures(connection: Connection) -> dict[str, tuple[int, float]]:
    """Count the feeds by state, with the greatest age of a price in seconds.

    The states are told apart as `rules.state` does.
    """
    rows = await connection.fetch(
        "SELECT CASE WHEN price_at IS NOT NULL AND clock_timestamp() < price_at + make_interval("  # noqa: S608 - fixed
        "secs => heartbeat_seconds + greatest(heartbeat_seconds / 5.0, 5)) THEN 'fresh' "
        "WHEN pending THEN 'no_quorum' WHEN price_at IS NULL THEN 'empty' ELSE 'stale' END "
        "AS state, count(*), "
        "coalesce(extract(epoch FROM clock_timestamp() - min(price_at)), 0)::float8 AS oldest "
        f"FROM (SELECT price_at, heartbeat_seconds, {_PENDING} FROM data_feeds f) AS feeds "
        "GROUP BY 1"
    )
    return {str(row["state"]): (int(row["count"]), float(row["oldest"])) for row in rows}


def _config(feed: StoredFeed) -> tuple[object, ...]:
    return (
        feed.pair,
        feed.description,
        feed.decimals,
        feed.heartbeat_seconds,
        feed.threshold_ppm,
        list(feed.signer_set),
        feed.aggregation,
        json.dumps(feed.weights),
        feed.quorum,
        json.dumps(feed.metadata),
        list(feed.tags),
    )


def _feed(row: asyncpg.Record) -> StoredFeed:
    values: dict[str, Any] = dict(row.items())
    for name in ("price", "price_spread"):
        if values[name] is not None:
            values[name] = from_numeric(values[name], PLACES)
    for name in ("weights", "metadata"):
        values[name] = json.loads(values[name])
    for name in ("signer_set", "tags"):
        values[name] = tuple(values[name])
    return StoredFeed(**values)


def _update(row: asyncpg.Record) -> StoredUpdate:
    values: dict[str, Any] = dict(row.items())
    values["price"] = from_numeric(values["price"], PLACES)
    values["metadata"] = json.loads(values["metadata"])
    return StoredUpdate(**values)
