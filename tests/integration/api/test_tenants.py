"""Every route of accounts, wallets, API keys and audit against every kind of caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from servicelayer_api.crypto.tokens import Claims, TokenSigner
from support.api_server import JWT_SECRET, TOKEN, running_api
from support.neo_wallet import NeoWallet
from support.people import PASSWORDS, auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess


class Route(NamedTuple):
    method: str
    path: str
    body: dict[str, Any] | None = None

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"


A_WALLET = {"wallet_address": "0x" + "ab" * 20}
ROUTES = [
    Route("GET", "/accounts/{account}"),
    Route("PATCH", "/accounts/{account}", {"owner": "changed"}),
    Route("DELETE", "/accounts/{account}"),
    Route("GET", "/accounts/{account}/workspace-wallets"),
    Route("POST", "/accounts/{account}/workspace-wallets", A_WALLET),
    Route("GET", "/accounts/{account}/workspace-wallets/{wallet}"),
    Route("DELETE", "/accounts/{account}/workspace-wallets/{wallet}"),
    Route("GET", "/accounts/{account}/api-keys"),
    Route("POST", "/accounts/{account}/api-keys", {"name": "k"}),
    Route("DELETE", "/accounts/{account}/api-keys/{key}"),
]
OTHERS = [
    Route("GET", "/accounts"),
    Route("POST", "/accounts", {"owner": "o"}),
    Route("GET", "/auth/whoami"),
    Route("GET", "/admin/audit"),
    Route("GET", "/nothing/here"),
    Route("POST", "/nothing/here", {}),
]
KEYS_MAY_NOT = {
    "DELETE /accounts/{account}",
    "POST /accounts",
    "POST /accounts/{account}/workspace-wallets",
} | {route.label for route in ROUTES if "api-keys" in route.path}


class World(NamedTuple):
    """A server with two accounts in tenant-a, and credentials of every kind."""

    client: httpx.Client
    ids: dict[str, str]
    tokens: dict[str, str]

    def ask(self, route: Route, token: str | None, tenant: str = "") -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        if tenant:
            headers["x-tenant-id"] = tenant
        path = route.path.format_map(self.ids)
        return self.client.request(route.method, path, json=route.body, headers=headers)

    def status(self, route: Route, token: str | None, tenant: str = "") -> int:
        answer = self.ask(route, token, tenant)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "code", "error"} <= answer.json().keys()
        return answer.status_code


@pytest.fixture(scope="module")
def server(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """One server for the module: each test makes accounts of its own."""
    folder = tmp_path_factory.mktemp("tenants")
    with (
        own_database(postgres) as url,
        running_api(url, folder, AUTH_USERS=auth_users()) as process,
    ):
        yield process


@pytest.fixture
def world(server: ApiProcess) -> Iterator[World]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        yield make_world(client)


def make_world(client: httpx.Client) -> World:
    platform = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": "tenant-a"}

    def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body, headers=platform)
        assert answer.status_code == 201, answer.text
        return answer.json()

    account = make("/accounts", {"owner": "one"})["ID"]
    sibling = make("/accounts", {"owner": "two"})["ID"]
    wallet = make(
        f"/accounts/{account}/workspace-wallets", {"wallet_address": NeoWallet().address}
    )["ID"]
    own = make(f"/accounts/{account}/api-keys", {"name": "own"})
    other = make(f"/accounts/{sibling}/api-keys", {"name": "sibling"})
    tokens = {"platform": TOKEN, "own key": own["key"], "sibling key": other["key"]}
    for name, password in PASSWORDS.items():
        session = client.post("/auth/login", json={"username": name, "password": password})
        tokens[name] = session.json()["token"]
    claims = Claims(sub="root", role="admin", method="password", jti="1", iat=1, exp=2)
    tokens["expired"] = TokenSigner(JWT_SECRET).sign(claims)
    return World(
        client, {"account": account, "sibling": sibling, "wallet": wallet, "key": own["id"]}, tokens
    )


def test_nobody_and_strangers_are_refused_everywhere(world: World) -> None:
    strangers = [None, "wrong", "slk_" + "a" * 43, "a.b.c", world.tokens["expired"]]
    for route in ROUTES + OTHERS:
        for token in strangers:
            assert world.status(route, token, "tenant-a") == 401, (route.label, token)


def test_platform_token_without_tenant_is_refused_wherever_there_are_rows(world: World) -> None:
    for route in [*ROUTES, *OTHERS[:2]]:
        assert world.status(route, TOKEN) == 403, route.label


def test_account_of_another_tenant_is_answered_like_one_that_does_not_exist(world: World) -> None:
    nowhere = World(
        world.client,
        dict.fromkeys(world.ids, "01890000-0000-7000-8000-000000000000"),
        world.tokens,
    )
    for route in ROUTES:
        foreign = world.ask(route, world.tokens["ben"])
        unknown = nowhere.ask(route, world.tokens["ben"])
        assert foreign.status_code == unknown.status_code == 404, route.label
        assert world.status(route, TOKEN, "tenant-b") == 404, route.label
        for member in ("type", "title", "detail", "code", "error"):
            assert foreign.json()[member] == unknown.json()[member]


def test_ids_that_are_no_ids_are_not_found(world: World) -> None:
    for account in ("x", "1", "%00", "%2e%2e", "0" * 36, world.ids["account"].replace("-", "")):
        strange = World(world.client, {**world.ids, "account": account}, world.tokens)
        for route in ROUTES:
            assert strange.status(route, TOKEN, "tenant-a") == 404, (route.label, account)


def test_bound_credential_that_names_another_tenant_is_refused(world: World) -> None:
    for route in ROUTES + OTHERS:
        for name, foreign in (("ann", "tenant-b"), ("ben", "tenant-a"), ("own key", "tenant-b")):
            assert world.status(route, world.tokens[name], foreign) == 403, (route.label, name)


def test_key_of_another_account_reaches_nothing_of_this_one(world: World) -> None:
    for route in ROUTES:
        expected = 403 if route.label in KEYS_MAY_NOT - {"DELETE /accounts/{account}"} else 404
        assert world.status(route, world.tokens["sibling key"]) == expected, route.label


def test_key_does_what_its_account_allows_and_no_more(world: World) -> None:
    token = world.tokens["own key"]
    listed = world.ask(OTHERS[0], token).json()
    assert [row["ID"] for row in listed] == [world.ids["account"]]
    for route in [*ROUTES, *OTHERS[:2]]:
        refused = world.status(route, token) == 403
        assert refused == (route.label in KEYS_MAY_NOT), route.label


def test_users_work_in_their_tenant(world: World) -> None:
    wanted = {"GET": 200, "PATCH": 200, "POST": 201, "DELETE": 204}
    in_order = [route for route in ROUTES if route.label != "DELETE /accounts/{account}"]
    for route in in_order:
        assert world.status(route, world.tokens["ann"]) == wanted[route.method], route.label
    assert world.status(ROUTES[2], world.tokens["ann"]) == 204
    assert world.status(ROUTES[0], world.tokens["ann"]) == 404


def test_revoked_and_expired_keys_open_nothing(world: World) -> None:
    token = world.tokens["own key"]
    assert world.status(ROUTES[0], token) == 200
    assert world.status(ROUTES[-1], TOKEN, "tenant-a") == 204
    assert world.status(ROUTES[0], token) == 401
    assert world.status(ROUTES[-1], TOKEN, "tenant-a") == 404


def test_suspended_account_is_read_only_and_closed_to_its_keys(world: World) -> None:
    suspend = Route("PATCH", "/accounts/{account}", {"status": "suspended"})
    reopen = Route("PATCH", "/accounts/{account}", {"status": "active"})
    assert world.status(suspend, world.tokens["ann"]) == 403
    assert world.status(suspend, TOKEN, "tenant-a") == 200

    for route in (ROUTES[1], ROUTES[4], ROUTES[6], ROUTES[8]):
        answer = world.ask(route, world.tokens["ann"])
        assert answer.json()["code"] == "account-suspended", route.label
    for route in (ROUTES[0], ROUTES[3], ROUTES[5], ROUTES[6]):
        answer = world.ask(route, world.tokens["own key"])
        assert answer.json()["code"] == "account-suspended", route.label
    assert world.status(ROUTES[0], world.tokens["ann"]) == 200
    assert world.status(reopen, world.tokens["own key"]) == 403
    assert world.status(reopen, TOKEN, "tenant-a") == 200
    assert world.status(ROUTES[0], world.tokens["own key"]) == 200


def test_only_admins_see_the_audit_log(world: World) -> None:
    audit = OTHERS[3]
    for name in ("platform", "ann", "own key"):
        assert world.ask(audit, world.tokens[name]).json()["code"] == "admin-only"
    assert world.status(audit, world.tokens["root"]) == 200
    assert world.status(audit, world.tokens["root"], "tenant-a") == 200


def test_admin_of_a_tenant_sees_the_entries_of_that_tenant_only(world: World) -> None:
    world.ask(OTHERS[1], world.tokens["ben"])
    seen = world.ask(OTHERS[3], world.tokens["ben"]).json()
    filtered = world.ask(Route("GET", "/admin/audit?tenant=tenant-a"), world.tokens["ben"]).json()

    assert {entry["tenant"] for entry in seen} == {"tenant-b"}
    assert filtered == []


def test_deleting_an_account_takes_what_hangs_on_it(world: World) -> None:
    assert world.status(ROUTES[2], TOKEN, "tenant-a") == 204
    for route in ROUTES:
        assert world.status(route, TOKEN, "tenant-a") == 404
