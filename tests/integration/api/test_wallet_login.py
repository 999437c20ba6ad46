"""Logging in with a Neo wallet, on the real server, by real signatures."""

from __future__ import annotations

import asyncio
import concurrent.futures
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from support.api_server import ApiProcess, running_api
from support.neo_wallet import NeoWallet
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres


@pytest.fixture(scope="module")
def database_url(postgres: LocalPostgres) -> Iterator[str]:
    with own_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def api(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """One server for the module: each test makes a wallet of its own."""
    with running_api(database_url, tmp_path_factory.mktemp("wallets")) as process:
        yield process


@pytest.fixture
def platform(api: ApiProcess) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def anybody(api: ApiProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def wallet(platform: httpx.Client) -> NeoWallet:
    wallet = NeoWallet()
    register(platform, wallet.address, "tenant-a")
    return wallet


def register(platform: httpx.Client, address: str, tenant: str) -> str:
    headers = {"x-tenant-id": tenant}
    account = platform.post("/accounts", json={"owner": "o"}, headers=headers).json()["ID"]
    answer = platform.post(
        f"/accounts/{account}/workspace-wallets", json={"wallet_address": address}, headers=headers
    )
    assert answer.status_code == 201
    return f"/accounts/{account}/workspace-wallets/{answer.json()['ID']}"


def challenge(client: httpx.Client, wallet: str) -> dict[str, str]:
    answer = client.post("/auth/wallet/challenge", json={"wallet": wallet})
    assert answer.status_code == 200
    return answer.json()


def log_in(client: httpx.Client, proof: dict[str, str], tenant: str = "") -> httpx.Response:
    headers = {"x-tenant-id": tenant} if tenant else {}
    return client.post("/auth/wallet/login", json=proof, headers=headers)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_signature_of_each_wallet_version_opens_a_session_bound_to_the_tenant(
    anybody: httpx.Client, wallet: NeoWallet, version: int
) -> None:
    given = challenge(anybody, wallet.address)
    answer = log_in(anybody, wallet.proof(given["message"], version))
    session = answer.json()

    assert answer.status_code == 200
    assert (session["role"], session["tenant"]) == ("user", "tenant-a")
    headers = {"authorization": f"Bearer {session['token']}"}
    me = anybody.get("/auth/whoami", headers=headers).json()
    assert me == {"user": wallet.address, "role": "user", "tenant": "tenant-a"}
    assert anybody.get("/accounts", headers=headers).status_code == 200
    foreign = anybody.get("/accounts", headers={**headers, "x-tenant-id": "tenant-b"})
    assert foreign.status_code == 403


def test_challenge_says_what_is_signed_and_until_when(
    anybody: httpx.Client, wallet: NeoWallet
) -> None:
    given = challenge(anybody, wallet.address)
    left = datetime.fromisoformat(given["expires_at"]) - datetime.now(UTC)

    assert len(bytes.fromhex(given["nonce"])) == 32
    assert 280 < left.total_seconds() <= 300
    assert given["message"].isascii()
    for part in (given["nonce"], wallet.address, "127.0.0.1"):
        assert part in given["message"]


def test_script_hash_and_address_are_the_same_wallet(
    anybody: httpx.Client, wallet: NeoWallet
) -> None:
    given = challenge(anybody, wallet.script_hash)
    proof = {
        **wallet.proof(given["message"]),
        "wallet": wallet.script_hash.upper().replace("X", "x"),
    }

    assert log_in(anybody, proof).status_code == 200


def test_challenge_is_good_for_one_login(anybody: httpx.Client, wallet: NeoWallet) -> None:
    proof = wallet.proof(challenge(anybody, wallet.address)["message"])

    assert log_in(anybody, proof).status_code == 200
    again = log_in(anybody, proof)
    assert again.status_code == 401
    assert again.json()["code"] == "wallet-login-refused"


def test_of_many_logins_with_one_challenge_at_two_replicas_one_succeeds(
    api: ApiProcess, anybody: httpx.Client, wallet: NeoWallet, database_url: str, tmp_path: Path
) -> None:
    proof = wallet.proof(challenge(anybody, wallet.address)["message"])
    with running_api(database_url, tmp_path) as other:

        def attempt(number: int) -> int:
            url = (api, other)[number % 2].url
            with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
                return log_in(client, proof).status_code

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(attempt, range(16)))

    assert statuses == [200] + [401] * 15


def test_proof_that_does_not_hold_is_refused(anybody: httpx.Client, wallet: NeoWallet) -> None:
    message = challenge(anybody, wallet.address)["message"]
    good = wallet.proof(message)
    stranger = NeoWallet()
    bad = [
        {**good, "signature": "00"},
        {**good, "signature": stranger.sign(message).hex()},
        {**good, "signature": wallet.sign(message + " ").hex()},
        {**good, "pubkey": stranger.public_key.hex()},
        {**good, "pubkey": "00"},
        {**good, "wallet": stranger.address},
        {**stranger.proof(message), "wallet": wallet.address},
        {**good, "nonce": "00" * 32},
        {**good, "salt": "zz"},
        {},
    ]

    assert [log_in(anybody, proof).status_code for proof in bad] == [401] * len(bad)
    assert log_in(anybody, good).status_code == 200


def test_wallet_that_is_not_registered_gets_a_challenge_and_no_session(
    anybody: httpx.Client, database_url: str
) -> None:
    before = asyncio.run(count_used(database_url))
    stranger = NeoWallet()
    given = challenge(anybody, stranger.address)
    answer = log_in(anybody, stranger.proof(given["message"]))

    assert answer.status_code == 401
    assert asyncio.run(count_used(database_url)) == before


@pytest.mark.parametrize("text", ["NZ7AqZ3xF1Yh6Vb1yT2vQ2mYz6h3iVbq6d", "0x12", "x", "ä"])
def test_text_that_is_no_wallet_gets_an_answer_like_any_other(
    anybody: httpx.Client, text: str
) -> None:
    assert challenge(anybody, text).keys() == {"nonce", "expires_at", "message"}


def test_wallet_of_two_tenants_chooses_by_header_without_signing_twice(
    anybody: httpx.Client, platform: httpx.Client, wallet: NeoWallet
) -> None:
    register(platform, wallet.script_hash, "tenant-b")
    proof = wallet.proof(challenge(anybody, wallet.address)["message"])

    assert log_in(anybody, proof).json()["code"] == "tenant-required"
    assert log_in(anybody, proof, "tenant-c").json()["code"] == "tenant-mismatch"
    assert log_in(anybody, proof, "tenant-b").json()["tenant"] == "tenant-b"


def test_removed_wallet_logs_in_no_more(anybody: httpx.Client, platform: httpx.Client) -> None:
    wallet = NeoWallet()
    path = register(platform, wallet.address, "tenant-a")
    proof = wallet.proof(challenge(anybody, wallet.address)["message"])
    assert platform.delete(path).status_code == 204

    assert log_in(anybody, proof).status_code == 401


def test_wallet_of_a_suspended_account_logs_in_no_more(
    anybody: httpx.Client, platform: httpx.Client
) -> None:
    wallet = NeoWallet()
    account = register(platform, wallet.address, "tenant-a").rpartition("/workspace-wallets")[0]
    proof = wallet.proof(challenge(anybody, wallet.address)["message"])
    assert platform.patch(account, json={"status": "suspended"}).status_code == 200

    assert log_in(anybody, proof).status_code == 401


def test_flood_of_challenges_keeps_nothing_and_locks_nobody_out(
    anybody: httpx.Client, wallet: NeoWallet, database_url: str
) -> None:
    used = asyncio.run(count_used(database_url))
    before = challenge(anybody, wallet.address)
    for port in range(40):
        answer = anybody.post(
            "/auth/wallet/challenge",
            json={"wallet": wallet.address},
            headers={"host": f"127.0.0.1:{port + 1}"},
        )
        assert answer.status_code == 200

    assert asyncio.run(count_used(database_url)) == used
    assert log_in(anybody, wallet.proof(before["message"])).status_code == 200
    after = challenge(anybody, wallet.address)
    assert log_in(anybody, wallet.proof(after["message"])).status_code == 200


def test_a_challenge_of_another_place_opens_nothing_here(
    anybody: httpx.Client, wallet: NeoWallet
) -> None:
    """As it is relayed: the wallet signs for one host, the login is sent to another."""
    answer = anybody.post(
        "/auth/wallet/challenge",
        json={"wallet": wallet.address},
        headers={"host": "localhost:1"},
    )
    assert "localhost:1" in answer.json()["message"]

    assert log_in(anybody, wallet.proof(answer.json()["message"])).status_code == 401


def test_without_a_public_address_no_other_host_is_believed(
    anybody: httpx.Client, wallet: NeoWallet
) -> None:
    body = {"wallet": wallet.address}
    for path, sent in (("challenge", body), ("login", wallet.proof("x"))):
        answer = anybody.post(f"/auth/wallet/{path}", json=sent, headers={"host": "phish.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "wallet-login-off")
        assert "PUBLIC_URL" in answer.json()["error"]


def test_the_public_address_is_what_is_signed_whatever_the_host(
    wallet: NeoWallet, database_url: str, tmp_path: Path
) -> None:
    with (
        running_api(database_url, tmp_path, PUBLIC_URL="https://api.example.com") as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        for host in ("phish.example", "api.example.com", "127.0.0.1"):
            given = client.post(
                "/auth/wallet/challenge", json={"wallet": wallet.address}, headers={"host": host}
            ).json()
            assert "at https://api.example.com.\n" in given["message"]
            assert host == "api.example.com" or host not in given["message"]
            forged = given["message"].replace("https://api.example.com", "https://phish.example")
            assert log_in(client, wallet.proof(forged)).status_code == 401
            assert log_in(client, wallet.proof(given["message"])).status_code == 200


def test_server_that_lets_no_wallet_in_says_so(database_url: str, tmp_path: Path) -> None:
    with (
        running_api(database_url, tmp_path, WALLET_LOGIN="off") as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        answer = client.post("/auth/wallet/challenge", json={"wallet": NeoWallet().address})

    assert answer.status_code == 403
    assert answer.json()["code"] == "wallet-login-off"


async def count_used(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM auth_wallet_logins")
    finally:
        await connection.close()
