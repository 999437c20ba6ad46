"""How a price is written down: the one place that adds to rounds and publishes.

Invariant: the feed's row is locked, so that two prices never open a round twice, and whatever a
price changes is in one transaction with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from servicelayer_api.ids import new_id
from servicelayer_api.pricefeed import rules, store
from servicelayer_api.pricefeed.errors import ObservationOutOfOrder
from servicelayer_api.pricefeed.models import Decision, Observation, Quotation, Snapshot, StoredFeed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from servicelayer_api.db import Connection


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What prices made of a feed: the feed, its round's state, and what was published if it was."""

    feed: StoredFeed
    decision: Decision
    snapshot: Snapshot | None


async def write_prices(
    connection: Connection,
    feed: StoredFeed,
    quotations: Sequence[Quotation],
    *,
    now: datetime,
    min_sources: int,
    slot: datetime | None = None,
) -> Written:
    """Add prices to the open round and publish it if that is called for.

    Args:
        connection: With the feed locked.
        feed: As it was locked.
        quotations: One or more; those without a time are of now.
        now: The time.
        min_sources: Groups it takes to publish, unless the feed says.
        slot: When the fetch that brought them was due.

    Raises:
        Invalid: A time that cannot be.
        ObservationOutOfOrder: None of them is newer than what the feed has.
    """
    last = await _add(connection, feed, quotations, now, slot)
    newest = await store.list_newest_by_group(connection, feed.id, feed.round_id + 1)
    decision = rules.decide(feed, newest, feed.min_sources or min_sources)
    if decision.outcome != "published":
        feed = replace(feed, outcome=decision.outcome)
        await store.update_published(connection, feed)
        return Written(feed=feed, decision=decision, snapshot=None)
    return await _publish(connection, feed, decision, last, now)


async def _add(
    connection: Connection,
    feed: StoredFeed,
    quotations: Sequence[Quotation],
    now: datetime,
    slot: datetime | None,
) -> Observation:
    """Add those prices to the open round that are in order; gives the last of them."""
    last: Observation | None = None
    stale: ObservationOutOfOrder | None = None
    for quotation in quotations:
        moment = quotation.published_at or now
        rules.check_moment(moment, now)
        before = await store.find_last_of_source(connection, feed.id, quotation.source)
        try:
            rules.check_order(feed, before, moment)
        except ObservationOutOfOrder as exc:
            stale = exc
            continue
        last = Observation(
            id=new_id(),
            feed_id=feed.id,
            round_id=feed.round_id + 1,
            source=quotation.source,
            source_group=rules.group_of(feed, quotation.source, quotation.group),
            price=quotation.price,
            collected_at=moment,
            created_at=now,
        )
        await store.insert_observation(connection, last, slot)
    if last is None:
        raise stale or ObservationOutOfOrder
    return last


async def _publish(
    connection: Connection,
    feed: StoredFeed,
    decision: Decision,
    last: Observation,
    now: datetime,
) -> Written:
    snapshot = Snapshot(
        id=new_id(),
        feed_id=feed.id,
        round_id=last.round_id,
        price=decision.price,
        sources=decision.sources,
        spread=decision.spread,
        reason=decision.reason,
        source=last.source,
        collected_at=decision.collected_at,
        created_at=now,
    )
    await store.insert_snapshot(connection, snapshot)
    await store.update_round_published(connection, snapshot)
    feed = replace(
        feed,
        round_id=last.round_id,
        equal_rounds=feed.equal_rounds + 1 if feed.price == decision.price else 0,
        price=decision.price,
        price_at=decision.collected_at,
        price_sources=decision.sources,
        price_spread=decision.spread,
        outcome="published",
    )
    await store.update_published(connection, feed)
    return Written(feed=feed, decision=decision, snapshot=snapshot)
