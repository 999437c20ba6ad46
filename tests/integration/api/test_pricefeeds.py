"""Price feeds over HTTP: what is published, what is refused, and what the answer tells."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from support.api_server import ApiProcess, running_api
from support.patience import patience
from support.price_server import PriceServer, environment, price_server, rising
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres

FEED = {"base_asset": "neo", "quote_asset": "usd", "deviation_percent": 2}


@pytest.fixture(scope="module")
def served(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with (
        own_database(postgres) as url,
        running_api(url, tmp_path_factory.mktemp("pricefeeds")) as api,
    ):
        yield api


class Feed:
    """A feed of an account of its own."""

    def __init__(self, api: ApiProcess, **config: object) -> None:
        self.client = api.client()
        account = self.client.post("/accounts", json={"owner": "o"}).json()["ID"]
        self.list = f"/accounts/{account}/pricefeeds"
        made = self.client.post(self.list, json={**FEED, **config})
        assert made.status_code == 201, made.text
        self.path = f"{self.list}/{made.json()['ID']}"

    def submit(self, price: object, after: int = 0, **more: object) -> httpx.Response:
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=after)
        body = {"price": price, "collected_at": moment.isoformat(), **more}
        return self.client.post(f"{self.path}/snapshots", json=body)

    def get(self, path: str = "", **query: str) -> Any:
        answer = self.client.get(self.path + path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        self.client.close()


@pytest.fixture
def make_feed(served: ApiProcess) -> Iterator[Callable[..., Feed]]:
    made: list[Feed] = []

    def make(**config: object) -> Feed:
        made.append(Feed(served, **config))
        return made[-1]

    yield make
    for feed in made:
        feed.close()


def test_a_round_that_is_not_published_says_so(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    assert feed.submit(10).json()["Reason"] == "first"
    answer = feed.submit(10.05, 30, source="m2")
    waiting = answer.json()
    assert (answer.status_code, waiting["Published"]) == (202, False)
    assert waiting.keys() == {
        *("FeedID", "RoundID", "Published", "Outcome", "Sources", "Confidence")
    }
    assert (waiting["Outcome"], waiting["RoundID"]) == ("waiting", 2)
    published = feed.submit(12, 60, source="m3").json()
    assert (published["Price"], published["Source"], published["Sources"]) == (11.025, "m3", 2)
    assert published["Confidence"] == 0.975
    rounds = feed.get("/rounds")
    assert [(each["RoundID"], each["ObservationCount"]) for each in rounds] == [(2, 2), (1, 1)]


def test_digits_beyond_those_of_a_double_are_kept(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    digits = "0.123456789012345678901234567890123456"
    body = f'{{"price": {digits}}}'
    headers = {"content-type": "application/json"}
    answer = feed.client.post(f"{feed.path}/snapshots", content=body, headers=headers)
    assert f'"Price":{digits},' in answer.text
    assert f'"Price":{digits},' in feed.client.get(f"{feed.path}/latest").text


@pytest.mark.parametrize(
    "price", ["0", "-5", '"10"', "1e400", "1e-2147483648", "null", "true", "[1]", "NaN"]
)
def test_what_is_no_price_is_refused(make_feed: Callable[..., Feed], price: str) -> None:
    feed = make_feed()
    headers = {"content-type": "application/json"}
    answer = feed.client.post(
        f"{feed.path}/snapshots", content=f'{{"price": {price}}}', headers=headers
    )
    assert answer.status_code == 400
    assert feed.get("/rounds") == []


def test_late_repeated_and_future_prices_are_refused(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    feed.submit(10, 60)
    assert feed.submit(11, 60).status_code == 409
    late = feed.submit(11, 59, source="other")
    assert (late.status_code, late.json()["code"]) == (409, "observation-out-of-order")
    ahead = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    assert feed.submit(11, collected_at=ahead).status_code == 400


def test_staleness_counts_from_when_the_source_gave_its_price(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed()
    assert feed.get()["Status"] == "empty"
    feed.submit(10)
    assert feed.get("/latest")["Status"] == "stale"
    feed.submit(10, collected_at=datetime.now(UTC).isoformat())
    assert feed.get("/latest")["Status"] == "fresh"


def test_a_round_without_its_quorum_is_not_published(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(min_sources=2, source_groups={"mirror": "exchange", "exchange": "exchange"})
    assert feed.submit(10, 0, source="exchange").json()["Outcome"] == "no_quorum"
    assert feed.submit(10, 1, source="mirror").json()["Outcome"] == "no_quorum"
    assert feed.get()["Status"] == "no_quorum"
    assert feed.client.get(f"{feed.path}/latest").json()["code"] == "no-price-yet"
    published = feed.submit(11, 2, source="other").json()
    assert (published["Published"], published["Sources"]) == (True, 2)


def test_a_price_that_never_changes_is_frozen(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(heartbeat_interval="@every 1s")
    now = datetime.now(UTC)
    for number in range(11):
        moment = now - timedelta(seconds=30 - 2 * number)
        feed.submit(10, collected_at=moment.isoformat())
    assert feed.get("/latest")["Status"] == "frozen"
    feed.submit(10.01, collected_at=datetime.now(UTC).isoformat())
    assert feed.get("/latest")["Status"] == "fresh"


def test_a_strict_reader_is_refused_what_is_not_fit(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    feed.submit(10)
    assert feed.get("/latest", min_sources="1", max_conf_bps="0")["Price"] == 10
    answer = feed.client.get(f"{feed.path}/latest?max_age=5s&min_sources=2")
    assert answer.status_code == 409
    assert answer.json()["unmet"] == ["max_age", "min_sources"]
    assert feed.client.get(f"{feed.path}/latest?max_age=soon").status_code == 400


def test_an_inactive_feed_takes_no_prices(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    assert feed.client.patch(feed.path, json={"active": False}).json()["Status"] == "inactive"
    assert feed.submit(10).json()["code"] == "price-feed-inactive"


@pytest.mark.parametrize(
    "change",
    [
        {"update_interval": "whenever"},
        {"update_interval": ""},
        {"heartbeat_interval": "* * * * *"},
        {"deviation_percent": 0},
        {"deviation_percent": "1"},
        {"deviation_percent": None},
        {"min_sources": 0},
        {"source_groups": {"": "x"}},
        {"base_asset": "x"},
        {"active": None},
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    make_feed: Callable[..., Feed], change: dict[str, object]
) -> None:
    feed = make_feed()
    before = feed.get()
    assert feed.client.patch(feed.path, json=change).status_code == 400
    assert feed.get() == before


def test_a_pair_is_there_once_an_account(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    answer = feed.client.post(feed.list, json={**FEED, "base_asset": " NEO "})
    assert answer.json()["code"] == "price-feed-exists"


def test_another_account_sees_nothing_of_a_feed(make_feed: Callable[..., Feed]) -> None:
    feed, other = make_feed(), make_feed()
    path = f"{other.list}/{feed.path.rpartition('/')[2]}"
    for sub in ("", "/latest", "/snapshots", "/rounds", "/observations"):
        assert other.client.get(path + sub).json()["code"] == "price-feed-not-found"
    assert other.client.post(f"{path}/snapshots", json={"price": 1}).status_code == 404
    assert other.client.delete(path).status_code == 404


def test_a_feed_is_deleted_with_its_prices_and_that_is_recorded(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed()
    feed.submit(10)
    assert feed.client.delete(feed.path).status_code == 204
    assert feed.client.get(feed.path).status_code == 404
    assert feed.client.get(feed.list).json() == []


@pytest.mark.parametrize("name", ["snapshots", "rounds", "observations"])
def test_lists_are_paged_without_a_gap(make_feed: Callable[..., Feed], name: str) -> None:
    feed = make_feed()
    for number in range(5):
        feed.submit(10 * 2**number, number)
    whole = feed.get(f"/{name}")
    assert len(whole) == 5
    found: list[Any] = []
    cursor = None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        answer = feed.client.get(f"{feed.path}/{name}", params=query)
        found += answer.json()
        cursor = answer.headers.get("x-next-cursor")
        if cursor is None:
            break
    assert found == whole


def eventually(check: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + patience(timeout)
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def other(base: str, count: int) -> tuple[int, bytes]:
    """A second source: another name, the same rising price."""
    body = json.loads(rising(base, count)[1])
    return 200, json.dumps({**body, "source": "other"}).encode()


def answer_by_asset(base: str, count: int) -> tuple[int, bytes]:
    """A rising price, but for OLD one that was given an hour ago and never again."""
    if base != "OLD":
        return rising(base, count)
    given = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    return 200, json.dumps({"price": 5, "published_at": given.isoformat()}).encode()


@pytest.fixture(scope="module")
def fetching(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ApiProcess, PriceServer, str]]:
    """A server that fetches, its source, and its database."""
    with (
        own_database(postgres) as url,
        price_server(answer_by_asset) as prices,
        running_api(
            url, tmp_path_factory.mktemp("fetching"), **environment(prices, key="price-key-1")
        ) as api,
    ):
        yield api, prices, url


async def test_prices_are_fetched_at_their_interval_published_and_audited(
    fetching: tuple[ApiProcess, PriceServer, str],
) -> None:
    api, prices, url = fetching
    often = Feed(api, base_asset="often", update_interval="@every 1s")
    rarely = Feed(api, base_asset="rarely", update_interval="@every 1h")
    eventually(lambda: often.get().get("RoundID", 0) >= 3, "three rounds")
    eventually(lambda: rarely.get().get("RoundID", 0) == 1, "the first round")
    asked = prices.asked["OFTEN"]
    eventually(lambda: prices.asked["OFTEN"] > asked + 1, "more fetches of the other feed")
    assert prices.asked["RARELY"] == 1
    assert prices.credentials == {"Bearer price-key-1"}
    assert "price-key-1" not in api.output()
    snapshot = rarely.get("/snapshots")[0]
    assert (snapshot["Price"], snapshot["Source"]) == (100, "rising")
    connection = await asyncpg.connect(url)
    try:
        published = await connection.fetchval(
            "SELECT count(*) FROM audit_log WHERE action = 'pricefeed.publish' "
            "AND resource_id = $1",
            rarely.path.rpartition("/")[2],
        )
    finally:
        await connection.close()
    assert published == 1
    for feed in (often, rarely):
        feed.close()


def test_a_source_that_repeats_an_old_price_does_not_keep_it_fresh(
    fetching: tuple[ApiProcess, PriceServer, str],
) -> None:
    api, prices, _ = fetching
    feed = Feed(api, base_asset="old", update_interval="@every 1s")
    eventually(lambda: prices.asked["OLD"] >= 3, "several fetches")
    shown = feed.get()
    assert (shown["Status"], shown["RoundID"]) == ("stale", 1)
    assert len(feed.get("/observations")) == 1
    feed.close()


def test_the_figures_name_no_feed(fetching: tuple[ApiProcess, PriceServer, str]) -> None:
    api, _, _ = fetching
    feed = Feed(api, base_asset="counted")
    eventually(lambda: feed.get().get("RoundID", 0) == 1, "the first round")
    with api.client() as client:
        text = client.get("/metrics").text
    feed.close()
    assert 'pricefeed_observations_total{outcome="published"}' in text
    assert 'pricefeed_feeds{state="stale"}' in text
    assert feed.path.rpartition("/")[2] not in text


def test_over_half_of_several_sources_must_answer(database_url: str, tmp_path: Path) -> None:
    def gone(_base: str, _count: int) -> tuple[int, bytes]:
        return 503, b"{}"

    with (
        price_server() as first,
        price_server(gone) as second,
        price_server(gone) as third,
        running_api(database_url, tmp_path, **environment(first, second, third)) as api,
    ):
        feed = Feed(api, update_interval="@every 1s")
        eventually(lambda: feed.get()["Status"] == "no_quorum", "one of three is no quorum")
        assert feed.get()["LastError"] == "the source answered 503"
        second.answer = other
        eventually(lambda: feed.get()["Status"] == "fresh", "two of three are one")
        assert feed.get("/latest")["Sources"] == 2
        feed.close()


def test_a_source_that_is_not_let_through_is_told_in_the_feed(
    database_url: str, tmp_path: Path
) -> None:
    with price_server() as prices:
        closed = {**environment(prices), "EGRESS_ALLOW": ""}
        with running_api(database_url, tmp_path, **closed) as api:
            feed = Feed(api, update_interval="@every 1s")
            eventually(lambda: feed.get().get("Failures", 0) > 0, "a refused fetch")
            assert feed.get()["Status"] == "empty"
            feed.close()
        assert prices.asked.total() == 0


def test_a_url_of_another_scheme_stops_the_start(database_url: str, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="PRICEFEED_FETCH_URL"),
        running_api(database_url, tmp_path, PRICEFEED_FETCH_URL="ftp://prices"),
    ):
        pass


def test_a_source_with_an_impossible_time_costs_the_others_nothing(
    database_url: str, tmp_path: Path
) -> None:
    def hostile(_base: str, _count: int) -> tuple[int, bytes]:
        return 200, b'{"price":2,"published_at":"9999-12-31T23:59:59-14:00"}'

    with (
        price_server() as first,
        price_server(other) as second,
        price_server(hostile) as third,
        running_api(database_url, tmp_path, **environment(first, second, third)) as api,
    ):
        feed = Feed(api, update_interval="@every 1s")
        eventually(lambda: feed.get()["Status"] == "fresh", "two of three are enough")
        assert feed.get("/latest")["Sources"] == 2
        feed.close()
