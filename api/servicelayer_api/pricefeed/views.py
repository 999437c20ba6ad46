"""What is kept, as it goes over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.pricefeed import rules
from servicelayer_api.pricefeed.models import (
    PERCENT_PLACES,
    LatestPrice,
    PriceFeed,
    PriceObservation,
    PriceRound,
    PriceSnapshot,
    WithheldPrice,
)
from servicelayer_api.pricefeed.rules import write_number

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.pricefeed.models import (
        Decision,
        FeedState,
        Observation,
        Round,
        Snapshot,
        StoredFeed,
    )


def feed(stored: StoredFeed, state: FeedState) -> PriceFeed:
    """A feed and its state."""
    return PriceFeed(
        id=stored.id,
        account_id=stored.account_id,
        base_asset=stored.base_asset,
        quote_asset=stored.quote_asset,
        pair=stored.pair,
        update_interval=stored.update_interval,
        deviation_percent=write_number(stored.deviation_percent, PERCENT_PLACES),
        heartbeat=stored.heartbeat,
        active=stored.active,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        status=state,
        round_id=stored.round_id,
        price=None if stored.price is None else write_number(stored.price),
        published_at=stored.price_at,
        expires_at=rules.expires_at(stored),
        min_sources=stored.min_sources,
        source_groups=stored.source_groups,
        failures=stored.failures,
        last_error=stored.last_error,
    )


def snapshot(stored: Snapshot) -> PriceSnapshot:
    """A published price."""
    return PriceSnapshot(
        id=str(stored.id),
        feed_id=str(stored.feed_id),
        price=write_number(stored.price),
        source=stored.source,
        collected_at=stored.collected_at,
        created_at=stored.created_at,
        published=True,
        round_id=stored.round_id,
        outcome="published",
        reason=stored.reason,
        sources=stored.sources,
        confidence=write_number(stored.spread),
    )


def withheld(feed_id: UUID, decision: Decision, round_id: int) -> WithheldPrice:
    """What is said of a price that published nothing."""
    return WithheldPrice(
        feed_id=feed_id,
        round_id=round_id,
        published=False,
        outcome=decision.outcome,
        sources=decision.sources,
        confidence=write_number(decision.spread),
    )


def price_round(stored: Round) -> PriceRound:
    """A round."""
    price, spread = stored.aggregated_price, stored.spread
    return PriceRound(
        feed_id=stored.feed_id,
        round_id=stored.round_id,
        observation_count=stored.observation_count,
        started_at=stored.started_at,
        finalized=stored.finalized,
        aggregated_price=None if price is None else write_number(price),
        confidence=None if spread is None else write_number(spread),
        sources=stored.sources,
        reason=stored.reason,
        closed_at=stored.closed_at,
    )


def observation(stored: Observation) -> PriceObservation:
    """A price of one source."""
    return PriceObservation(
        id=stored.id,
        feed_id=stored.feed_id,
        round_id=stored.round_id,
        source=stored.source,
        source_group=stored.source_group,
        price=write_number(stored.price),
        collected_at=stored.collected_at,
        created_at=stored.created_at,
    )


def latest(
    stored: StoredFeed, price: int, moments: tuple[datetime, datetime], state: FeedState
) -> LatestPrice:
    """The last published price; `moments` are when it was given and when it becomes stale."""
    return LatestPrice(
        feed_id=stored.id,
        pair=stored.pair,
        price=write_number(price),
        confidence=write_number(stored.price_spread),
        sources=stored.price_sources,
        round_id=stored.round_id,
        published_at=moments[0],
        expires_at=moments[1],
        status=state,
    )
