"""Every operation of the OpenAPI document against every kind of caller who must be refused.

What is expected is derived from what the document says of an operation: whether it is public, needs
the role admin, acts on an account, which scope it needs. So an operation that is added later is
tried by itself. What differs stands in `EXCEPTIONS`, each with its reason.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from servicelayer_api.crypto.tokens import Claims, TokenSigner
from servicelayer_api.web.scopes import SCOPES
from support.api_server import JWT_SECRET, TOKEN, running_api
from support.openapi_operations import NOWHERE, Operation, operations
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
}

OPERATIONS = operations()
SECURED = [operation for operation in OPERATIONS if not operation.public]
OF_ACCOUNT = [operation for operation in SECURED if operation.of_account]


def each(chosen: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "operation", chosen, ids=[f"{o.verb.upper()} {o.path}" for o in chosen]
    )


class World(NamedTuple):
    """A server with accounts in every state, and the credentials of everybody."""

    client: httpx.Client
    account: str
    suspended: str
    tokens: dict[str, str]

    def ask(
        self, operation: Operation, token: str | None, *, account: str = "", tenant: str = ""
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        if tenant:
            headers["x-tenant-id"] = tenant
        answer = self.client.request(
            operation.verb,
            operation.target(account or self.account),
            json=operation.body(),
            headers=headers,
        )
        described = operation.described["responses"]
        assert str(answer.status_code) in described, (operation.id, answer.text)
        return answer

    def refusal(self, operation: Operation, token: str | None, **how: str) -> tuple[int, str]:
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
        running_api(url, folder, AUTH_USERS=auth_users()) as server,
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
    ):
        yield make_world(client)


def make_world(client: httpx.Client) -> World:
    def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body, headers=PLATFORM)
        assert answer.status_code == 201, answer.text
        return answer.json()

    account, sibling, suspended = (
        make("/accounts", {"owner": owner})["ID"] for owner in ("one", "two", "three")
    )
    limited = {
        f"without {scope}": make(
            f"/accounts/{account}/api-keys", {"name": "k", "scopes": sorted(SCOPES - {scope})}
        )["key"]
        for scope in sorted(SCOPES)
    }
    expired = make(f"/accounts/{account}/api-keys", {"name": "k", "expires_in_seconds": 1})["key"]
    tokens = {
        **limited,
        "own key": make(f"/accounts/{account}/api-keys", {"name": "k"})["key"],
        "sibling's key": make(f"/accounts/{sibling}/api-keys", {"name": "k"})["key"],
        "suspended key": make(f"/accounts/{suspended}/api-keys", {"name": "k"})["key"],
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
    closed = client.patch(f"/accounts/{suspended}", json={"status": "suspended"}, headers=PLATFORM)
    assert closed.status_code == 200
    deadline = time.monotonic() + 30
    headers = {"authorization": f"Bearer {expired}"}
    while client.get("/auth/whoami", headers=headers).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return World(client, account, suspended, tokens)


@each(SECURED)
def test_nobody_gets_in_without_a_credential_that_is_valid(
    world: World, operation: Operation
) -> None:
    strange = ["wrong", "slk_" + "a" * 43, "a.b.c"]
    expired = [world.tokens[n] for n in ("expired key", "expired login", "made elsewhere")]
    for token in [None, *strange, *expired]:
        assert world.refusal(operation, token, tenant=TENANT) == (401, "unauthenticated"), token


@each([operation for operation in OPERATIONS if operation.public])
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

        assert foreign == unknown
        # What is wrong with the input itself may be said before anything is looked up.
        assert foreign[0] == 404 or (foreign[0] == 400 and operation.has_input), foreign


@each(OF_ACCOUNT)
def test_a_platform_token_without_a_tenant_reaches_no_account(
    world: World, operation: Operation
) -> None:
    status, code = world.refusal(operation, TOKEN)

    assert (status, code) == (403, "tenant-required") or (status == 400 and operation.has_input)


@each(OF_ACCOUNT)
def test_the_key_of_another_account_reaches_nothing(world: World, operation: Operation) -> None:
    status, code = world.refusal(operation, world.tokens["sibling's key"])

    assert (
        status == 404
        or code == "account-key-not-allowed"
        or (status == 400 and operation.has_input)
    ), (status, code)


@each([operation for operation in SECURED if operation.path.startswith("/accounts")])
def test_every_operation_on_accounts_names_a_scope_that_exists(operation: Operation) -> None:
    assert operation.scope in SCOPES
    assert operation.verb == "get" or operation.writes or operation.scope.endswith(":read")


@each([operation for operation in SECURED if operation.scope])
def test_a_key_with_all_scopes_but_the_one_that_is_needed_is_refused(
    world: World, operation: Operation
) -> None:
    refusal = world.refusal(operation, world.tokens[f"without {operation.scope}"])

    assert refusal == (403, "insufficient-scope")


@each(OF_ACCOUNT)
def test_a_suspended_account_changes_nothing_and_its_keys_open_nothing(
    world: World, operation: Operation
) -> None:
    status, code = world.refusal(operation, world.tokens["suspended key"], account=world.suspended)
    assert code in {"account-suspended", "account-key-not-allowed"} or (
        status == 400 and operation.has_input
    )
    if operation.writes and ("suspended account", operation.id) not in EXCEPTIONS:
        status, code = world.refusal(operation, TOKEN, tenant=TENANT, account=world.suspended)
        assert code == "account-suspended" or (status == 400 and operation.has_input)


@each([operation for operation in SECURED if operation.admin])
def test_what_is_for_admins_refuses_everybody_else(world: World, operation: Operation) -> None:
    for token in (TOKEN, world.tokens["ann"], world.tokens["own key"]):
        status, code = world.refusal(operation, token, tenant=TENANT)

        assert (status, code) == (403, "admin-only") or (status == 400 and operation.has_input)


def test_every_exception_is_about_an_operation_that_exists() -> None:
    assert {name for _, name in EXCEPTIONS} <= {operation.id for operation in OPERATIONS}
