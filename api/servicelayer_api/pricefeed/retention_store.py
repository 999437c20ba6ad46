"""The SQL that deletes observations of prices which are past their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servicelayer_api.db import Connection


async def delete_observations(connection: Connection, days: int, most: int) -> int:
    """Delete prices that are past their time and that nothing depends on; gives how many.

    The last published round stays whole, and so does the newest price of each source, which says
    what is out of order. Of the open round, which may wait long for its quorum, the newest price of
    a source in each group stays.
    """
    rows = await connection.fetch(
        "DELETE FROM price_observations WHERE id IN ("
        "  SELECT o.id FROM price_observations o JOIN price_feeds f ON f.id = o.feed_id"
        "  WHERE o.created_at < clock_timestamp() - make_interval(days => $1)"
        "  AND o.round_id <> f.round_id"
        "  AND EXISTS (SELECT FROM price_observations n WHERE n.feed_id = o.feed_id"
        "    AND n.source = o.source AND n.collected_at > o.collected_at"
        "    AND (o.round_id < f.round_id"
        "      OR (n.round_id = o.round_id AND n.source_group = o.source_group)))"
        "  ORDER BY o.created_at LIMIT $2 FOR UPDATE OF o SKIP LOCKED) RETURNING 1",
        days,
        most,
    )
    return len(rows)
