from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw
from msgspec.structs import replace

from servicelayer_api.errors import Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.pricefeed import rules
from servicelayer_api.pricefeed.errors import ObservationOutOfOrder
from servicelayer_api.pricefeed.models import PERCENT_PLACES, PLACES, Observation, StoredFeed
from servicelayer_api.pricefeed.rules import AnswerRefusedError
from support.hostile_json import json_values

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
UNIT = 10**PLACES


def a_feed(**changes: Any) -> StoredFeed:
    feed = StoredFeed(
        id=new_id(),
        account_id=new_id(),
        tenant="t",
        base_asset="NEO",
        quote_asset="USD",
        pair="NEO/USD",
        update_interval="@every 1m",
        update_every=MINUTE,
        heartbeat="@every 10m",
        heartbeat_every=10 * MINUTE,
        deviation_percent=2 * 10**PERCENT_PLACES,
        active=True,
        min_sources=None,
        source_groups={},
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(feed, **changes)


def published(price: int, at: datetime = NOW, **changes: Any) -> StoredFeed:
    return a_feed(round_id=1, price=price * UNIT, price_at=at, outcome="published", **changes)


def prices(*given_prices: tuple[str, int, timedelta]) -> Sequence[Observation]:
    return [
        Observation(
            id=new_id(),
            feed_id=new_id(),
            round_id=1,
            source=source,
            source_group=source,
            price=price * UNIT,
            collected_at=NOW + after,
            created_at=NOW + after,
        )
        for source, price, after in given_prices
    ]


def test_the_first_price_is_published() -> None:
    decision = rules.decide(a_feed(), prices(("a", 10, MINUTE)), 1)
    assert (decision.outcome, decision.reason, decision.price) == ("published", "first", 10 * UNIT)


def test_a_change_below_the_deviation_waits() -> None:
    decision = rules.decide(published(1000), prices(("a", 1019, MINUTE)), 1)
    assert (decision.outcome, decision.reason) == ("waiting", "")


@pytest.mark.parametrize("price", [1020, 980])
def test_a_change_of_exactly_the_deviation_publishes(price: int) -> None:
    decision = rules.decide(published(1000), prices(("a", price, MINUTE)), 1)
    assert (decision.outcome, decision.reason) == ("published", "deviation")


def test_the_heartbeat_publishes_an_unchanged_price() -> None:
    assert rules.decide(published(10), prices(("a", 10, 10 * MINUTE)), 1).reason == "heartbeat"
    earlier = 10 * MINUTE - timedelta(microseconds=1)
    assert rules.decide(published(10), prices(("a", 10, earlier)), 1).outcome == "waiting"


def test_too_few_sources_are_no_quorum_only_when_a_price_is_called_for() -> None:
    assert rules.decide(published(10), prices(("a", 20, MINUTE)), 2).outcome == "no_quorum"
    assert rules.decide(published(10), prices(("a", 10, MINUTE)), 2).outcome == "waiting"


def test_sources_of_one_group_count_once_with_their_newest_price() -> None:
    same = [
        replace(each, source_group="upstream")
        for each in prices(("a", 100, MINUTE), ("b", 200, 2 * MINUTE), ("c", 300, 3 * MINUTE))
    ]
    decision = rules.decide(a_feed(), same, 2)
    assert (decision.outcome, decision.sources, decision.price) == ("no_quorum", 1, 300 * UNIT)


def test_a_source_that_fell_silent_has_no_say_any_more() -> None:
    mixed = prices(("silent", 1, MINUTE), ("a", 100, 5 * MINUTE), ("b", 102, 5 * MINUTE))
    decision = rules.decide(a_feed(), mixed, 2)
    assert (decision.sources, decision.price, decision.spread) == (2, 101 * UNIT, UNIT)


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 10**6)), min_size=1, max_size=12),
    st.data(),
)
def test_the_order_of_the_prices_means_nothing(
    given_prices: list[tuple[str, int]], data: st.DataObject
) -> None:
    made = prices(*[(s, p, timedelta(seconds=i)) for i, (s, p) in enumerate(given_prices)])
    mixed = data.draw(st.permutations(made))
    assert rules.decide(a_feed(), made, 2) == rules.decide(a_feed(), mixed, 2)


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(1, 10**6))
def test_the_deviation_is_exact(before: int, after: int, percent_ppm: int) -> None:
    feed = published(before, deviation_percent=percent_ppm * 10 ** (PERCENT_PLACES - 4))
    decision = rules.decide(feed, prices(("a", after, MINUTE)), 1)
    moved = abs(after - before) * 10**6 >= before * percent_ppm
    assert (decision.outcome == "published") is moved


