"""Refusals that say what to do: which credential, which field, which numbers, what to sign."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from servicelayer_api.crypto.tokens import Claims, TokenSigner
from support.account_items import Items
from support.api_server import JWT_SECRET, TOKEN, ApiProcess, running_api
from support.neo_wallet import NeoWallet
from support.openapi_operations import Operation, operations
from support.patience import patience
from support.people import auth_users, logged_in, token_of
from support.shared_api import own_database
from support.signers import EdSigner, WalletSigner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres
    from support.signers import Signer

TENANT = "tenant-a"


class World(NamedTuple):
    """A server, a client of the platform and one of an admin, and an account that has all."""

    server: ApiProcess
    platform: httpx.Client
    admin: httpx.Client
    items: Items


@pytest.fixture(scope="module")
def world(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("refusals")
    with (
        own_database(postgres) as url,
        running_api(url, folder, AUTH_USERS=auth_users(), ORACLE_DISPATCH="false") as server,
        server.client() as platform,
        logged_in(server) as admin,
    ):
        yield World(server, platform, admin, Items(platform, url, TENANT))


def refused(server: ApiProcess, authorization: str | None) -> tuple[str, str]:
    """The reason of a 401, and its text; a wrong answer fails."""
    headers = {} if authorization is None else {"authorization": authorization}
    answer = httpx.get(f"{server.url}/accounts", headers=headers, trust_env=False)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    return problem["reason"], problem["detail"]


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        (TOKEN, "malformed"),
        (f"Token {TOKEN}", "malformed"),
        ("Basic dG9rOmVu", "malformed"),
        ("Bearer", "malformed"),
        (f"Bearer {TOKEN} {TOKEN}", "malformed"),
        (f'Bearer "{TOKEN}"', "malformed"),
        ("Bearer nobody-knows-this-token", "unknown"),
        ("Bearer slk_short", "unknown"),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", "unknown"),
    ],
)
def test_a_401_says_what_is_wrong_and_which_header_to_send(
    world: World, authorization: str | None, reason: str
) -> None:
    told, detail = refused(world.server, authorization)

    assert told == reason
    assert "`Authorization: Bearer <" in detail
    assert TOKEN not in detail


def claims(**differs: Any) -> Claims:
    known = {"sub": "root", "role": "admin", "method": "password", "jti": "1", "iat": 1, "exp": 2}
    return Claims(**{**known, **differs})


def test_only_a_token_that_was_once_made_here_is_told_to_have_expired(world: World) -> None:
    ours, theirs = TokenSigner(JWT_SECRET), TokenSigner("another secret of thirty-two letters")

    assert refused(world.server, f"Bearer {ours.sign(claims())}")[0] == "expired"
    assert refused(world.server, f"Bearer {theirs.sign(claims())}")[0] == "unknown"
    changed = ours.sign(claims()).rpartition(".")[0] + ".c2lnbmF0dXJl"
    assert refused(world.server, f"Bearer {changed}")[0] == "unknown"


def test_an_expired_key_is_told_apart_from_a_revoked_one(world: World) -> None:
    path = f"/accounts/{world.items.account}/api-keys"
    short, revoked = (
        world.platform.post(path, json={"name": "k", **body}).json()
        for body in ({"expires_in_seconds": 1}, {})
    )
    assert world.platform.delete(f"{path}/{revoked['id']}").status_code == 204

    assert refused(world.server, f"Bearer {revoked['key']}")[0] == "unknown"
    headers = {"authorization": f"Bearer {short['key']}"}
    deadline = time.monotonic() + patience(30)
    while httpx.get(f"{world.server.url}/auth/whoami", headers=headers).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert refused(world.server, f"Bearer {short['key']}")[0] == "expired"
    # Of a revoked key nothing else is told, whenever its time would have been over.
    both = world.platform.post(path, json={"name": "k", "expires_in_seconds": 1}).json()
    assert world.platform.delete(f"{path}/{both['id']}").status_code == 204
    assert refused(world.server, f"Bearer {both['key']}")[0] == "unknown"


# What must be sent, and nothing of it was: by hand.
REQUIRED = {
    "walletChallenge": {"wallet"},
    "createChain": {"chain_id", "rpc_url"},
    "createProvider": {"name", "type", "base_url"},
    "createSetting": {"key"},
    "createFeatureFlag": {"key"},
    "createQuota": {"tenant_id"},
    "createMethods": {"chain_id"},
    "createAccount": {"owner"},
    "createWorkspaceWallet": {"wallet_address"},
    "createApiKey": {"name"},
    "rotateApiKey": {"overlap_seconds"},
    "createSecret": {"name"},
    "rollBackSecret": {"version"},
    "createPriceFeed": {"base_asset", "quote_asset", "deviation_percent"},
    "submitPrice": {"price"},
    "createOracleSource": {"name", "url"},
    "createOracleRequest": {"data_source_id"},
    "changeOracleRequest": {"status"},
    "depositGas": {"gas_account_id", "amount"},
    "withdrawGas": {"gas_account_id", "amount", "to_address"},
    "changeGasWithdrawal": {"action"},
    "decideGasWithdrawal": {"approver"},
    "createDataFeed": {"pair", "decimals"},
    "replaceDataFeed": {"pair", "decimals"},
    "submitDataFeedUpdate": {"round_id"},
}
# An empty body changes nothing there, or is a wrong login.
EMPTY_IS_NO_FAULT = {
    *("login", "walletLogin", "drawRandom", "rotateKeys", "redriveOracleDeadLetters"),
    *("ensureGasAccount", "changeAccount", "changePriceFeed", "changeOracleSource"),
    *("replaceChain", "changeChain", "replaceProvider", "changeProvider"),
    *("replaceSetting", "changeSetting", "replaceFeatureFlag", "changeFeatureFlag"),
    *("replaceQuota", "changeQuota", "replaceMethods", "changeMethods"),
    "changeSecret",
}
WITH_BODY = [each for each in operations() if "requestBody" in each.described]


def test_the_tables_name_every_operation_with_a_body() -> None:
    assert {each.id for each in WITH_BODY} == REQUIRED.keys() | EMPTY_IS_NO_FAULT


@pytest.mark.parametrize(
    "operation", [each for each in WITH_BODY if each.id in REQUIRED], ids=lambda each: each.id
)
def test_what_is_missing_is_called_required(world: World, operation: Operation) -> None:
    client = world.admin if operation.admin else world.platform
    answer = client.request(operation.verb, world.items.target(operation), json={})
    problem = answer.json()

    assert answer.status_code == 400, problem
    told = {fault["field"]: fault["message"] for fault in problem["fields"]}
    assert told.keys() == REQUIRED[operation.id]
    assert all(message.startswith("is required") for message in told.values()), told


def test_an_unknown_field_names_the_nearest_known_one(world: World) -> None:
    answer = world.platform.post("/accounts", json={"owner": "o", "Metadatas": {}})

    assert answer.json()["fields"] == [
        {"field": "Metadatas", "message": "is not a known field; did you mean metadata?"}
    ]


def test_too_little_gas_is_told_with_both_numbers(world: World) -> None:
    account = world.platform.post("/accounts", json={"owner": "o"}).json()["ID"]
    base = f"/accounts/{account}/gasbank"
    gas = world.platform.post(base, json={}).json()["ID"]
    body = {"gas_account_id": gas, "amount": 10.5}
    assert world.platform.post(f"{base}/deposit", json=body).status_code == 200

    def withdraw(amount: float) -> dict[str, Any]:
        sent = {"gas_account_id": gas, "amount": amount, "to_address": NeoWallet().address}
        answer = world.platform.post(f"{base}/withdraw", json=sent)
        assert answer.status_code == 409
        return answer.json()

    problem = withdraw(11)
    assert problem["detail"] == "insufficient funds: 11 GAS requested, 10.5 GAS available"
    assert (problem["requested"], problem["available"]) == (11, 10.5)
    world.platform.post(base, json={"min_balance": 4})
    problem = withdraw(7)
    assert (problem["code"], problem["available"]) == ("below-minimum-balance", 6.5)
    world.platform.post(base, json={"daily_limit": 0.25})
    problem = withdraw(1)
    assert (problem["code"], problem["available"]) == ("daily-limit-exceeded", 0.25)


@pytest.mark.parametrize("kind", [EdSigner, WalletSigner])
def test_a_refused_update_gives_the_text_whose_signature_is_taken(
    world: World, kind: type[EdSigner | WalletSigner]
) -> None:
    signer: Signer = kind()
    base = f"/accounts/{world.items.account}"
    if isinstance(signer, WalletSigner):
        wallet = {"wallet_address": signer.wallet.address}
        assert world.platform.post(f"{base}/workspace-wallets", json=wallet).status_code == 201
    body = {"pair": "neo/usd", "decimals": 8, "signer_set": [signer.name]}
    feed = world.platform.post(f"{base}/datafeeds", json=body).json()["id"]
    update = {"round_id": 1, "price": "12.50", "signer": signer.name}
    update["timestamp"] = "2026-01-02T03:04:05.5+01:00"
    path = f"{base}/datafeeds/{feed}/updates"

    problem = world.platform.post(path, json={**update, **signer.sign("else")}).json()
    assert problem["code"] == "signature-refused", problem
    text = bytes.fromhex(problem["signed_bytes"]).decode()
    assert problem["signed_text"] == text
    answer = world.platform.post(path, json={**update, **signer.sign(text)})
    assert answer.status_code == 201, answer.text


def test_a_refused_wallet_login_gives_the_text_whose_signature_is_taken(world: World) -> None:
    wallet = NeoWallet()
    path = f"/accounts/{world.items.account}/workspace-wallets"
    assert world.platform.post(path, json={"wallet_address": wallet.address}).status_code == 201

    def log_in(text: str, **more: str) -> dict[str, Any]:
        proof = {
            "wallet": wallet.address,
            "signature": wallet.sign(text).hex(),
            "pubkey": wallet.public_key.hex(),
        }
        url = f"{world.server.url}/auth/wallet/login"
        return httpx.post(url, json={**proof, **more}, trust_env=False).json()

    given = httpx.post(
        f"{world.server.url}/auth/wallet/challenge",
        json={"wallet": wallet.address},
        trust_env=False,
    ).json()
    assert log_in("else", nonce=given["nonce"])["signed_text"] == given["message"]
    problem = log_in("else")
    assert problem["code"] == "wallet-login-refused"
    text = bytes.fromhex(problem["signed_bytes"]).decode()
    assert log_in(text)["token"]


def test_the_root_leads_to_the_description(world: World) -> None:
    told = httpx.get(f"{world.server.url}/", trust_env=False)
    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    for path in (told.json()["docs"], told.json()["openapi"]):
        assert world.platform.get(path).status_code == 200
    assert told.json()["credential"].startswith("Authorization: Bearer ")
    assert httpx.post(f"{world.server.url}/", trust_env=False).status_code == 405


def test_the_root_redirects_where_the_description_is_public(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("public")
    with running_api(database_url, folder, API_DOCS="public") as server:
        answer = httpx.get(server.url, follow_redirects=True, trust_env=False)
    assert (answer.status_code, answer.url.path) == (200, "/docs")


# What is made there cannot be read by itself.
NO_ADDRESS = {"createApiKey", "rotateApiKey", "submitDataFeedUpdate", "submitPrice"}
MAKING = [each for each in operations() if "201" in each.described["responses"]]


@pytest.mark.parametrize("operation", MAKING, ids=lambda each: each.id)
def test_what_was_made_is_found_where_the_answer_says(world: World, operation: Operation) -> None:
    client = world.admin if operation.admin else world.platform
    body = world.items.body(operation)
    headers = {"idempotency-key": f"made-{operation.id}"}
    path = world.items.target(operation)
    answer = client.request(operation.verb, path, json=body, headers=headers)

    assert answer.status_code == 201, answer.text
    documented = operation.described["responses"]["201"]["headers"]
    assert ("location" in answer.headers) is ("Location" in documented)
    assert ("location" not in answer.headers) is (operation.id in NO_ADDRESS)
    if operation.id not in NO_ADDRESS:
        again = client.request(operation.verb, path, json=body, headers=headers)
        assert again.headers["location"] == answer.headers["location"]
        found = client.get(answer.headers["location"])
        assert found.status_code == 200, found.text


def test_the_address_of_a_strange_name_is_one_that_finds_it(world: World) -> None:
    path = f"/accounts/{world.items.account}/secrets"
    made = world.platform.post(path, json={"name": "ä b?&#+%", "value": "v"})

    assert made.status_code == 201, made.text
    found = world.platform.get(made.headers["location"])
    assert found.json()["Name"] == "ä b?&#+%"


def test_a_login_token_still_works(world: World) -> None:
    headers = {"authorization": f"Bearer {token_of(world.server)}"}
    answer = httpx.get(f"{world.server.url}/auth/whoami", headers=headers, trust_env=False)
    assert answer.json()["role"] == "admin"
