"""The decisions of price feeds. Pure: no clock, no I/O.

A round is open until a price is called for: by being the first, by the heartbeat, or by a change of
at least the deviation. Its price is the median of the newest price of each group of sources, those
left out that are much older than the newest. A group counts once, however many sources it has.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, UnsetType

from servicelayer_api.clock import OUTSIDE_UTC, in_utc
from servicelayer_api.errors import Invalid
from servicelayer_api.pricefeed.errors import ObservationOutOfOrder
from servicelayer_api.pricefeed.models import PERCENT_PLACES, PLACES, Decision, Quotation
from servicelayer_api.quotes import aggregation, decimals
from servicelayer_api.quotes.decimals import DecimalRefusedError
from servicelayer_api.quotes.intervals import IntervalRefusedError, parse_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from servicelayer_api.pricefeed.models import FeedState, Observation, Reason, StoredFeed

DEFAULT_UPDATE: Final = "@every 1m"
DEFAULT_HEARTBEAT: Final = "@every 10m"
DEFAULT_SOURCE: Final = "manual"
FUTURE_TOLERANCE: Final = timedelta(seconds=5)

_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(days=366)
_LARGEST_DEVIATION: Final = 1_000_000 * 10**PERCENT_PLACES
_HUNDRED_PERCENT: Final = 100 * 10**PERCENT_PLACES
# A source that has missed this many updates has no say in the round any more.
_MISSED_UPDATES: Final = 3
_SHORTEST_MEMORY: Final = timedelta(minutes=1)
_LATE_UPDATES: Final = 2
_MOST_GROUPS: Final = 100
_LONGEST_NAME: Final = 64
_LONGEST_ASSET: Final = 32
_LAST_SECOND: Final = 2**32
_MILLENNIUM: Final = datetime(2000, 1, 1, tzinfo=UTC)


class AnswerRefusedError(ValueError):
    """What a source of prices answered cannot be used; the message says why."""


def check_asset(name: str, text: str, faults: list[tuple[str, str]]) -> str:
    """Read the name of an asset; note what is wrong with it."""
    asset = unicodedata.normalize("NFC", text).strip().upper()
    if not asset:
        faults.append((name, "is required"))
    elif len(asset) > _LONGEST_ASSET or "/" in asset or not asset.isprintable():
        faults.append((name, f"must be at most {_LONGEST_ASSET} characters without a slash"))
    return asset


def check_interval(name: str, text: str, faults: list[tuple[str, str]]) -> timedelta:
    """Read an interval; note what is wrong with it."""
    try:
        return parse_interval(text, _SHORTEST, _LONGEST)
    except IntervalRefusedError as exc:
        faults.append((name, str(exc)))
        return _SHORTEST


def check_deviation(raw: Raw | UnsetType, faults: list[tuple[str, str]]) -> int:
    """Read the deviation in percent; note what is wrong with it."""
    if isinstance(raw, UnsetType):
        faults.append(("deviation_percent", "is required"))
        return 0
    try:
        value = read_number(raw, PERCENT_PLACES)
    except DecimalRefusedError as exc:
        faults.append(("deviation_percent", str(exc)))
        return 0
    if not 0 < value <= _LARGEST_DEVIATION:
        faults.append(("deviation_percent", "must be positive and at most 1000000"))
    return value


def check_groups(groups: Mapping[str, str], faults: list[tuple[str, str]]) -> dict[str, str]:
    """Read which sources belong together; note what is wrong with it."""
    read = {source.strip(): group.strip() for source, group in groups.items()}
    names = [*read, *read.values()]
    if len(groups) > _MOST_GROUPS or any(not n or len(n) > _LONGEST_NAME for n in names):
        faults.append(
            (
                "source_groups",
                f"must be at most {_MOST_GROUPS} names of 1 to {_LONGEST_NAME} characters",
            )
        )
    return read


def check_price(raw: Raw | UnsetType) -> int:
    """Read a submitted price.

    Raises:
        Invalid: It is missing, no number, not positive, or has more digits than are kept.
    """
    if isinstance(raw, UnsetType):
        raise Invalid(fields=[("price", "is required")])
    try:
        value = read_number(raw, PLACES)
    except DecimalRefusedError as exc:
        raise Invalid(fields=[("price", str(exc))]) from exc
    if value <= 0:
        raise Invalid(fields=[("price", "must be positive")])
    return value


def read_number(raw: Raw, places: int) -> int:
    """Read a JSON number exactly.

    Raises:
        DecimalRefusedError: It is another JSON value, or has more digits than are kept.
    """
    return decimals.parse_number(bytes(raw).decode().strip(), places)


def write_number(value: int, places: int = PLACES) -> Raw:
    """Write a JSON number with all its digits."""
    return Raw(decimals.write(value, places).encode())


def check_moment(moment: datetime, now: datetime) -> None:
    """Let a time pass that a source can have given a price at.

    Raises:
        Invalid: It lies more than five seconds ahead, or before prices were collected at all.
    """
    if moment > now + FUTURE_TOLERANCE:
        raise Invalid(fields=[("collected_at", "lies in the future")])
    if moment < _MILLENNIUM:
        raise Invalid(fields=[("collected_at", "lies too far in the past")])


def check_order(feed: StoredFeed, last_of_source: datetime | None, moment: datetime) -> None:
    """Let a price pass that is newer than what the feed has.

    Raises:
        ObservationOutOfOrder: It is not newer than the last of its source, or older than the last
            published price.
    """
    if last_of_source is not None and moment <= last_of_source:
        raise ObservationOutOfOrder("collected_at is not after the last price of this source")
    if feed.price_at is not None and moment < feed.price_at:
        raise ObservationOutOfOrder("collected_at is before the last published price")


def group_of(feed: StoredFeed, source: str, given: str = "") -> str:
    """What a source counts as: its configured group, the one it names, or itself."""
    return feed.source_groups.get(source) or given or source


def default_quorum(sources: int) -> int:
    """Over half of the sources that are fetched; one when there is one or none."""
    return sources // 2 + 1 if sources > 1 else 1


def decide(feed: StoredFeed, observations: Sequence[Observation], min_sources: int) -> Decision:
    """Judge the open round.

    Args:
        feed: With its last published price.
        observations: Of the open round; one or more.
        min_sources: Groups it takes to publish.
    """
    live = _live(observations, max(_MISSED_UPDATES * feed.update_every, _SHORTEST_MEMORY))
    values = [each.price for each in live]
    price = aggregation.median(values)
    newest = max(each.collected_at for each in live)
    reason = _reason(feed, price, newest)
    enough = len(live) >= min_sources
    return Decision(
        outcome="waiting" if not reason else "published" if enough else "no_quorum",
        reason=reason,
        price=price,
        spread=aggregation.spread(values),
        sources=len(live),
        collected_at=newest,
    )


def _live(observations: Iterable[Observation], memory: timedelta) -> list[Observation]:
    """The newest of each group, those left out that are too old beside the others."""
    newest: dict[str, Observation] = {}
    for each in observations:
        before = newest.get(each.source_group)
        if before is None or _rank(each) > _rank(before):
            newest[each.source_group] = each
    limit = max(each.collected_at for each in newest.values()) - memory
    return [each for each in newest.values() if each.collected_at >= limit]


def _rank(observation: Observation) -> tuple[datetime, datetime, bytes]:
    return observation.collected_at, observation.created_at, observation.id.bytes


def _reason(feed: StoredFeed, price: int, moment: datetime) -> Reason:
    if feed.price is None or feed.price_at is None:
        return "first"
    if moment - feed.price_at >= feed.heartbeat_every:
        return "heartbeat"
    change = abs(price - feed.price) * _HUNDRED_PERCENT
    return "deviation" if change >= feed.price * feed.deviation_percent else ""


def expires_at(feed: StoredFeed) -> datetime | None:
    """When the published price becomes stale: by then the heartbeat has brought another one."""
    if feed.price_at is None:
        return None
    return feed.price_at + feed.heartbeat_every + _LATE_UPDATES * feed.update_every


def state(feed: StoredFeed, now: datetime, frozen_rounds: int) -> FeedState:
    """What the published price is worth.

    Args:
        feed: The feed.
        now: The time.
        frozen_rounds: Published rounds without any change that make a feed frozen; 0 for never.
    """
    expires = expires_at(feed)
    found: FeedState = "fresh"
    if not feed.active:
        found = "inactive"
    elif feed.outcome == "no_quorum":
        found = "no_quorum"
    elif expires is None:
        found = "empty"
    elif now >= expires:
        found = "stale"
    elif frozen_rounds and feed.equal_rounds >= frozen_rounds:
        found = "frozen"
    return found


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a source of prices answers; what else it says is ignored."""

    price: Raw
    source: str = ""
    group: str = ""
    published_at: datetime | int | None = None
    base: str = ""
    quote: str = ""


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes, host: str, base: str, quote: str) -> Quotation:
    """Read what a source of prices answered.

    Args:
        body: As it came.
        host: Name of the source when it does not give one.
        base: The asset that was asked for.
        quote: In what.

    Raises:
        AnswerRefusedError: It cannot be used.
    """
    try:
        answer = _ANSWER.decode(body)
        price = read_number(answer.price, PLACES)
    except DecimalRefusedError as exc:
        raise AnswerRefusedError(f"the price {exc}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise AnswerRefusedError("the answer is not the JSON it should be") from exc
    if price <= 0:
        raise AnswerRefusedError("the price must be positive")
    for asked, said in ((base, answer.base), (quote, answer.quote)):
        if said and unicodedata.normalize("NFC", said).strip().upper() != asked:
            raise AnswerRefusedError("the answer is about another pair")
    source = answer.source.strip()[:_LONGEST_NAME] or host[:_LONGEST_NAME]
    group = answer.group.strip()[:_LONGEST_NAME]
    if not (source + group).isprintable():
        raise AnswerRefusedError("the name of the source cannot be kept")
    moment = _moment(answer.published_at)
    return Quotation(source=source, group=group, price=price, published_at=moment)


def _moment(given: datetime | int | None) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, int):
        if not 0 <= given <= _LAST_SECOND:
            raise AnswerRefusedError("published_at is no time in seconds")
        return datetime.fromtimestamp(given, UTC)
    if given.tzinfo is None:
        raise AnswerRefusedError("published_at has no time zone")
    moment = in_utc(given)
    if moment is None:
        raise AnswerRefusedError(f"published_at {OUTSIDE_UTC}")
    return moment
