"""How an update is written down, and how its round is accepted once the quorum is met.

Invariant: the feed's row is locked, so that a round is accepted once; the record, the updates'
verdicts and the feed's last price are written in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from servicelayer_api.datafeeds import record as records
from servicelayer_api.datafeeds import rules, store
from servicelayer_api.datafeeds.models import PLACES, StoredFeed, StoredRound, StoredUpdate
from servicelayer_api.quotes import decimals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from servicelayer_api.crypto.signing import SigningKey
    from servicelayer_api.datafeeds.models import Judgement
    from servicelayer_api.db import Connection


async def write_update(
    connection: Connection,
    feed: StoredFeed,
    update: StoredUpdate,
    *,
    quorum: int,
    key: SigningKey,
    now: datetime,
) -> tuple[StoredFeed, StoredUpdate, Judgement]:
    """Add an update to its round, and accept the round if it has its quorum.

    Args:
        connection: With the feed locked.
        feed: As it was locked.
        update: Checked, not yet stored.
        quorum: That the round needs.
        key: That signs the record.
        now: The time.

    Returns:
        The feed and the update as they are then, and what the rules make of the round.
    """
    before = await store.list_pending(connection, feed.id, update.round_id)
    # Whoever was taken out of the set since has no say any more.
    counted = [each for each in before if not feed.signer_set or each.signer in feed.signer_set]
    counted.append(update)
    prices = [records.price_of(feed, each) for each in counted]
    judgement = rules.judge(feed.aggregation, rules.heartbeat_of(feed), prices)
    met = judgement.used >= quorum
    known = {
        "aggregation": feed.aggregation,
        "signer_count": str(len(counted)),
        "quorum": str(quorum),
        "quorum_met": str(met).lower(),
    }
    if not met:
        update = replace(update, metadata={**update.metadata, **known})
        await store.insert_update(connection, update)
        return replace(feed, pending=True), update, judgement
    known["aggregated_price"] = decimals.write(judgement.price, feed.decimals)
    verdicts = _judged(counted, judgement, known, now)
    update = verdicts[-1]
    await store.insert_update(connection, update)
    await store.update_judged(connection, verdicts[:-1])
    record = records.build_record(feed, counted, judgement, quorum=quorum, accepted_at=now)
    feed = await _accept(connection, feed, update, judgement, records.write_record(record), key)
    error = f"superseded: round {update.round_id} was accepted without it"
    await store.update_superseded(connection, feed.id, update.round_id, error, now)
    return feed, update, judgement


def _judged(
    counted: Sequence[StoredUpdate], judgement: Judgement, known: Mapping[str, str], now: datetime
) -> list[StoredUpdate]:
    """The updates of an accepted round, each with its verdict and what is known of the round."""
    return [
        replace(
            each,
            status="rejected" if reason else "accepted",
            error=reason,
            metadata={**each.metadata, **known},
            updated_at=now,
        )
        for each, reason in zip(counted, judgement.reasons, strict=True)
    ]


async def _accept(
    connection: Connection,
    feed: StoredFeed,
    closing: StoredUpdate,
    judgement: Judgement,
    written: bytes,
    key: SigningKey,
) -> StoredFeed:
    accepted = StoredRound(
        feed_id=feed.id,
        round_id=closing.round_id,
        record_id=records.record_id(written),
        record=written,
        public_key=key.public,
        signature=key.sign(records.LABEL + written),
        closed_by=closing.id,
        accepted_at=closing.updated_at,
    )
    await store.insert_round(connection, accepted)
    factor = 10 ** (PLACES - feed.decimals)
    feed = replace(
        feed,
        round_id=closing.round_id,
        price=judgement.price * factor,
        price_spread=judgement.spread * factor,
        price_sources=judgement.used,
        price_at=judgement.newest,
        accepted_at=closing.updated_at,
        record_id=accepted.record_id,
        pending=False,
    )
    await store.update_accepted(connection, feed)
    return feed
