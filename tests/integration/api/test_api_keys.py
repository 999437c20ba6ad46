"""Account API keys on the real server: scopes, rotation, expiry, use."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

from servicelayer_api.api_keys.service import ApiKeys
from servicelayer_api.clock import FixedClock
from servicelayer_api.db import Database
from servicelayer_api.errors import Unauthenticated
from support.api_server import running_api
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

SECOND = timedelta(seconds=1)


@pytest.fixture
def keys(client: httpx.Client) -> str:
    """The path of the keys of an account."""
    account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
    return f"/accounts/{account}/api-keys"


def make(client: httpx.Client, keys: str, **members: Any) -> dict[str, Any]:
    answer = client.post(keys, json={"name": "k", **members})
    assert answer.status_code == 201, answer.text
    return answer.json()


def status(client: httpx.Client, key: str, path: str, method: str = "GET") -> int:
    headers = {"authorization": f"Bearer {key}"}
    body = {"owner": "changed"} if method == "PATCH" else None
    return client.request(method, path, json=body, headers=headers).status_code


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + patience(30)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_limited_key_does_what_its_scopes_allow_and_no_more(
    client: httpx.Client, keys: str
) -> None:
    account = keys.removesuffix("/api-keys")
    made = make(client, keys, scopes=["wallets:read", "accounts:read", "wallets:read"])

    assert made["scopes"] == ["accounts:read", "wallets:read"]
    assert status(client, made["key"], account) == 200
    assert status(client, made["key"], "/accounts") == 200
    assert status(client, made["key"], f"{account}/workspace-wallets") == 200
    assert status(client, made["key"], account, "PATCH") == 403
    assert status(client, made["key"], "/auth/whoami") == 200


@pytest.mark.parametrize("scopes", [[], ["all"], ["accounts:read", "ACCOUNTS:READ"], ["*"], [1]])
def test_scopes_that_do_not_exist_are_refused(
    client: httpx.Client, keys: str, scopes: list[object]
) -> None:
    assert client.post(keys, json={"name": "k", "scopes": scopes}).status_code == 400


def test_a_rotated_key_and_its_successor_both_open_until_the_overlap_ends(
    client: httpx.Client, keys: str
) -> None:
    account = keys.removesuffix("/api-keys")
    old = make(client, keys, scopes=["accounts:read"])
    long = client.post(f"{keys}/{old['id']}/rotate", json={"overlap_seconds": 3600})
    new = long.json()

    assert long.status_code == 201
    assert (new["name"], new["scopes"]) == (old["name"], old["scopes"])
    assert new["key"] != old["key"]
    assert [status(client, key["key"], account) for key in (old, new)] == [200, 200]
    shown = {key["id"]: key for key in client.get(keys).json()}
    assert shown[old["id"]]["replaced_by"] == new["id"]
    assert "expires_at" in shown[old["id"]]
    assert "key" not in shown[new["id"]]

    newest = client.post(f"{keys}/{new['id']}/rotate", json={"overlap_seconds": 0}).json()
    assert [status(client, key["key"], account) for key in (new, newest)] == [401, 200]
    again = client.post(f"{keys}/{new['id']}/rotate", json={"overlap_seconds": 0})
    assert (again.status_code, again.json()["code"]) == (409, "api-key-replaced")


@pytest.mark.parametrize("body", [{}, {"overlap_seconds": -1}, {"overlap_seconds": 10**8}])
def test_an_overlap_must_be_named_and_bounded(
    client: httpx.Client, keys: str, body: dict[str, int]
) -> None:
    made = make(client, keys)

    assert client.post(f"{keys}/{made['id']}/rotate", json=body).status_code == 400


def test_a_key_that_is_not_there_cannot_be_rotated(client: httpx.Client, keys: str) -> None:
    revoked = make(client, keys)["id"]
    client.delete(f"{keys}/{revoked}")
    for key_id in (revoked, str(uuid4()), "x"):
        answer = client.post(f"{keys}/{key_id}/rotate", json={"overlap_seconds": 0})

        assert (answer.status_code, answer.json()["code"]) == (404, "api-key-not-found")


def test_a_key_expires_by_itself_and_a_rotation_gives_it_the_same_life_again(
    client: httpx.Client, keys: str
) -> None:
    account = keys.removesuffix("/api-keys")
    short = make(client, keys, expires_in_seconds=2)
    long = make(client, keys, expires_in_seconds=3600)
    rotated = client.post(f"{keys}/{long['id']}/rotate", json={"overlap_seconds": 60}).json()

    assert status(client, short["key"], account) == 200
    wait_until(lambda: status(client, short["key"], account) == 401)
    late = client.post(f"{keys}/{short['id']}/rotate", json={"overlap_seconds": 60})
    assert (late.status_code, late.json()["code"]) == (409, "api-key-replaced")
    assert rotated["expires_at"] > long["expires_at"]


class _Accounts:
    """Where a replica hears of its own accounts that were closed: of none here."""

    def when_closed(self, _tell: object) -> None:
        """Tell nothing."""


async def test_another_replica_trusts_a_key_for_seconds_and_never_past_its_end(
    database_url: str, tmp_path: Path
) -> None:
    clock = FixedClock(datetime.now(UTC))
    database = Database(database_url)
    await database.open()
    replica = ApiKeys(database, clock, cast("Any", None), cast("Any", _Accounts()))
    try:
        with running_api(database_url, tmp_path) as api, api.client() as one:
            keys = f"/accounts/{one.post('/accounts', json={'owner': 'o'}).json()['ID']}/api-keys"
            revoked, short = make(one, keys), make(one, keys, expires_in_seconds=3600)
            assert await replica.find_credential(revoked["key"]) is not None
            one.delete(f"{keys}/{revoked['id']}").raise_for_status()
        clock.advance(timedelta(seconds=5))
        assert await replica.find_credential(revoked["key"]) is None
        clock.advance(datetime.fromisoformat(short["expires_at"]) - clock.now() - SECOND)
        assert await replica.find_credential(short["key"]) is not None
        clock.advance(SECOND)
        with pytest.raises(Unauthenticated, match="expired"):
            await replica.find_credential(short["key"])
    finally:
        await database.close()


def test_the_last_use_shows_up_by_itself(client: httpx.Client, keys: str) -> None:
    made = make(client, keys)
    unused = make(client, keys, name="unused")
    status(client, made["key"], "/accounts")

    def last_use(key_id: str) -> str | None:
        return {key["id"]: key.get("last_used_at") for key in client.get(keys).json()}[key_id]

    wait_until(lambda: last_use(made["id"]) is not None)
    assert last_use(unused["id"]) is None


def test_expired_keys_take_no_room(client: httpx.Client, keys: str) -> None:
    made = [make(client, keys, expires_in_seconds=3600) for _ in range(100)]
    full = client.post(keys, json={"name": "k"})
    rotated = client.post(f"{keys}/{made[0]['id']}/rotate", json={"overlap_seconds": 0})
    client.delete(f"{keys}/{made[1]['id']}")
    after = client.post(keys, json={"name": "k"})

    assert (full.status_code, full.json()["code"]) == (409, "too-many-api-keys")
    assert (rotated.status_code, after.status_code) == (201, 201)
