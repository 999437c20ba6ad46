"""Every operation that yields a credential or an approval: never wider than its maker, nor longer.

Which operations those are stands in `support/operation_table.py`, written by hand, which holds
every operation of the OpenAPI document: one that is added must be judged before this passes. What
"wider" means is asked of the server: whatever a credential may do in `PROBES`, the one that made it
may do as well.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import pytest

from servicelayer_api.web.scopes import SCOPES
from support.api_server import ApiProcess, running_api
from support.neo_wallet import NeoWallet
from support.openapi_operations import operations
from support.operation_table import RULES
from support.patience import patience
from support.people import PASSWORDS, auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres

# What each yields, and to whom. An approval counts for a person; see test_gas_approvals.
YIELDS: Final = {
    "login": "a token of the user whose password was sent",
    "walletLogin": "a session of the wallet whose signature was sent",
    "createWorkspaceWallet": "the right of the wallet to log in for the account",
    "createApiKey": "a key of the account",
    "rotateApiKey": "a key of the account",
    "decideGasWithdrawal": "an approval",
}
SCOPED: Final = sorted(SCOPES - {"gasbank:approve"})


def test_every_operation_is_judged() -> None:
    assert RULES.keys() == {operation.id for operation in operations()}
    assert {name for name, rule in RULES.items() if rule.yields} == YIELDS.keys()


class World(NamedTuple):
    """A server, another without ann among its users, and two accounts that ann opened."""

    api: ApiProcess
    without_ann: ApiProcess
    own: str
    other: str

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.api.url,
            headers={"authorization": f"Bearer {token}"},
            timeout=20,
            trust_env=False,
        )

    def may(self, token: str) -> set[str]:
        """The probes that a credential passes."""
        with self.client(token) as client:
            return {name for name, probe in PROBES.items() if probe(self, client) < 400}

    def opens(self, token: str, server: ApiProcess | None = None) -> int:
        url = f"{(server or self.api).url}/accounts/{self.own}"
        return httpx.get(
            url, headers={"authorization": f"Bearer {token}"}, trust_env=False
        ).status_code


def login(world: World, name: str = "ann") -> str:
    body = {"username": name, "password": PASSWORDS[name]}
    return str(httpx.post(f"{world.api.url}/auth/login", json=body).json()["token"])


def make_key(world: World, token: str, **body: Any) -> httpx.Response:
    with world.client(token) as client:
        return client.post(f"/accounts/{world.own}/api-keys", json={"name": "k", **body})


def rotate(world: World, token: str, key_id: str) -> httpx.Response:
    with world.client(token) as client:
        return client.post(
            f"/accounts/{world.own}/api-keys/{key_id}/rotate", json={"overlap_seconds": 60}
        )


def register(
    world: World, token: str, wallet: NeoWallet, account: str = "", **body: str
) -> httpx.Response:
    with world.client(token) as client:
        return client.post(
            f"/accounts/{account or world.own}/workspace-wallets",
            json={"wallet_address": wallet.address, **body},
        )


def wallet_login(world: World, wallet: NeoWallet) -> httpx.Response:
    with httpx.Client(base_url=world.api.url, timeout=20, trust_env=False) as client:
        given = client.post("/auth/wallet/challenge", json={"wallet": wallet.address}).json()
        return client.post("/auth/wallet/login", json=wallet.proof(given["message"]))


def session_of(world: World, wallet: NeoWallet) -> str:
    answer = wallet_login(world, wallet)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def new_session(world: World, by: str) -> str:
    wallet = NeoWallet()
    assert register(world, by, wallet).status_code == 201
    return session_of(world, wallet)


PROBES: Final[dict[str, Callable[[World, httpx.Client], int]]] = {
    "read own": lambda w, c: c.get(f"/accounts/{w.own}").status_code,
    "read other": lambda w, c: c.get(f"/accounts/{w.other}").status_code,
    "see other listed": lambda w, c: 200 if w.other in c.get("/accounts").text else 404,
    "secret of own": lambda w, c: c.get(f"/accounts/{w.own}/secrets/s").status_code,
    "secret of other": lambda w, c: c.get(f"/accounts/{w.other}/secrets/s").status_code,
    "gas of own": lambda w, c: c.get(f"/accounts/{w.own}/gasbank").status_code,
    "gas of other": lambda w, c: c.get(f"/accounts/{w.other}/gasbank").status_code,
    "keys of own": lambda w, c: c.get(f"/accounts/{w.own}/api-keys").status_code,
    "keys of other": lambda w, c: c.get(f"/accounts/{w.other}/api-keys").status_code,
    "make keys of own": lambda w, c: (
        c.post(
            f"/accounts/{w.own}/api-keys", json={"name": "probe", "expires_in_seconds": 1}
        ).status_code
    ),
    "register wallets": lambda w, c: (
        c.post(
            f"/accounts/{w.own}/workspace-wallets", json={"wallet_address": NeoWallet().address}
        ).status_code
    ),
    "change own": lambda w, c: c.patch(f"/accounts/{w.own}", json={"owner": "o"}).status_code,
    "open accounts": lambda _, c: c.post("/accounts", json={"owner": "o"}).status_code,
    "other tenant": lambda _, c: (
        c.get("/accounts", headers={"x-tenant-id": "tenant-b"}).status_code
    ),
    "admin": lambda _, c: (
        c.get("/admin/config/chains", headers={"x-tenant-id": "tenant-a"}).status_code
    ),
}


@pytest.fixture(scope="module")
def world(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("chain")
    users = auth_users()
    without = ",".join(user for user in users.split(",") if not user.startswith("ann:"))
    with (
        own_database(postgres) as url,
        running_api(url, folder, AUTH_USERS=users) as api,
        running_api(url, folder, AUTH_USERS=without) as other,
    ):
        bare = World(api, other, "", "")
        with bare.client(login(bare)) as ann:
            own, sibling = (
                str(ann.post("/accounts", json={"owner": "o"}).json()["ID"]) for _ in range(2)
            )
            for account in (own, sibling):
                made = ann.post(f"/accounts/{account}/secrets", json={"name": "s", "value": "v"})
                assert made.status_code == 201
        yield World(api, other, own, sibling)


def makers(world: World) -> dict[str, str]:
    """A credential of each kind that may stand before a route."""
    ann = login(world)
    return {
        "user": ann,
        "wallet": new_session(world, ann),
        "key": make_key(world, ann).json()["key"],
        "scoped key": make_key(world, ann, scopes=SCOPED).json()["key"],
        "narrow key": make_key(world, ann, scopes=["wallets:write", "api-keys:write"]).json()[
            "key"
        ],
    }


MAKERS: Final = ("user", "wallet", "key", "scoped key", "narrow key")


@pytest.mark.parametrize("kind", MAKERS)
def test_a_key_may_nothing_that_its_maker_may_not(world: World, kind: str) -> None:
    maker = makers(world)[kind]
    made = make_key(world, maker)

    if "key" in kind:
        assert (made.status_code, made.json()["code"]) == (403, "account-key-not-allowed")
        return
    assert world.may(made.json()["key"]) <= world.may(maker)
    rotated = rotate(world, maker, made.json()["id"])
    assert world.may(rotated.json()["key"]) <= world.may(maker)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_wallet_s_session_may_nothing_that_who_registered_it_may_not(
    world: World, kind: str
) -> None:
    maker, wallet = makers(world)[kind], NeoWallet()
    answer = register(world, maker, wallet)

    if "key" in kind:
        assert answer.status_code == 403
        assert wallet_login(world, wallet).status_code == 401
        return
    assert answer.status_code == 201
    session = session_of(world, wallet)
    assert world.may(session) <= world.may(maker)
    assert world.may(session) >= {"read own", "secret of own", "keys of own", "change own"}


def test_keys_rotate_no_keys(world: World) -> None:
    held = makers(world)
    key_id = make_key(world, held["user"]).json()["id"]

    for kind in ("key", "scoped key", "narrow key"):
        assert rotate(world, held[kind], key_id).status_code == 403


def test_a_session_acts_for_the_accounts_of_its_wallet_and_no_others(world: World) -> None:
    ann, wallet = login(world), NeoWallet()
    register(world, ann, wallet)
    first = session_of(world, wallet)
    with world.client(first) as client:
        assert [account["ID"] for account in client.get("/accounts").json()] == [world.own]
        for verb, path, body in (
            ("get", f"/accounts/{world.other}/secrets/s", None),
            ("post", f"/accounts/{world.other}/api-keys", {"name": "k"}),
            ("delete", f"/accounts/{world.other}", None),
        ):
            answer = client.request(verb, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "account-not-found")
        refused = client.post("/accounts", json={"owner": "o"})
        assert (refused.status_code, refused.json()["code"]) == (403, "account-bound")
    register(world, ann, wallet, world.other)

    assert "read other" not in world.may(first)  # it was opened before
    assert world.may(session_of(world, wallet)) >= {"read own", "read other", "see other listed"}


@pytest.mark.parametrize("status", ["revoked", "signer", "inactive", "Suspended", " active"])
def test_a_wallet_that_is_not_active_does_not_log_in(world: World, status: str) -> None:
    wallet = NeoWallet()
    assert register(world, login(world), wallet, status=status).status_code == 201

    assert wallet_login(world, wallet).status_code == 401


@pytest.mark.parametrize("status", ["", "active", "ACTIVE"])
def test_a_wallet_that_is_active_logs_in(world: World, status: str) -> None:
    wallet = NeoWallet()
    assert register(world, login(world), wallet, status=status).status_code == 201

    assert wallet_login(world, wallet).status_code == 200


def test_with_a_wallet_ends_all_that_was_made_by_it(world: World) -> None:
    ann, wallet, second = login(world), NeoWallet(), NeoWallet()
    path = f"/accounts/{world.own}/workspace-wallets/{register(world, ann, wallet).json()['ID']}"
    session = session_of(world, wallet)
    assert register(world, session, second).status_code == 201
    by_second = session_of(world, second)
    made = make_key(world, session).json()
    of_second = make_key(world, by_second).json()["key"]
    rotated = rotate(world, session, made["id"]).json()["key"]
    descended = (session, by_second, made["key"], of_second, rotated)
    # Another process trusts what it looked up for a few seconds.
    for token in descended:
        assert world.opens(token) == 200
    with world.client(ann) as client:
        assert client.delete(path).status_code == 204

    for token in descended:
        wait_until(lambda token=token: world.opens(token) == 401)
    assert wallet_login(world, wallet).status_code == 401
    assert wallet_login(world, second).status_code == 401
    assert register(world, ann, wallet).status_code == 201
    assert world.opens(session) == 401  # registered anew is another right
    assert world.opens(session_of(world, wallet)) == 200


def test_what_a_user_made_ends_with_the_user(world: World) -> None:
    ann, wallet = login(world), NeoWallet()
    key = make_key(world, ann).json()["key"]
    register(world, ann, wallet)
    session = session_of(world, wallet)
    of_session = make_key(world, session).json()["key"]

    for token in (ann, key, session, of_session):
        assert world.opens(token) == 200
        assert world.opens(token, world.without_ann) == 401


def test_a_suspended_account_opens_to_no_key_and_no_wallet(world: World) -> None:
    with world.api.client() as platform:
        account = str(platform.post("/accounts", json={"owner": "o"}).json()["ID"])
        there = World(world.api, world.without_ann, account, world.other)
        ann = login(world)
        session, key = new_session(there, ann), make_key(there, ann).json()["key"]
        path = f"/accounts/{account}"
        assert platform.patch(path, json={"status": "suspended"}).status_code == 200
        for token in (session, key):
            with world.client(token) as client:
                for asked in (path, f"{path}/secrets", "/accounts"):
                    answer = client.get(asked)
                    assert (answer.status_code, answer.json()["code"]) == (
                        403,
                        "account-suspended",
                    )
        assert platform.patch(path, json={"status": "active"}).status_code == 200
        for token in (session, key):
            assert there.opens(token) == 200
        assert platform.delete(path).status_code == 204
    for token in (session, key):
        assert there.opens(token) == 401


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + patience(30)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_request_that_is_sent_again_meets_its_answer_though_a_right_went(world: World) -> None:
    wallet = NeoWallet()
    with world.api.client() as platform:
        own, other = (
            str(platform.post("/accounts", json={"owner": "o"}).json()["ID"]) for _ in range(2)
        )
        registered = {
            account: platform.post(
                f"/accounts/{account}/workspace-wallets", json={"wallet_address": wallet.address}
            ).json()["ID"]
            for account in (own, other)
        }
        gas = str(platform.post(f"/accounts/{own}/gasbank", json={}).json()["ID"])
        deposit = {"gas_account_id": gas, "amount": 10, "tx_id": f"again-{gas}"}
        assert platform.post(f"/accounts/{own}/gasbank/deposit", json=deposit).is_success
        with world.client(session_of(world, wallet)) as session:
            answers = [pay(session, own, gas) for _ in range(2)]
            gone = f"/accounts/{other}/workspace-wallets/{registered[other]}"
            assert platform.delete(gone).status_code == 204
            wait_until(lambda: session.get(f"/accounts/{other}").status_code == 404)
            answers.append(pay(session, own, gas))
            # Where the right itself went, nothing is given again.
            gone = f"/accounts/{own}/workspace-wallets/{registered[own]}"
            assert platform.delete(gone).status_code == 204
            wait_until(lambda: pay(session, own, gas).status_code != 200)
            refused = pay(session, own, gas)

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.json()["transaction"]["ID"] for answer in answers}) == 1
    assert refused.status_code in {401, 404}


def pay(session: httpx.Client, account: str, gas: str) -> httpx.Response:
    return session.post(
        f"/accounts/{account}/gasbank/withdraw",
        json={"gas_account_id": gas, "amount": 3, "to_address": f"0x{'ab' * 20}"},
        headers={"idempotency-key": "pay-1"},
    )
