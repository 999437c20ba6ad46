"""Price feeds as they are kept and as they go over the wire.

Prices inside are integers of `10 ** -PLACES`; on the wire they are JSON numbers with all their
digits (`Raw`, written by `rules`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from servicelayer_api.wire import NEEDED

PLACES: Final = 36
PERCENT_PLACES: Final = 18

type Number = Annotated[
    Raw,
    Meta(description="A JSON number, all its digits kept", extra_json_schema={"type": "number"}),
]
type Moment = Annotated[datetime, Meta(tz=True)]
type Outcome = Literal["", "published", "waiting", "no_quorum"]
type Reason = Literal["", "first", "heartbeat", "deviation"]
type FeedState = Literal["fresh", "stale", "frozen", "no_quorum", "empty", "inactive"]
type Name = Annotated[str, Meta(max_length=64)]

_NAMES = {
    "id": "ID",
    "account_id": "AccountID",
    "feed_id": "FeedID",
    "base_asset": "BaseAsset",
    "quote_asset": "QuoteAsset",
    "pair": "Pair",
    "update_interval": "UpdateInterval",
    "deviation_percent": "DeviationPercent",
    "heartbeat": "Heartbeat",
    "active": "Active",
    "created_at": "CreatedAt",
    "updated_at": "UpdatedAt",
    "status": "Status",
    "min_sources": "MinSources",
    "source_groups": "SourceGroups",
    "price": "Price",
    "round_id": "RoundID",
    "published_at": "PublishedAt",
    "expires_at": "ExpiresAt",
    "failures": "Failures",
    "last_error": "LastError",
    "source": "Source",
    "source_group": "Group",
    "collected_at": "CollectedAt",
    "published": "Published",
    "outcome": "Outcome",
    "reason": "Reason",
    "sources": "Sources",
    "confidence": "Confidence",
    "aggregated_price": "AggregatedPrice",
    "observation_count": "ObservationCount",
    "started_at": "StartedAt",
    "closed_at": "ClosedAt",
    "finalized": "Finalized",
}


class NewFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to make a feed.

    `min_sources` and `source_groups` go beyond the contract: how many sources a round needs (by
    default over half of those that are fetched), and which sources belong together and count once.

    Attributes:
        base_asset: What is priced, such as `NEO`.
        quote_asset: In what, such as `USD`.
        update_interval: How often prices are fetched, such as `@every 1m`.
        heartbeat_interval: After how long a price is published though it did not change, such as
            `@every 10m`.
        deviation_percent: Change that publishes a price before the heartbeat; above 0.
        min_sources: How many sources a round needs.
        source_groups: Sources that belong together, each with the name of its group.
    """

    base_asset: Annotated[Name, NEEDED] = ""
    quote_asset: Annotated[Name, NEEDED] = ""
    update_interval: Name = ""
    heartbeat_interval: Name = ""
    deviation_percent: Annotated[Number | UnsetType, NEEDED] = UNSET
    min_sources: Annotated[int, Meta(ge=1, le=100)] | None = None
    source_groups: dict[str, str] = {}


class FeedChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to change a feed; what is left out stays as it is.

    Attributes:
        update_interval: How often prices are fetched, such as `@every 1m`.
        heartbeat_interval: After how long a price is published though it did not change, such as
            `@every 10m`.
        deviation_percent: Change that publishes a price before the heartbeat; above 0.
        active: Whether prices are fetched and taken.
        min_sources: How many sources a round needs; null for over half of those that are fetched.
        source_groups: Sources that belong together, each with the name of its group.
    """

    update_interval: Name | UnsetType = UNSET
    heartbeat_interval: Name | UnsetType = UNSET
    deviation_percent: Number | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    min_sources: Annotated[int, Meta(ge=1, le=100)] | UnsetType | None = UNSET
    source_groups: dict[str, str] | UnsetType = UNSET


class NewObservation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price that is submitted. `collected_at` is when its source gave it; now when left out.

    Attributes:
        price: Above 0.
        source: Name of who gave it; `manual` when left out.
        collected_at: When its source gave it; now when left out.
    """

    price: Annotated[Number | UnsetType, NEEDED] = UNSET
    source: Name = ""
    collected_at: Moment | None = None


class PriceFeed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_NAMES):
    """A feed.

    Attributes:
        id: UUID.
        account_id: The account.
        base_asset: What is priced.
        quote_asset: In what.
        pair: `BASE/QUOTE`.
        update_interval: How often prices are fetched.
        deviation_percent: Change that publishes a price before the heartbeat.
        heartbeat: Longest time between two published prices.
        active: Whether prices are fetched and taken.
        created_at: UTC.
        updated_at: UTC; of the configuration.
        status: fresh, stale, frozen, no_quorum, empty or inactive.
        round_id: The last published round; left out before the first.
        price: The last published price.
        published_at: When its sources gave it.
        expires_at: From then on it is stale.
        min_sources: Sources a round needs, when that was set.
        source_groups: Group of each source that was put in one.
        failures: Fetches that failed one after the other.
        last_error: Why the last of them did.
    """

    id: UUID
    account_id: UUID
    base_asset: str
    quote_asset: str
    pair: str
    update_interval: str
    deviation_percent: Number
    heartbeat: str
    active: bool
    created_at: datetime
    updated_at: datetime
    status: FeedState
    round_id: int = 0
    price: Number | None = None
    published_at: datetime | None = None
    expires_at: datetime | None = None
    min_sources: int | None = None
    source_groups: dict[str, str] = {}
    failures: int = 0
    last_error: str = ""


