"""The signed record of an accepted round: how it is built, written and checked. Pure.

The record's bytes are JSON with sorted keys and no spaces, made of texts, integers, booleans and
lists only, so that every implementation writes the same. What is signed carries a label of its own;
no other signature of the product can pass for one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.datafeeds import rules
from servicelayer_api.datafeeds.models import (
    RECORD_KIND,
    Price,
    RecordSource,
    RoundRecord,
    StoredFeed,
    StoredUpdate,
)
from servicelayer_api.quotes import decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.datafeeds.models import Judgement

LABEL: Final = b"servicelayer/datafeeds/round/1\n"


def build_record(
    feed: StoredFeed,
    updates: Sequence[StoredUpdate],
    judgement: Judgement,
    *,
    quorum: int,
    accepted_at: datetime,
) -> RoundRecord:
    """Write down a round that is accepted.

    Args:
        feed: As it was before.
        updates: Its prices, judged in this order.
        judgement: What the rules made of them.
        quorum: That was met.
        accepted_at: When.
    """
    sources = [
        _source(feed, update, reason)
        for update, reason in zip(updates, judgement.reasons, strict=True)
    ]
    heartbeat = rules.heartbeat_of(feed)
    return RoundRecord(
        kind=RECORD_KIND,
        account_id=str(feed.account_id),
        feed_id=str(feed.id),
        pair=feed.pair,
        decimals=feed.decimals,
        heartbeat_seconds=feed.heartbeat_seconds,
        round_id=updates[0].round_id,
        method=feed.aggregation,
        quorum=quorum,
        signers=feed.signer_set,
        sources=tuple(sorted(sources, key=lambda source: source.signer)),
        price=decimals.write(judgement.price, feed.decimals),
        confidence=decimals.write(judgement.spread, feed.decimals),
        publish_time_min=rules.write_time(judgement.oldest),
        publish_time_max=rules.write_time(judgement.newest),
        accepted_at=rules.write_time(accepted_at),
        expires_at=rules.write_time(rules.expires_at(judgement.newest, heartbeat)),
        verified=all(source.scheme != "none" for source in sources if source.used),
        previous="" if feed.record_id is None else feed.record_id.hex(),
    )


def _source(feed: StoredFeed, update: StoredUpdate, reason: str) -> RecordSource:
    return RecordSource(
        signer=update.signer,
        price=decimals.write(rules.scale(update.price, feed.decimals), feed.decimals),
        timestamp=rules.write_time(update.submitted_for),
        scheme=update.scheme,
        public_key=update.public_key,
        salt=update.salt,
        signature=update.signature,
        weight=weight_of(feed, update.signer),
        used=not reason,
        reason=reason,
    )


def weight_of(feed: StoredFeed, signer: str) -> int:
    """The weight of a signer's price: 1 unless the feed's aggregation goes by weights."""
    return feed.weights[signer] if feed.aggregation == "weighted" else 1


def price_of(feed: StoredFeed, update: StoredUpdate) -> Price:
    """An update as the rules judge it."""
    return Price(
        value=rules.scale(update.price, feed.decimals),
        moment=update.submitted_for,
        weight=weight_of(feed, update.signer),
    )


def write_record(record: RoundRecord) -> bytes:
    """The record's bytes."""
    return msgspec.json.encode(record, order="sorted")


def record_id(written: bytes) -> bytes:
    """SHA-256 of the record's bytes."""
    return hashlib.sha256(written).digest()


def read_time(text: str) -> datetime:
    """Read a time that is written canonically.

    Raises:
        ValueError: It is written otherwise.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or rules.write_time(moment) != text:
        raise ValueError(f"{text!r} is no time in canonical form")
    return moment


def read_price(text: str, places: int) -> int:
    """Read a price that is written canonically; raises as `read_time`."""
    price = decimals.parse_plain(text, places)
    if decimals.write(price, places) != text:
        raise ValueError(f"{text!r} is no decimal in canonical form")
    return price


def heartbeat_of(record: RoundRecord) -> timedelta:
    """The feed's heartbeat at that time."""
    return timedelta(seconds=record.heartbeat_seconds)
