"""What is kept, as it goes over the wire."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from msgspec import Raw
from msgspec.structs import asdict

from servicelayer_api.datafeeds import rules
from servicelayer_api.datafeeds.models import (
    PLACES,
    DataFeed,
    DataFeedUpdate,
    LatestRound,
    SignedRound,
)
from servicelayer_api.quotes import decimals

if TYPE_CHECKING:
    from datetime import datetime

    from servicelayer_api.datafeeds.models import (
        DataFeedState,
        StoredFeed,
        StoredRound,
        StoredUpdate,
    )

_NANOSECONDS: Final = 1_000_000_000


def feed(stored: StoredFeed, quorum: int, now: datetime) -> DataFeed:
    """A feed and its state."""
    at, heartbeat = stored.price_at, rules.heartbeat_of(stored)
    return DataFeed(
        id=stored.id,
        account_id=stored.account_id,
        pair=stored.pair,
        description=stored.description,
        decimals=stored.decimals,
        heartbeat=stored.heartbeat_seconds * _NANOSECONDS,
        threshold_ppm=stored.threshold_ppm,
        signer_set=stored.signer_set,
        threshold=0,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        quorum=quorum,
        state=rules.state(stored, now),
        aggregation=stored.aggregation,
        metadata=stored.metadata,
        tags=stored.tags,
        weights=stored.weights,
        round_id=stored.round_id,
        price="" if stored.price is None else decimals.write(stored.price, PLACES),
        published_at=at,
        expires_at=None if at is None else rules.expires_at(at, heartbeat),
    )


def update(stored: StoredUpdate) -> DataFeedUpdate:
    """An update."""
    return DataFeedUpdate(
        id=stored.id,
        account_id=stored.account_id,
        feed_id=stored.feed_id,
        round_id=stored.round_id,
        price=decimals.write(stored.price, PLACES),
        signer=stored.signer,
        timestamp=stored.submitted_for,
        signature=stored.signature,
        status=stored.status,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        verified=stored.scheme != "none",
        error=stored.error,
        metadata=stored.metadata,
    )


def latest(
    stored: StoredFeed, closing: StoredUpdate, published_at: datetime, state: DataFeedState
) -> LatestRound:
    """The last accepted round of a feed that has one, by the update that closed it."""
    return LatestRound(
        **asdict(update(closing)),
        aggregated_price=decimals.write(stored.price or 0, PLACES),
        confidence=decimals.write(stored.price_spread, PLACES),
        sources=stored.price_sources,
        published_at=published_at,
        expires_at=rules.expires_at(published_at, rules.heartbeat_of(stored)),
        state=state,
        record_id=(stored.record_id or b"").hex(),
    )


def signed_round(stored: StoredRound) -> SignedRound:
    """An accepted round, its bytes as they were signed."""
    return SignedRound(
        record=Raw(stored.record),
        id=stored.record_id.hex(),
        public_key=base64.b64encode(stored.public_key).decode(),
        signature=base64.b64encode(stored.signature).decode(),
    )
