"""Data feeds as they are kept and as they go over the wire.

Prices are kept as integers of `10 ** -PLACES` (in the database NUMERIC) and judged as integers of
`10 ** -decimals` of their feed; on the wire they are decimal text.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Raw

from servicelayer_api.quotes.aggregation import Method
from servicelayer_api.wire import NEEDED

PLACES: Final = 18
RECORD_KIND: Final = "servicelayer.datafeeds.round/1"

type Moment = Annotated[datetime, Meta(tz=True)]
type Scheme = Literal["none", "secp256r1", "ed25519"]
type UpdateStatus = Literal["pending", "accepted", "rejected"]
type DataFeedState = Literal["fresh", "stale", "no_quorum", "empty"]
type Text = Annotated[str, Meta(max_length=512)]
type LongText = Annotated[str, Meta(max_length=4096)]


class FeedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to make a feed or to replace its configuration.

    `weights` and `quorum` go beyond the contract: the weight of each signer for the aggregation
    `weighted`, and how many signers a round needs when that is more than over half of them.

    Attributes:
        pair: Such as `neo/usd`.
        description: Free text.
        decimals: Digits behind the point that prices may have, 1 to 18.
        heartbeat_seconds: Age from which a price is stale and a new round is due; 0 is 60.
        threshold_ppm: Change in millionths from which a new round is due before that; 0 for any.
        signer_set: Who may submit: wallets, secp256r1 keys, `ed25519:` keys.
        aggregation: How the prices of a round become one: `median`, `mean`, `min`, `max`,
            `trimmed` or `weighted`.
        metadata: Texts of your own.
        tags: Words to find it by.
        weights: Weight of each signer for the aggregation `weighted`.
        quorum: How many signers a round needs, if more than over half of them.
    """

    pair: Annotated[Text, NEEDED] = ""
    description: LongText = ""
    decimals: Annotated[int, NEEDED] = 0
    heartbeat_seconds: int = 0
    threshold_ppm: int = 0
    signer_set: list[Text] | None = None
    aggregation: Text = ""
    metadata: dict[str, str] | None = None
    tags: list[Text] | None = None
    weights: dict[str, int] | None = None
    quorum: Annotated[int, Meta(ge=1, le=100)] | None = None


class UpdateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price of a signer for a round.

    `pubkey` (hex) is needed when the signer is a wallet; `salt` when its wallet signs messages with
    one (version 1 of the wallets' format).

    Attributes:
        round_id: Number of the round, above the last accepted one.
        price: Decimal text, such as `12.5`.
        signer: Who submits it, as in the feed's `signer_set`.
        timestamp: When the price was valid; required where updates are signed.
        signature: 64 bytes in hex or base64 over the text of the update.
        pubkey: Public key in hex; needed when the signer is a wallet.
        salt: 32 hex digits, when the wallet signs with one.
        metadata: Texts of the signer's own.
    """

    round_id: Annotated[int, NEEDED] = 0
    price: Annotated[Text, NEEDED] = ""
    signer: Text = ""
    timestamp: Moment | None = None
    signature: Text = ""
    pubkey: Text = ""
    salt: Text = ""
    metadata: dict[str, str] | None = None


class DataFeed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A feed.

    Attributes:
        id: UUID.
        account_id: The account.
        pair: In capitals.
        description: Text.
        decimals: Digits behind the point that prices may have.
        heartbeat: Nanoseconds after which a new round is taken whatever the price.
        threshold_ppm: Change in millionths that a round needs before that.
        signer_set: Who may submit: wallets as script hash, public keys; everybody when empty.
        threshold: Always 0.
        created_at: UTC.
        updated_at: UTC.
        quorum: Signers a round needs.
        state: fresh, stale, no_quorum (prices were submitted, and too few) or empty.
        aggregation: median, mean, min, max, trimmed or weighted.
        metadata: Text to text.
        tags: Lower case.
        weights: Weight of each signer.
        round_id: The last accepted round.
        price: Its price.
        published_at: Newest time its sources named.
        expires_at: From then on it is stale.
    """

    id: UUID
    account_id: UUID
    pair: str
    description: str
    decimals: int
    heartbeat: int
    threshold_ppm: int
    signer_set: tuple[str, ...]
    threshold: int
    created_at: datetime
    updated_at: datetime
    quorum: int
    state: DataFeedState
    aggregation: Method | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    weights: dict[str, int] = {}
    round_id: int = 0
    price: str = ""
    published_at: datetime | None = None
    expires_at: datetime | None = None


class DataFeedUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A price of a signer for a round.

    Attributes:
        id: UUID.
        account_id: The account.
        feed_id: The feed.
        round_id: The round.
        price: As submitted, without needless zeros.
        signer: Who; empty on a feed without signers.
        timestamp: The time it is for.
        signature: As submitted.
        status: pending until its round is accepted, then accepted or rejected.
        created_at: UTC.
        updated_at: UTC.
        verified: Whether the signature was verified.
        error: Why it was rejected.
        metadata: As submitted, and what became of the round.
    """

    id: UUID
    account_id: UUID
    feed_id: UUID
    round_id: int
    price: str
    signer: str
    timestamp: datetime
    signature: str
    status: UpdateStatus
    created_at: datetime
    updated_at: datetime
    verified: bool
    error: str = ""
    metadata: dict[str, str] = {}


class LatestRound(DataFeedUpdate, frozen=True, kw_only=True, omit_defaults=True):
    """The update that closed the last accepted round, and what the round came to.

    Attributes:
        aggregated_price: The price of the round; `price` is that of the update alone.
        confidence: Median distance of its sources from it.
        sources: How many were used.
        published_at: Newest time they named.
        expires_at: From then on it is stale.
        state: fresh, stale or no_quorum.
        record_id: SHA-256 of the round's signed record, in hex.
    """

    aggregated_price: str
    confidence: str
    sources: int
    published_at: datetime
    expires_at: datetime
    state: DataFeedState
    record_id: str


class RecordSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price in a record, with what proves it and what was made of it.

    Attributes:
        signer: Who.
        price: Decimal text.
        timestamp: The time it is for.
        scheme: How it is signed; none when no signature was verified.
        public_key: Hex; empty when there is none.
        salt: That the wallet put before the message; empty when none.
        signature: Hex of 64 bytes; what was sent, when it was not verified.
        weight: For the aggregation `weighted`; else 1.
        used: Whether it counts.
        reason: Why not: outlier or stale.
    """

    signer: str
    price: str
    timestamp: str
    scheme: Scheme
    public_key: str
    salt: str
    signature: str
    weight: int
    used: bool
    reason: str


class RoundRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accepted round: all that its price follows from.

    Attributes:
        kind: Of the record, with its version; it fixes the rules.
        account_id: The account.
        feed_id: The feed.
        pair: Of the feed.
        decimals: Digits behind the point that are computed with.
        heartbeat_seconds: Of the feed.
        round_id: The round.
        method: How the price was made.
        quorum: Signers it takes.
        signers: Who could submit.
        sources: Who did.
        price: The result, decimal text.
        confidence: Median distance of the used prices from it.
        publish_time_min: Oldest time of a used price.
        publish_time_max: Newest.
        accepted_at: When the quorum was met.
        expires_at: From then on the price is stale.
        verified: Whether the signature of every used price was verified.
        previous: SHA-256 of the record of the feed's accepted round before; empty for the first.
    """

    kind: str
    account_id: str
    feed_id: str
    pair: str
    decimals: int
    heartbeat_seconds: int
    round_id: int
    method: Method
    quorum: int
    signers: tuple[str, ...]
    sources: tuple[RecordSource, ...]
    price: str
    confidence: str
    publish_time_min: str
    publish_time_max: str
    accepted_at: str
    expires_at: str
    verified: bool
    previous: str


class SignedRound(msgspec.Struct, frozen=True, kw_only=True):
    """A record with its signature: a file that `servicelayer-api verify round` checks.

    Attributes:
        record: What is signed.
        id: SHA-256 of the record's bytes (JSON, keys sorted, no spaces), in hex.
        public_key: Ed25519, base64.
        signature: Of `servicelayer/datafeeds/round/1`, a line feed, and the record's bytes; base64.
    """

    record: Annotated[Raw, Meta(extra_json_schema={"type": "object", "additionalProperties": True})]
    id: str
    public_key: str
    signature: str


class RoundKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that signs records now.

    Attributes:
        algorithm: Ed25519.
        public_key: 32 bytes, base64.
        previous: Keys that signed before, as far as the server still knows them.
    """

    algorithm: str
    public_key: str
    previous: list[str]


class StoredFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's row; `pending` tells whether prices wait beyond the last accepted round."""

    id: UUID
    account_id: UUID
    tenant: str
    pair: str
    description: str
    decimals: int
    heartbeat_seconds: int
    threshold_ppm: int
    signer_set: tuple[str, ...]
    aggregation: Method
    weights: dict[str, int]
    quorum: int | None
    metadata: dict[str, str]
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    round_id: int = 0
    price: int | None = None
    price_spread: int = 0
    price_sources: int = 0
    price_at: datetime | None = None
    accepted_at: datetime | None = None
    record_id: bytes | None = None
    pending: bool = False


class StoredUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """An update's row; the price counts `10 ** -PLACES`."""

    id: UUID
    account_id: UUID
    feed_id: UUID
    round_id: int
    price: int
    signer: str
    submitted_for: datetime
    signature: str
    public_key: str
    salt: str
    scheme: Scheme
    status: UpdateStatus
    error: str
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime


class StoredRound(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted round's row."""

    feed_id: UUID
    round_id: int
    record_id: bytes
    record: bytes
    public_key: bytes
    signature: bytes
    closed_by: UUID
    accepted_at: datetime


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A price as the rules judge it: an integer, the time it is for, its weight."""

    value: int
    moment: datetime
    weight: int = 1


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules make of the prices of a round.

    Attributes:
        reasons: For each price why it does not count; empty when it does.
        used: How many count.
        price: Of those.
        spread: Median distance of those from it.
        oldest: Time of the oldest of those.
        newest: Time of the newest.
    """

    reasons: tuple[str, ...]
    used: int
    price: int
    spread: int
    oldest: datetime
    newest: datetime
