"""The decisions of data feeds. Pure: no clock, no I/O.

A round is accepted when as many signers as its quorum (over half of the set, at least) gave prices
that stand: not much older than the newest, and not contradicted by the majority. Its price is
computed from those in integers, so that anybody who has the record gets the same.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from servicelayer_api.datafeeds.errors import (
    AlreadySubmitted,
    RoundClosed,
    RoundOutOfOrder,
    ThresholdsNotMet,
)
from servicelayer_api.datafeeds.models import PLACES, Judgement, StoredFeed
from servicelayer_api.errors import FieldError, Invalid
from servicelayer_api.quotes import aggregation, decimals
from servicelayer_api.quotes.decimals import DecimalRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from servicelayer_api.datafeeds.models import DataFeedState, Price, StoredUpdate
    from servicelayer_api.quotes.aggregation import Method

FUTURE_TOLERANCE: Final = timedelta(seconds=5)
DEFAULT_HEARTBEAT: Final = 60
MAX_AHEAD: Final = 100_000

_MESSAGE: Final = "servicelayer/datafeeds/update/1"
_SHORTEST_MEMORY: Final = timedelta(minutes=1)
_SHORTEST_GRACE: Final = timedelta(seconds=5)
_GRACE_PARTS: Final = 5
_LONGEST_HEARTBEAT: Final = 366 * 86_400
_LARGEST_THRESHOLD: Final = 10**12
_LARGEST_WEIGHT: Final = 1_000_000
_MOST_TAGS: Final = 64
_MOST_METADATA: Final = 64
_MAX_ROUND_DIGITS: Final = 18
_LONGEST_PAIR: Final = 64
_LONGEST_TEXT: Final = 1024
_MILLENNIUM: Final = datetime(2000, 1, 1, tzinfo=UTC)


def message(feed_id: UUID | str, round_id: int, price: str, timestamp: str) -> str:
    """The text that a signer signs; ASCII.

    Args:
        feed_id: Of the feed.
        round_id: Of the round.
        price: As `decimals.write` writes it.
        timestamp: As `write_time` writes it.
    """
    return f"{_MESSAGE}|{feed_id}|{round_id}|{price}|{timestamp}"


def write_time(moment: datetime) -> str:
    """Write a time canonically: UTC, six digits of a second if there are any, `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def quorum(signers: int, wanted: int | None, least: int) -> int:
    """Signers a round needs.

    Args:
        signers: In the feed's set.
        wanted: By the feed's configuration.
        least: By the server's settings.

    Returns:
        Over half of them at least, all of them at most; 1 for a feed without signers.
    """
    if signers == 0:
        return 1
    return min(max(signers // 2 + 1, wanted or 0, least), signers)


def judge(method: Method, heartbeat: timedelta, prices: Sequence[Price]) -> Judgement:
    """Judge the prices of a round.

    Args:
        method: How they become one.
        heartbeat: Of the feed: a price that is older than the newest by more (and by more than a
            minute) is stale.
        prices: One or more; their order means nothing.
    """
    limit = max(price.moment for price in prices) - max(heartbeat, _SHORTEST_MEMORY)
    reasons = ["" if price.moment >= limit else "stale" for price in prices]
    fresh = [price.value for price, reason in zip(prices, reasons, strict=True) if not reason]
    astray = aggregation.outliers(fresh)
    for place, price in enumerate(prices):
        if not reasons[place] and price.value in astray:
            reasons[place] = "outlier"
    used = [price for price, reason in zip(prices, reasons, strict=True) if not reason]
    values = [price.value for price in used]
    return Judgement(
        reasons=tuple(reasons),
        used=len(used),
        price=aggregation.aggregate(method, values, [price.weight for price in used]),
        spread=aggregation.spread(values),
        oldest=min(price.moment for price in used),
        newest=max(price.moment for price in used),
    )


def expires_at(newest: datetime, heartbeat: timedelta) -> datetime:
    """When a price becomes stale: a fifth of the heartbeat after the next one should be there."""
    return newest + heartbeat + max(heartbeat / _GRACE_PARTS, _SHORTEST_GRACE)


def heartbeat_of(feed: StoredFeed) -> timedelta:
    """The feed's heartbeat."""
    return timedelta(seconds=feed.heartbeat_seconds)


def state(feed: StoredFeed, now: datetime) -> DataFeedState:
    """What the last accepted price is worth."""
    if feed.price_at is None:
        return "no_quorum" if feed.pending else "empty"
    if now < expires_at(feed.price_at, heartbeat_of(feed)):
        return "fresh"
    return "no_quorum" if feed.pending else "stale"


def check_round(feed: StoredFeed, round_id: int) -> None:
    """Let a round pass that can still be accepted.

    Raises:
        Invalid: It is not positive.
        RoundClosed: It is not above the last accepted one.
        RoundOutOfOrder: It is so far ahead that no signer could follow.
    """
    if round_id <= 0:
        raise Invalid(fields=[("round_id", "is required and must be positive")])
    if round_id <= feed.round_id:
        raise RoundClosed(f"round_id must be at least {feed.round_id + 1}")
    if round_id > feed.round_id + MAX_AHEAD:
        raise RoundOutOfOrder(f"round_id must be at most {feed.round_id + MAX_AHEAD}")


def check_price(text: str, places: int) -> int:
    """Read a price.

    Args:
        text: Decimal text.
        places: Digits behind the point that the feed takes.

    Returns:
        The count of `10 ** -PLACES`.

    Raises:
        Invalid: It is missing, no decimal, not positive, or has more digits.
    """
    try:
        price = decimals.parse_plain(text.strip(), places) if text.strip() else None
    except DecimalRefusedError as exc:
        raise Invalid(fields=[("price", str(exc))]) from exc
    if price is None:
        raise Invalid(fields=[("price", "is required")])
    if price <= 0:
        raise Invalid(fields=[("price", "must be positive")])
    return price * 10 ** (PLACES - places)


def check_time(moment: datetime, now: datetime) -> None:
    """Let a time pass that a price can be for.

    Raises:
        Invalid: It lies more than five seconds ahead, or before there were such prices.
    """
    if moment > now + FUTURE_TOLERANCE:
        raise Invalid(fields=[("timestamp", "lies in the future")])
    if moment < _MILLENNIUM:
        raise Invalid(fields=[("timestamp", "lies too far in the past")])


def check_order(last: StoredUpdate | None, round_id: int, moment: datetime) -> None:
    """Let an update pass that follows the signer's last one.

    Raises:
        AlreadySubmitted: The signer has submitted to this round.
        RoundOutOfOrder: The signer has submitted to a later round, or for a later time.
    """
    if last is None:
        return
    if last.round_id == round_id:
        raise AlreadySubmitted(f"the signer has submitted to round {round_id}")
    if last.round_id > round_id:
        raise RoundOutOfOrder(f"round_id must be at least {last.round_id + 1} for this signer")
    if moment < last.submitted_for:
        raise RoundOutOfOrder("timestamp is before that of the signer's last update")


def check_due(feed: StoredFeed, price: int, now: datetime) -> None:
    """Let a price open a round if heartbeat or deviation call for one.

    Both are measured from the last accepted round, the time by this server's clock.

    Raises:
        ThresholdsNotMet: They do not.
    """
    if feed.price is None or feed.accepted_at is None:
        return
    due = now - feed.accepted_at >= heartbeat_of(feed)
    if not due and not aggregation.moved(feed.price, price, feed.threshold_ppm):
        raise ThresholdsNotMet("neither heartbeat nor deviation call for a new round yet")


def read_round_number(text: str) -> int:
    """Read the number of a round; 0, which no round has, for anything else."""
    plain = text.isascii() and text.isdigit() and len(text) <= _MAX_ROUND_DIGITS
    return int(text) if plain else 0


def scale(price: int, places: int) -> int:
    """Turn a count of `10 ** -PLACES` into one of `10 ** -places`."""
    return price // 10 ** (PLACES - places)


def check_pair(text: str) -> tuple[str, list[FieldError]]:
    """Read the pair; say what is wrong with it."""
    pair = unicodedata.normalize("NFC", text).strip().upper()
    if not pair:
        return pair, [FieldError("pair", "is required")]
    if len(pair) > _LONGEST_PAIR:
        return pair, [FieldError("pair", f"must be at most {_LONGEST_PAIR} characters")]
    return pair, []


def check_numbers(places: int, heartbeat: int, threshold: int) -> list[FieldError]:
    """Say what is wrong with decimals, heartbeat (seconds) and threshold (millionths)."""
    faults: list[FieldError] = []
    if places <= 0:
        faults.append(FieldError("decimals", "is required and must be positive"))
    if places > PLACES:
        faults.append(FieldError("decimals", f"must be at most {PLACES}"))
    if heartbeat > _LONGEST_HEARTBEAT:
        faults.append(FieldError("heartbeat_seconds", f"must be at most {_LONGEST_HEARTBEAT}"))
    if threshold > _LARGEST_THRESHOLD:
        faults.append(FieldError("threshold_ppm", f"must be at most {_LARGEST_THRESHOLD}"))
    return faults


def check_weights(
    method: Method | None, signers: Sequence[str], weights: Mapping[str, int]
) -> list[FieldError]:
    """Say what is wrong with the weights of the signers."""
    if any(not 1 <= weight <= _LARGEST_WEIGHT for weight in weights.values()):
        return [FieldError("weights", f"must be whole numbers from 1 to {_LARGEST_WEIGHT}")]
    if set(weights) - set(signers):
        return [FieldError("weights", "name somebody who is not in signer_set")]
    if method == "weighted" and (not signers or set(signers) - set(weights)):
        return [FieldError("weights", "must give every signer a weight for this aggregation")]
    return []


def read_metadata(given: Mapping[str, str] | None) -> dict[str, str]:
    """Read metadata: keys trimmed and in lower case, values trimmed, empty keys dropped.

    Raises:
        Invalid: There is too much.
    """
    read = {key.strip().lower(): text.strip() for key, text in (given or {}).items()}
    read.pop("", None)
    if len(read) > _MOST_METADATA or any(
        len(key) > _LONGEST_TEXT or len(text) > _LONGEST_TEXT for key, text in read.items()
    ):
        raise Invalid(
            fields=[("metadata", f"must be {_MOST_METADATA} texts of {_LONGEST_TEXT} at most")]
        )
    return read


def read_tags(given: Sequence[str] | None) -> tuple[str, ...]:
    """Read tags: trimmed, in lower case, blanks and repetitions dropped.

    Raises:
        Invalid: There are too many.
    """
    tags = tuple(dict.fromkeys(tag.strip().lower() for tag in given or () if tag.strip()))
    if len(tags) > _MOST_TAGS:
        raise Invalid(fields=[("tags", f"must be at most {_MOST_TAGS}")])
    return tags
