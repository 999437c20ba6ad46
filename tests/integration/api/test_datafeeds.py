"""Data feeds over HTTP: signed prices, quorums, records that verify without the server."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from support.api_server import ApiProcess, running_api
from support.gas import run_sql
from support.shared_api import own_database
from support.signers import KINDS, EdSigner, KeySigner, Signer, WalletSigner, signed_update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres

FEED = {"pair": "neo/usd", "decimals": 8, "heartbeat_seconds": 3600}


@pytest.fixture(scope="module")
def database(postgres: LocalPostgres) -> Iterator[str]:
    with own_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def served(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with running_api(database, tmp_path_factory.mktemp("datafeeds")) as api:
        yield api


class Feed:
    """A feed of an account of its own, and its signers."""

    def __init__(self, api: ApiProcess, signers: list[Signer], **config: object) -> None:
        self.client = api.client()
        account = self.client.post("/accounts", json={"owner": "o"}).json()["ID"]
        self.signers = signers
        for signer in signers:
            if isinstance(signer, WalletSigner):
                self.client.post(
                    f"/accounts/{account}/workspace-wallets",
                    json={"wallet_address": signer.wallet.address},
                )
        self.list = f"/accounts/{account}/datafeeds"
        names = [signer.name for signer in signers]
        made = self.client.post(self.list, json={**FEED, "signer_set": names, **config})
        assert made.status_code == 201, made.text
        self.id = made.json()["id"]
        self.path = f"{self.list}/{self.id}"
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)

    def update(self, place: int, round_id: int, price: str, after: int = 0) -> dict[str, Any]:
        moment = (self.start + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return signed_update(self.signers[place], self.id, round_id, price, moment)

    def send(self, body: dict[str, Any]) -> httpx.Response:
        return self.client.post(f"{self.path}/updates", json=body)

    def submit(self, place: int, round_id: int, price: str, after: int = 0) -> Any:
        answer = self.send(self.update(place, round_id, price, after))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, path: str = "") -> Any:
        answer = self.client.get(self.path + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        self.client.close()


@pytest.fixture
def make_feed(served: ApiProcess) -> Iterator[Callable[..., Feed]]:
    made: list[Feed] = []

    def make(*signers: Signer, **config: object) -> Feed:
        made.append(Feed(served, list(signers), **config))
        return made[-1]

    yield make
    for feed in made:
        feed.close()


def verify(document: object, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier on a file, with no setting and no database."""
    file = folder / "round.json"
    file.write_text(json.dumps(document, indent=2))
    return subprocess.run(
        [sys.executable, "-m", "servicelayer_api", "verify", "round", str(file), *options],
        capture_output=True,
        text=True,
        env={},
        check=False,
        timeout=60,
    )


def test_all_kinds_of_signers_accept_a_round_that_verifies_offline(
    make_feed: Callable[..., Feed], tmp_path: Path
) -> None:
    feed = make_feed(*(make() for make in KINDS.values()), quorum=5)
    prices = ["12.5", "12.6", "12.55", "12.52", "12.58"]
    answers = [feed.submit(place, 1, price) for place, price in enumerate(prices)]
    assert [answer["status"] for answer in answers] == ["pending"] * 4 + ["accepted"]
    assert all(answer["verified"] for answer in answers)
    document = feed.get("/rounds/1")
    assert document["record"]["price"] == "12.55"
    key = feed.client.get("/datafeeds/signing-key").json()["public_key"]
    found = verify(document, tmp_path, "--key", key)
    assert (found.returncode, found.stdout.splitlines()[-1]) == (0, "the round holds")
    document["record"]["sources"][0]["price"] = "12.51"
    assert verify(document, tmp_path).returncode == 1
    assert verify({"record": {}}, tmp_path).returncode == 2


