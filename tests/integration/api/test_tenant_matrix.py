"""Every operation against every kind of caller who must be refused, and the one who must not.

What is expected stands in `support/operation_table.py`, by hand. Requests are valid and name items
that exist (`support/account_items.py`): that is shown first, so that no refusal below can be that
of a bad request. What differs stands in `EXCEPTIONS`, each with its reason.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from servicelayer_api.crypto.tokens import Claims, TokenSigner
from servicelayer_api.web.scopes import SCOPES
from support.account_items import Items, names_items
from support.api_server import JWT_SECRET, TOKEN, running_api
from support.openapi_operations import NOWHERE, Operation, operations
from support.operation_table import KEYS_NEVER, RULES
from support.patience import patience
from support.people import PASSWORDS, auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres

TENANT = "tenant-a"
PLATFORM = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}

EXCEPTIONS = {
    ("suspended account", "deleteAccount"): "whoever may suspend an account may also delete it",
    ("suspended account", "revokeApiKey"): "a leaked key must be closed, whatever the account is",
    ("suspended account", "changeGasWithdrawal"): "its withdrawals rest, and can be cancelled",
    ("suspended account", "deleteGasDeadLetter"): "giving a withdrawal up pays nothing out",
    ("foreign item", "createOracleRequest"): "what a body names is refused as a fault of that body",
    ("foreign item", "listGasApprovals"): "the contract lists none for what is not there",
    ("unproven", "depositGas"): "nobody but the platform credits deposits",
    ("no round yet", "getLatestPrice"): "a new feed has no price",
}

OPERATIONS = operations()
SECURED = [each for each in OPERATIONS if RULES[each.id].role != "public"]
OF_ACCOUNT = [each for each in SECURED if RULES[each.id].bound == "account"]
ON_ITEMS = [each for each in OF_ACCOUNT if names_items(each)]


def each(chosen: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "operation", chosen, ids=[f"{o.verb.upper()} {o.path}" for o in chosen]
    )


class World(NamedTuple):
    """A server with accounts in every state, and the credentials of everybody."""

    client: httpx.Client
    platform: httpx.Client
    dsn: str
    own: Items
    sibling: Items
    foreign: Items
    suspended: Items
    tokens: dict[str, str]

    def ask(
        self,
        operation: Operation,
        token: str | None,
        *,
        items: Items | None = None,
        account: str = "",
        tenant: str = "",
    ) -> httpx.Response:
        """Send a valid request that names these items, under their account or another."""
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        if tenant:
            headers["x-tenant-id"] = tenant
        named = items or self.own
        answer = self.client.request(
            operation.verb,
            named.target(operation, account),
            json=named.body(operation),
            headers=headers,
        )
        described = operation.described["responses"]
        assert str(answer.status_code) in described, (operation.id, answer.text)
        return answer

    def refusal(self, operation: Operation, token: str | None, **how: Any) -> tuple[int, str]:
        answer = self.ask(operation, token, **how)
        assert answer.status_code >= 400, (operation.id, answer.status_code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code, answer.json()["code"]


@pytest.fixture(scope="module")
def world(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("matrix")
    with (
        own_database(postgres) as url,
        running_api(url, folder, AUTH_USERS=auth_users(), ORACLE_DISPATCH="false") as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        authorization = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(
            base_url=server.url, headers=authorization, timeout=20, trust_env=False
        ) as platform:
            yield make_world(client, platform, url)


def make_world(client: httpx.Client, platform: httpx.Client, dsn: str) -> World:
    own, sibling, suspended = (Items(platform, dsn, TENANT) for _ in range(3))
    foreign = Items(platform, dsn, "tenant-b")
    for items in (own, sibling, suspended, foreign):
        items.make_all()

    def key_of(items: Items, **body: Any) -> str:
        path = f"/accounts/{items.account}/api-keys"
        answer = client.post(path, json={"name": "k", **body}, headers=PLATFORM)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    expired = key_of(own, expires_in_seconds=1)
    tokens = {
        **{f"without {scope}": key_of(own, scopes=sorted(SCOPES - {scope})) for scope in SCOPES},
        **{f"only {scope}": key_of(own, scopes=[scope]) for scope in SCOPES},
        "own key": key_of(own),
        "sibling's key": key_of(sibling),
        "suspended key": key_of(suspended),
        "expired key": expired,
        "expired login": TokenSigner(JWT_SECRET).sign(
            Claims(sub="root", role="admin", method="password", jti="1", iat=1, exp=2)
        ),
        "made elsewhere": TokenSigner("another secret of thirty-two letters").sign(
            Claims(sub="root", role="admin", method="password", jti="1", iat=1, exp=2**40)
        ),
    }
    for name, password in PASSWORDS.items():
        session = client.post("/auth/login", json={"username": name, "password": password})
        tokens[name] = session.json()["token"]
    closed = client.patch(
        f"/accounts/{suspended.account}", json={"status": "suspended"}, headers=PLATFORM
    )
    assert closed.status_code == 200
    deadline = time.monotonic() + patience(30)
    headers = {"authorization": f"Bearer {expired}"}
    while client.get("/auth/whoami", headers=headers).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return World(client, platform, dsn, own, sibling, foreign, suspended, tokens)


def test_the_table_is_of_the_operations_that_there_are() -> None:
    assert RULES.keys() == {operation.id for operation in OPERATIONS}
    assert RULES.keys() >= KEYS_NEVER.keys()
    assert RULES.keys() >= {name for _, name in EXCEPTIONS}


@each(OPERATIONS)
def test_the_document_says_what_the_table_says(operation: Operation) -> None:
    rule = RULES[operation.id]
    role = "public" if operation.public else "admin" if operation.admin else "user"

    assert (role, operation.scope or "", operation.of_account) == (
        rule.role,
        rule.scope,
        rule.bound == "account",
    )
    assert not rule.scope or rule.scope in SCOPES
    assert rule.bound != "account" or rule.scope


@each(OF_ACCOUNT)
def test_the_request_is_one_that_is_carried_out(world: World, operation: Operation) -> None:
    """By whoever may; on an account of its own, since it changes what it names."""
    fresh = Items(world.platform, world.dsn, TENANT)

    answer = world.ask(operation, TOKEN, tenant=TENANT, items=fresh)

    if ("no round yet", operation.id) in EXCEPTIONS:
        assert answer.status_code == 404
        return
    assert answer.is_success, answer.text


@each(SECURED)
def test_nobody_gets_in_without_a_credential_that_is_valid(
    world: World, operation: Operation
) -> None:
    strange = ["wrong", "slk_" + "a" * 43, "a.b.c"]
    expired = [world.tokens[n] for n in ("expired key", "expired login", "made elsewhere")]
    for token in [None, *strange, *expired]:
        assert world.refusal(operation, token, tenant=TENANT) == (401, "unauthenticated"), token


@each([each for each in OPERATIONS if RULES[each.id].role == "public"])
def test_what_is_public_asks_nobody_for_a_credential(world: World, operation: Operation) -> None:
    answer = world.ask(operation, None)

    assert answer.status_code != 401 or answer.json()["code"] != "unauthenticated"


@each(SECURED)
def test_a_bound_credential_that_names_another_tenant_is_refused(
    world: World, operation: Operation
) -> None:
    for name, foreign in (("ann", "tenant-b"), ("ben", "tenant-a"), ("own key", "tenant-b")):
        assert world.refusal(operation, world.tokens[name], tenant=foreign) == (
            403,
            "tenant-mismatch",
        )


@each(OF_ACCOUNT)
def test_an_account_of_another_tenant_is_answered_like_one_that_does_not_exist(
    world: World, operation: Operation
) -> None:
    for token, tenant in ((TOKEN, "tenant-b"), (world.tokens["ben"], "")):
        foreign = world.refusal(operation, token, tenant=tenant)
        unknown = world.refusal(operation, token, tenant=tenant, account=NOWHERE)

        assert foreign == unknown == (404, "account-not-found")


@each(OF_ACCOUNT)
def test_a_platform_token_without_a_tenant_reaches_no_account(
    world: World, operation: Operation
) -> None:
    assert world.refusal(operation, TOKEN) == (403, "tenant-required")


@each(OF_ACCOUNT)
def test_the_key_of_another_account_reaches_nothing(world: World, operation: Operation) -> None:
    refusal = world.refusal(operation, world.tokens["sibling's key"])

    if operation.id in KEYS_NEVER and operation.id != "deleteAccount":
        assert refusal == (403, "account-key-not-allowed")
    else:
        assert refusal == (404, "account-not-found")


@each(ON_ITEMS)
def test_what_another_account_holds_is_answered_like_what_does_not_exist(
    world: World, operation: Operation
) -> None:
    """Its id is sent under an account that the caller may use."""
    for items in (world.sibling, world.foreign):
        for token, tenant in ((world.tokens["ann"], ""), (TOKEN, TENANT)):
            answer = world.ask(
                operation, token, items=items, account=world.own.account, tenant=tenant
            )
            if ("unproven", operation.id) in EXCEPTIONS and token != TOKEN:
                assert answer.json()["code"] == "deposit-unproven"
            elif operation.id == "createOracleRequest":
                assert [fault["field"] for fault in answer.json()["fields"]] == ["data_source_id"]
            elif operation.id == "listGasApprovals":
                assert answer.json() == []
            else:
                assert answer.status_code == 404, (operation.id, answer.text)
                assert answer.json()["code"].endswith("-not-found")
                assert answer.json()["code"] != "account-not-found"


def test_nothing_of_another_account_was_changed_by_that(world: World) -> None:
    """After the test above, in the order of this file."""
    for items, tenant in ((world.sibling, TENANT), (world.foreign, "tenant-b")):
        for operation in ON_ITEMS:
            if not RULES[operation.id].changes and operation.id != "getLatestPrice":
                answer = world.ask(operation, TOKEN, items=items, tenant=tenant)
                assert answer.is_success, (operation.id, answer.text)
                assert answer.json() != [] or operation.id in {
                    "listPriceSnapshots",
                    "listPriceRounds",
                    "listPriceObservations",
                    "listGasSettlementAttempts",
                }, operation.id


@each([each for each in SECURED if RULES[each.id].scope])
def test_a_key_with_all_scopes_but_the_one_that_is_needed_is_refused(
    world: World, operation: Operation
) -> None:
    scope = RULES[operation.id].scope
    answer = world.ask(operation, world.tokens[f"without {scope}"])

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")
    assert answer.json()["scope"] == scope


@each([each for each in SECURED if RULES[each.id].scope])
def test_a_key_with_the_scope_that_is_needed_is_not_refused_for_its_scope(
    world: World, operation: Operation
) -> None:
    """Under an account that is not there, so that nothing is changed."""
    answer = world.ask(
        operation, world.tokens[f"only {RULES[operation.id].scope}"], account=NOWHERE
    )

    assert answer.is_success or answer.json()["code"] in {
        "account-not-found",
        "account-key-not-allowed",
    }, answer.text


@each(OF_ACCOUNT)
def test_a_suspended_account_changes_nothing_and_its_keys_open_nothing(
    world: World, operation: Operation
) -> None:
    refusal = world.refusal(operation, world.tokens["suspended key"], items=world.suspended)
    if operation.id in KEYS_NEVER:
        assert refusal == (403, "account-key-not-allowed")
    else:
        assert refusal == (403, "account-suspended")
    for token, tenant in ((TOKEN, TENANT), (world.tokens["ann"], "")):
        if not RULES[operation.id].changes:
            answer = world.ask(operation, token, tenant=tenant, items=world.suspended)
            assert answer.is_success or ("no round yet", operation.id) in EXCEPTIONS
        elif ("suspended account", operation.id) not in EXCEPTIONS:
            assert world.refusal(operation, token, tenant=tenant, items=world.suspended) == (
                403,
                "account-suspended",
            )


@each([each for each in SECURED if RULES[each.id].role == "admin"])
def test_what_is_for_admins_refuses_everybody_else(world: World, operation: Operation) -> None:
    for token in (TOKEN, world.tokens["ann"], world.tokens["own key"]):
        assert world.refusal(operation, token, tenant=TENANT) == (403, "admin-only")