class PriceSnapshot(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """A published price.

    Attributes:
        id: UUID.
        feed_id: The feed.
        price: Of the round.
        source: That gave the last price of the round.
        collected_at: When it did, UTC.
        created_at: UTC.
        published: True.
        round_id: The round.
        outcome: published.
        reason: first, heartbeat or deviation.
        sources: Groups of sources that were counted.
        confidence: Median distance of the sources from the price.
    """

    id: str
    feed_id: str
    price: Number
    source: str
    collected_at: datetime
    created_at: datetime
    published: bool
    round_id: int
    outcome: Outcome
    reason: Reason
    sources: int
    confidence: Number


class WithheldPrice(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """The answer to a price that was taken and published nothing: its round stays open.

    Attributes:
        feed_id: The feed.
        round_id: The round that the price belongs to.
        published: False.
        outcome: waiting (neither heartbeat nor deviation call for a price) or no_quorum (they do,
            and too few sources gave one).
        sources: Groups of sources that were counted.
        confidence: Median distance of the sources from the price.
    """

    feed_id: UUID
    round_id: int
    published: bool
    outcome: Outcome
    sources: int
    confidence: Number


class LatestPrice(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """The last published price of a feed and what it is worth now.

    Attributes:
        feed_id: The feed.
        pair: `BASE/QUOTE`.
        price: The last published one.
        confidence: Median distance of its sources from it.
        sources: Groups of sources that were counted.
        round_id: Its round.
        published_at: When its sources gave it.
        expires_at: From then on it is stale.
        status: fresh, stale, frozen, no_quorum or inactive.
    """

    feed_id: UUID
    pair: str
    price: Number
    confidence: Number
    sources: int
    round_id: int
    published_at: datetime
    expires_at: datetime
    status: FeedState


class PriceRound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_NAMES):
    """A round: the prices between two that were published.

    Attributes:
        feed_id: The feed.
        round_id: Counts from 1.
        observation_count: Prices it holds.
        started_at: When the first came.
        finalized: Whether it is published.
        aggregated_price: The published price.
        confidence: Median distance of the sources from it.
        sources: Groups of sources that were counted.
        reason: first, heartbeat or deviation.
        closed_at: When it was published.
    """

    feed_id: UUID
    round_id: int
    observation_count: int
    started_at: datetime
    finalized: bool
    aggregated_price: Number | None = None
    confidence: Number | None = None
    sources: int = 0
    reason: Reason = ""
    closed_at: datetime | None = None


class PriceObservation(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """A price of one source.

    Attributes:
        id: UUID.
        feed_id: The feed.
        round_id: The round it came to.
        source: Who gave it.
        source_group: What it counts as.
        price: As given.
        collected_at: When the source gave it.
        created_at: When it came here.
    """

    id: UUID
    feed_id: UUID
    round_id: int
    source: str
    source_group: str
    price: Number
    collected_at: datetime
    created_at: datetime


class StoredFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's row, without what only the claiming of fetches needs."""

    id: UUID
    account_id: UUID
    tenant: str
    base_asset: str
    quote_asset: str
    pair: str
    update_interval: str
    update_every: timedelta
    heartbeat: str
    heartbeat_every: timedelta
    deviation_percent: int
    active: bool
    min_sources: int | None
    source_groups: dict[str, str]
    created_at: datetime
    updated_at: datetime
    round_id: int = 0
    price: int | None = None
    price_at: datetime | None = None
    price_sources: int = 0
    price_spread: int = 0
    equal_rounds: int = 0
    outcome: Outcome = ""
    failures: int = 0
    last_error: str = ""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A price of one source, as kept."""

    id: UUID
    feed_id: UUID
    round_id: int
    source: str
    source_group: str
    price: int
    collected_at: datetime
    created_at: datetime


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A published price, as kept."""

    id: UUID
    feed_id: UUID
    round_id: int
    price: int
    sources: int
    spread: int
    reason: Reason
    source: str
    collected_at: datetime
    created_at: datetime


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """A round, as kept."""

    feed_id: UUID
    round_id: int
    aggregated_price: int | None
    spread: int | None
    observation_count: int
    sources: int
    reason: Reason
    started_at: datetime
    closed_at: datetime | None
    finalized: bool


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules make of a round.

    Attributes:
        outcome: published, waiting or no_quorum.
        reason: What calls for a price; empty when nothing does.
        price: Median of the sources that count.
        spread: Their median distance from it.
        sources: How many groups that are.
        collected_at: Newest of them.
    """

    outcome: Outcome
    reason: Reason
    price: int
    spread: int
    sources: int
    collected_at: datetime


class Quotation(msgspec.Struct, frozen=True, kw_only=True):
    """What a fetch brought: the price, who gave it, and when they say they did."""

    source: str
    price: int
    published_at: datetime | None
    group: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to fetch for a feed once: `slot` is when it was due."""

    feed: StoredFeed
    slot: datetime
    fencing_token: int