def test_the_records_of_a_feed_are_chained(make_feed: Callable[..., Feed], tmp_path: Path) -> None:
    feed = make_feed(EdSigner())
    for number in (1, 2, 3):
        feed.submit(0, number, str(number))
    newest, middle, first = feed.get("/rounds")
    assert (newest["record"]["previous"], middle["record"]["previous"]) == (
        middle["id"],
        first["id"],
    )
    assert first["record"]["previous"] == ""
    assert verify(newest, tmp_path).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_another_update_is_refused(
    make_feed: Callable[..., Feed], kind: str
) -> None:
    feed, other = make_feed(KINDS[kind]()), make_feed(EdSigner())
    body = feed.update(0, 1, "12.5")
    later = (feed.start + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    elsewhere = signed_update(feed.signers[0], other.id, 1, "12.5", body["timestamp"])
    for changed in (
        {**body, "price": "12.6"},
        {**body, "round_id": 2},
        {**body, "timestamp": later},
        {**body, "signature": "sig1"},
        {**body, "signature": elsewhere["signature"]},
    ):
        answer = feed.send(changed)
        assert (answer.status_code, answer.json()["code"]) == (403, "signature-refused")
    assert feed.get("/updates") == []
    assert feed.send({**body, "price": "12.500"}).status_code == 201


def test_a_wallet_needs_its_own_key_and_a_place_in_the_set(
    make_feed: Callable[..., Feed],
) -> None:
    feed, thief = make_feed(WalletSigner(), WalletSigner()), WalletSigner()
    body = feed.update(0, 1, "1")
    stolen = signed_update(thief, feed.id, 1, "1", body["timestamp"])
    assert feed.send({**stolen, "signer": feed.signers[0].name}).status_code == 403
    assert feed.send({k: v for k, v in body.items() if k != "pubkey"}).status_code == 403
    assert feed.send(stolen).status_code == 400
    assert feed.send({k: v for k, v in body.items() if k != "timestamp"}).status_code == 400


def test_a_wallet_and_its_own_key_are_one_signer(
    make_feed: Callable[..., Feed], database: str
) -> None:
    wallet = WalletSigner()
    feed = make_feed(wallet, EdSigner())
    key = KeySigner(wallet.wallet)
    both = [wallet.name, key.name, EdSigner().name]
    refused = feed.client.post(feed.list, json={**FEED, "signer_set": both})
    assert (refused.status_code, refused.json()["fields"][0]["field"]) == (400, "signer_set")
    assert "one signer" in refused.json()["fields"][0]["message"]

    # As sets may stand that are older than the rule.
    run_sql(
        database,
        "UPDATE data_feeds SET signer_set = $2::text[] WHERE id = $1::uuid",
        feed.id,
        [wallet.name, key.name, feed.signers[1].name],
    )
    feed.signers.append(key)
    feed.submit(0, 1, "1")
    again = feed.send(feed.update(2, 1, "1"))
    assert (again.status_code, again.json()["code"]) == (409, "already-submitted")
    assert feed.submit(1, 1, "1")["status"] == "accepted"


def test_a_wallet_that_the_account_has_not_registered_cannot_be_a_signer(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed(EdSigner())
    answer = feed.client.post(feed.list, json={**FEED, "signer_set": [WalletSigner().name]})
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (400, "signer_set")
    bare = feed.client.post(feed.list, json={**FEED, "signer_set": [KeySigner().name]})
    assert bare.status_code == 201


def test_latest_answers_accepted_rounds_only(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(EdSigner(), EdSigner(), EdSigner())
    assert feed.client.get(f"{feed.path}/latest").json()["code"] == "data-feed-round-not-found"
    feed.submit(0, 1, "10")
    assert feed.get()["state"] == "no_quorum"
    feed.submit(1, 1, "12")
    feed.submit(0, 7, "50", after=1)
    latest = feed.get("/latest")
    assert (latest["round_id"], latest["aggregated_price"], latest["state"]) == (1, "11", "fresh")
    assert (latest["confidence"], latest["sources"]) == ("1", 2)


def test_one_signer_cannot_freeze_a_feed_by_a_far_round(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(EdSigner(), EdSigner(), EdSigner())
    feed.submit(0, 100_000, "10")
    assert feed.send(feed.update(0, 200_001, "10")).status_code == 409
    feed.submit(1, 1, "10")
    assert feed.submit(2, 1, "10")["status"] == "accepted"
    assert feed.send(feed.update(0, 2, "10")).json()["code"] == "round-out-of-order"


def test_repeated_late_and_superseded_updates_are_told(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(EdSigner(), EdSigner(), EdSigner())
    feed.submit(0, 1, "10")
    assert feed.send(feed.update(0, 1, "10")).json()["code"] == "already-submitted"
    feed.submit(1, 2, "10")
    feed.submit(2, 2, "10")
    assert feed.send(feed.update(0, 1, "10")).json()["code"] == "round-closed"
    rejected = feed.get("/updates")[-1]
    assert (rejected["status"], rejected["round_id"]) == ("rejected", 1)
    assert "superseded" in rejected["error"]


def test_an_outlier_is_marked_and_the_round_waits_for_enough_others(
    make_feed: Callable[..., Feed], tmp_path: Path
) -> None:
    feed = make_feed(*(EdSigner() for _ in range(5)), aggregation="mean")
    feed.submit(0, 1, "100")
    feed.submit(1, 1, "101")
    assert feed.submit(2, 1, "900")["status"] == "pending"
    accepted = feed.submit(3, 1, "102")
    assert accepted["metadata"]["aggregated_price"] == "101"
    marked = {each["price"]: each.get("error", "") for each in feed.get("/updates")}
    assert marked == {"100": "", "101": "", "102": "", "900": "outlier"}
    assert verify(feed.get("/rounds/1"), tmp_path).returncode == 0


def test_weights_count(make_feed: Callable[..., Feed], tmp_path: Path) -> None:
    signers = [EdSigner(), EdSigner()]
    weights = {signers[0].name: 3, signers[1].name: 1}
    feed = make_feed(*signers, aggregation="weighted", weights=weights)
    feed.submit(0, 1, "10")
    assert feed.submit(1, 1, "20")["metadata"]["aggregated_price"] == "12.5"
    assert verify(feed.get("/rounds/1"), tmp_path).returncode == 0


def test_a_new_round_needs_heartbeat_or_deviation(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(EdSigner(), threshold_ppm=5000)
    feed.submit(0, 1, "1000")
    assert feed.send(feed.update(0, 2, "1004.99")).json()["code"] == "round-not-due"
    assert feed.submit(0, 2, "1005")["status"] == "accepted"


@pytest.mark.parametrize("price", ["", "0", "-1", "ten", "1e3", "1.123456789", 5, None])
def test_what_is_no_price_is_refused(make_feed: Callable[..., Feed], price: object) -> None:
    feed = make_feed(EdSigner())
    assert feed.send({**feed.update(0, 1, "1"), "price": price}).status_code == 400


def test_a_price_from_the_future_is_refused(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(EdSigner())
    assert feed.send(feed.update(0, 1, "1", after=3700)).status_code == 400


def test_a_feed_without_signers_takes_any_price_and_says_so(
    make_feed: Callable[..., Feed], tmp_path: Path
) -> None:
    feed = make_feed()
    answer = feed.send({"round_id": 1, "price": "7.10"}).json()
    assert (answer["status"], answer["price"], answer["verified"]) == ("accepted", "7.1", False)
    found = verify(feed.get("/rounds/1"), tmp_path)
    assert found.returncode == 0
    assert "without verifying" in found.stdout


def test_decimals_stay_once_prices_came(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    assert feed.client.put(feed.path, json={**FEED, "decimals": 6}).status_code == 200
    feed.send({"round_id": 1, "price": "1.5"})
    answer = feed.client.put(feed.path, json={**FEED, "decimals": 4})
    assert answer.json()["code"] == "decimals-fixed"


def test_a_signer_that_was_taken_out_has_no_say(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed(EdSigner(), EdSigner(), EdSigner())
    feed.submit(0, 1, "10")
    names = [signer.name for signer in feed.signers[1:]]
    assert feed.client.put(feed.path, json={**FEED, "signer_set": names}).status_code == 200
    assert feed.send(feed.update(0, 2, "10")).status_code == 400
    assert feed.submit(1, 1, "20")["status"] == "pending"
    assert feed.submit(2, 1, "20")["metadata"]["aggregated_price"] == "20"


def test_another_account_sees_nothing_of_a_feed(make_feed: Callable[..., Feed]) -> None:
    feed, other = make_feed(), make_feed()
    path = f"{other.list}/{feed.id}"
    for sub in ("", "/latest", "/updates", "/rounds", "/rounds/1"):
        assert other.client.get(path + sub).json()["code"] == "data-feed-not-found"
    assert other.client.put(path, json=FEED).status_code == 404
    assert other.client.delete(path).status_code == 404
    update = {"round_id": 1, "price": "1"}
    assert other.client.post(f"{path}/updates", json=update).status_code == 404


@pytest.mark.parametrize("name", ["updates", "rounds"])
def test_lists_are_paged_without_a_gap(make_feed: Callable[..., Feed], name: str) -> None:
    feed = make_feed()
    for number in range(1, 6):
        feed.send({"round_id": number, "price": str(number)})
    found: list[Any] = []
    cursor = None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        answer = feed.client.get(f"{feed.path}/{name}", params=query)
        found += answer.json()
        cursor = answer.headers.get("x-next-cursor")
        if cursor is None:
            break
    assert len(found) == 5
    assert found == feed.get(f"/{name}")


async def test_every_change_is_audited(make_feed: Callable[..., Feed], database: str) -> None:
    feed = make_feed()
    feed.send({"round_id": 1, "price": "1"})
    feed.client.put(feed.path, json=FEED)
    feed.client.delete(feed.path)
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT action FROM audit_log WHERE resource_id = $1 ORDER BY id", feed.id
        )
    finally:
        await connection.close()
    wanted = ["datafeed.create", "datafeed.submit", "datafeed.change", "datafeed.delete"]
    assert [row["action"] for row in rows] == wanted


def test_a_quorum_that_signs_at_once_accepts_a_round_once(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed(*(EdSigner() for _ in range(8)))
    bodies = [feed.update(place, 1, "10") for place in range(8)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = [each.json() for each in pool.map(feed.send, bodies)]
    accepted = [each for each in answers if each.get("status") == "accepted"]
    closed = [each for each in answers if each.get("code") == "round-closed"]
    assert (len(accepted), len(closed)) == (1, 3)
    assert len(feed.get("/rounds")) == 1


def test_with_verification_off_updates_are_taken_as_recorded_and_marked(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path, DATAFEEDS_VERIFY_SIGNATURES="false") as api:
        feed = Feed(api, [WalletSigner(), WalletSigner()])
        for place, (price, quorum) in enumerate((("12.5", "false"), ("13.5", "true"))):
            body = {
                "round_id": 1,
                "price": price,
                "signer": feed.signers[place].name,
                "timestamp": "2024-01-01T00:00:00Z",
                "signature": "sig1",
            }
            answer = feed.send(body).json()
            assert (answer["signature"], answer["verified"]) == ("sig1", False)
            assert answer["metadata"]["quorum_met"] == quorum
        assert answer["metadata"]["aggregated_price"] == "13"
        assert feed.get("/latest")["state"] == "stale"
        document = feed.get("/rounds/1")
        assert document["record"]["verified"] is False
        assert verify(document, tmp_path).returncode == 0
        feed.close()


def test_the_least_number_of_signers_holds_for_every_feed(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path, DATAFEEDS_MIN_SIGNERS="3") as api:
        feed = Feed(api, [EdSigner(), EdSigner(), EdSigner()])
        assert feed.get()["quorum"] == 3
        two = {**FEED, "signer_set": [signer.name for signer in feed.signers[:2]]}
        assert feed.client.post(feed.list, json=two).status_code == 400
        feed.close()