def test_late_and_repeated_prices_are_out_of_order() -> None:
    feed = published(10)
    rules.check_order(feed, None, NOW)
    rules.check_order(feed, NOW, NOW + MINUTE)
    with pytest.raises(ObservationOutOfOrder):
        rules.check_order(feed, None, NOW - MINUTE)
    with pytest.raises(ObservationOutOfOrder):
        rules.check_order(feed, NOW + MINUTE, NOW + MINUTE)


def test_a_price_may_be_five_seconds_ahead_and_no_more() -> None:
    rules.check_moment(NOW + timedelta(seconds=5), NOW)
    with pytest.raises(Invalid):
        rules.check_moment(NOW + timedelta(seconds=5, microseconds=1), NOW)


@pytest.mark.parametrize(
    ("feed", "state"),
    [
        (a_feed(), "empty"),
        (a_feed(outcome="no_quorum"), "no_quorum"),
        (published(10), "fresh"),
        (published(10, active=False), "inactive"),
        (published(10, NOW - 12 * MINUTE), "stale"),
        (published(10, NOW - 12 * MINUTE + timedelta(microseconds=1)), "fresh"),
        (published(10, equal_rounds=3), "frozen"),
        (published(10, equal_rounds=2), "fresh"),
        (published(10, NOW - 20 * MINUTE, equal_rounds=9), "stale"),
    ],
)
def test_the_state_tells_what_a_price_is_worth(feed: StoredFeed, state: str) -> None:
    assert rules.state(feed, NOW, 3) == state


def test_a_feed_is_never_frozen_when_that_is_switched_off() -> None:
    assert rules.state(published(10, equal_rounds=10**6), NOW, 0) == "fresh"


@pytest.mark.parametrize(("sources", "quorum"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_the_default_quorum_is_over_half_of_the_sources(sources: int, quorum: int) -> None:
    assert rules.default_quorum(sources) == quorum


@pytest.mark.parametrize("text", [b"0", b"-5", b'"10"', b"null", b"1e400", b"[1]", b"0.0e3"])
def test_prices_that_are_no_positive_numbers_are_refused(text: bytes) -> None:
    with pytest.raises(Invalid):
        rules.check_price(Raw(text))
    with pytest.raises(Invalid):
        rules.check_price(UNSET)


def test_a_price_keeps_all_its_digits() -> None:
    text = b"1.234567890123456789012345678901234567"
    assert bytes(rules.write_number(rules.check_price(Raw(text)))) == text
    assert bytes(rules.write_number(rules.check_price(Raw(b"0.1")))) == b"0.1"


def test_an_answer_gives_price_source_and_time() -> None:
    body = b'{"price": 12.50, "source": "x", "published_at": 1767323045, "other": [1]}'
    found = rules.read_answer(body, "host", "NEO", "USD")
    assert (found.price, found.source, found.published_at) == (125 * UNIT // 10, "x", NOW)


def test_an_answer_without_a_source_is_named_by_its_host() -> None:
    assert rules.read_answer(b'{"price":1}', "prices.example", "A", "B").source == "prices.example"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'{"price":"1"}', b'{"price":0}', b'{"price":-1}', b'{"price":NaN}'),
        *(b'{"price":1e400}', b'{"source":"x"}', b"\xff", b'{"price":1,"source":"a\\u0000"}'),
        *(b'{"price":1,"published_at":"2026-01-01T00:00:00"}', b'{"price":1,"published_at":-1}'),
        *(b'{"price":1,"published_at":99999999999}', b'{"price":1,"published_at":"soon"}'),
        *(b'{"price":1,"base":"USD","quote":"NEO"}', b'{"price":1.2.3}'),
        b'{"price":2,"published_at":"9999-12-31T23:59:59-14:00"}',
        b'{"price":2,"published_at":"0001-01-01T00:00:00+14:00"}',
    ],
)
def test_answers_that_cannot_be_used_are_refused(body: bytes) -> None:
    with pytest.raises(AnswerRefusedError):
        rules.read_answer(body, "host", "NEO", "USD")


@given(
    st.dictionaries(
        st.sampled_from(["price", "published_at", "source", "group", "base", "quote"]),
        json_values(),
    )
)
def test_whatever_a_source_answers_is_a_price_or_is_refused(answer: object) -> None:
    with suppress(AnswerRefusedError):
        found = rules.read_answer(json.dumps(answer).encode(), "host", "NEO", "USD")
        assert found.price > 0
