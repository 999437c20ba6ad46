"""The configuration by the real server: true PATCH, masked keys, quotas, every change audited."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.admin import Quotas
from servicelayer_api.admin.errors import RequestQuotaExceeded
from servicelayer_api.admin.requests import RequestQuota
from servicelayer_api.app import build_core
from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.settings import Secret, Settings
from support.api_server import ENCRYPTION_KEY, ApiProcess, running_api
from support.patience import patience
from support.people import auth_users, logged_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "/admin/config"
CHAIN = {"chain_id": "neo", "rpc_url": "https://n.test"}
PROVIDER = {"name": "p", "type": "price_feed", "base_url": "https://p.test"}
KEY = "canary-provider-key-8842"
# Of each collection: what makes an item, what changes it, and under which key it is found.
COLLECTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "chains": (CHAIN, {"weight": 3}, "id"),
    "providers": (PROVIDER, {"retries": 3}, "id"),
    "settings": ({"key": "k", "value": "v", "description": "d"}, {"value": "w"}, "key"),
    "features": ({"key": "f", "enabled": True, "description": "d"}, {"rollout": 5}, "key"),
    "quotas": ({"tenant_id": "t", "max_accounts": 7}, {"max_functions": 3}, "tenant_id"),
    "methods": ({"chain_id": "c", "methods": ["a", "b"]}, {"methods": ["c"]}, "chain_id"),
}
NO_TIME = "0001-01-01T00:00:00Z"


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with running_api(database_url, tmp_path, AUTH_USERS=auth_users()) as process:
        yield process


def admin(server: ApiProcess, name: str = "root", **headers: str) -> httpx.Client:
    known = {"x-tenant-id": "t"} if name == "root" else {}
    return logged_in(server, name, **{**known, **headers})


def make(root: httpx.Client, collection: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = root.post(f"{CONFIG}/{collection}", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_item_is_made_shown_changed_replaced_and_deleted(
    server: ApiProcess, collection: str
) -> None:
    body, change, key_name = COLLECTIONS[collection]
    with admin(server) as root:
        made = make(root, collection, body)
        path = f"{CONFIG}/{collection}/{made[key_name]}"
        shown = root.get(path).json()
        assert body.items() <= shown.items()
        assert root.get(f"{CONFIG}/{collection}").json() == [shown]

        changed = root.patch(path, json=change).json()
        stamps = {"updated_at"} & shown.keys()
        expected = {**shown, **change} | {name: changed[name] for name in stamps}
        assert changed == expected == root.get(path).json()
        if stamps:
            assert changed["updated_at"] > shown["updated_at"] > NO_TIME
        assert root.patch(path, json={}).status_code == 200

        replaced = root.put(path, json=body)
        assert replaced.status_code == 200
        emptied = root.get(path).json()
        (name,) = change
        empty = {} if name in body else {name: 0}
        assert {**body, **empty}.items() <= emptied.items()
        # What was read can be sent back whole.
        assert root.put(path, json=emptied).status_code == 200

        if collection in {"features", "methods"}:
            assert root.delete(path).status_code == 405
        else:
            assert root.delete(path).status_code == 204
            assert root.get(path).status_code == 404
            assert root.delete(path).status_code == 204
            assert root.get(f"{CONFIG}/{collection}").json() == []


def test_unknown_items_taken_names_and_bad_bodies_get_their_own_refusals(
    server: ApiProcess,
) -> None:
    unknown = "00000000-0000-4000-8000-00000000dead"
    with admin(server) as root:
        for collection, (body, change, _) in COLLECTIONS.items():
            for item in (unknown, "x"):
                path = f"{CONFIG}/{collection}/{item}"
                assert root.get(path).status_code == 404, path
                assert root.patch(path, json=change).json()["code"] == "config-not-found", path
            if collection in {"chains", "providers"}:
                assert root.put(f"{CONFIG}/{collection}/{unknown}", json=body).status_code == 404
            make(root, collection, body)
            again = root.post(f"{CONFIG}/{collection}", json=body)
            taken = collection != "chains"
            assert again.status_code == (409 if taken else 201), collection
            assert root.post(f"{CONFIG}/{collection}", json={}).status_code == 400
            assert root.post(f"{CONFIG}/{collection}", json={"no": 1}).status_code == 400
        second = make(root, "providers", {**PROVIDER, "name": "q"})
        clash = root.patch(f"{CONFIG}/providers/{second['id']}", json={"name": "p"})
        assert clash.json()["code"] == "config-exists"
        # An item that the caller names is made by PUT.
        made = root.put(f"{CONFIG}/settings/new", json={"value": "v"})
        assert (made.status_code, made.json()["updated_by"]) == (200, "root")
        assert root.put(f"{CONFIG}/settings/new", json={"key": "other"}).status_code == 400
        for body in ({"rollout": 101}, {"rollout": -1}, {"enabled": "yes"}, {"key": "\0"}):
            assert root.patch(f"{CONFIG}/features/f", json=body).status_code == 400


def test_lists_are_cut_filtered_and_followed_by_cursor(server: ApiProcess) -> None:
    with admin(server) as root:
        for number in range(5):
            body = {"key": f"k{number}", "value": "", "category": f"c{number % 2}"}
            make(root, "settings", body)
        make(root, "providers", PROVIDER)

        seen: list[str] = []
        path = f"{CONFIG}/settings?limit=2"
        while path:
            answer = root.get(path)
            seen += [item["key"] for item in answer.json()]
            path = answer.links.get("next", {}).get("url", "")
        assert seen == [f"k{number}" for number in range(5)]
        odd = root.get(f"{CONFIG}/settings", params={"category": "c1"}).json()
        assert [item["key"] for item in odd] == ["k1", "k3"]
        assert root.get(f"{CONFIG}/providers", params={"type": "none"}).json() == []
        assert len(root.get(f"{CONFIG}/providers", params={"type": "price_feed"}).json()) == 1


def test_only_an_admin_of_the_platform_may_look_or_touch(server: ApiProcess) -> None:
    with (
        admin(server) as root,
        admin(server, "ben") as ben,
        admin(server, "ann") as ann,
        server.client() as token,
    ):
        make(root, "quotas", {"tenant_id": "tenant-b", "max_accounts": 3})
        for collection, (body, _, _) in COLLECTIONS.items():
            for client, code in ((ben, "platform-admin-only"), (ann, "admin-only")):
                path = f"{CONFIG}/{collection}"
                for answer in (
                    client.get(path),
                    client.post(path, json=body),
                    client.put(f"{path}/x", json=body),
                    client.patch(f"{path}/x", json={}),
                    client.get(f"{path}/x"),
                ):
                    assert (answer.status_code, answer.json()["code"]) == (403, code)
            assert token.get(f"{CONFIG}/{collection}").json()["code"] == "admin-only"
        assert ben.get(f"{CONFIG}/quotas/tenant-b").json()["max_accounts"] == 3
        nameless = httpx.Headers(root.headers)
        del nameless["x-tenant-id"]
        bare = httpx.get(f"{server.url}{CONFIG}/chains", headers=nameless, trust_env=False)
        assert bare.status_code == 200


async def fetch(url: str, query: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query, *values)
    finally:
        await connection.close()


def test_provider_key_is_sealed_and_shown_nowhere(server: ApiProcess, database_url: str) -> None:
    def sealed() -> bytes | None:
        rows = asyncio.run(fetch(database_url, "SELECT api_key_sealed FROM admin_providers"))
        return rows[0]["api_key_sealed"]

    with admin(server) as root:
        made = make(root, "providers", {**PROVIDER, "api_key": KEY})
        path = f"{CONFIG}/providers/{made['id']}"
        answers = [made, root.get(path).json(), *root.get(f"{CONFIG}/providers").json()]
        answers += [root.patch(path, json={"retries": 2}).json()]
        first = sealed()
        assert first
        # Neither a change of something else nor the mask sent back touches the key.
        answers += [root.put(path, json=root.get(path).json()).json()]
        assert sealed() == first
        assert [answer["api_key"] for answer in answers] == ["********"] * 5

        assert root.patch(path, json={"api_key": "another"}).json()["api_key"] == "********"
        assert sealed() not in {first, None}
        assert root.patch(path, json={"api_key": ""}).json()["api_key"] == ""
        assert sealed() is None
        everything = root.get("/admin/audit").text
    rows = asyncio.run(fetch(database_url, "SELECT * FROM audit_log"))
    for place in (json.dumps(answers), everything, server.output(), str(first), str(rows)):
        assert KEY not in place
    assert opened(database_url, first, made["id"]) == KEY.encode()


def opened(url: str, sealed: bytes, provider_id: str) -> bytes:
    from servicelayer_api import vault  # noqa: PLC0415 - only this look behind the curtain needs it

    async def open_it() -> bytes:
        settings = Settings(database_url=Secret(url), secret_encryption_key=Secret(ENCRYPTION_KEY))
        core = build_core(settings, metrics=CollectorRegistry())
        await core.database.open()
        try:
            safe = vault.build_service(core)
            await safe.unlock()
            async with core.database.connection() as connection:
                context = f"admin-provider|{UUID(provider_id)}|api-key"
                return await safe.open(connection, None, sealed, context=context)
        finally:
            await core.database.close()

    return asyncio.run(open_it())


def test_every_change_is_in_the_audit_log_with_digests_of_before_and_after(
    server: ApiProcess,
) -> None:
    with admin(server) as root:
        make(root, "settings", {"key": "k", "value": "v"})
        path = f"{CONFIG}/settings/k"
        root.patch(path, json={"value": "w"})
        root.put(path, json={"value": "x"})
        root.delete(path)
        root.delete(path)
        entries = root.get("/admin/audit", params={"contains": "/admin/config"}).json()

    assert [(entry["action"], entry["status"], entry["route"]) for entry in entries] == [
        ("admin.setting.create", 201, "/admin/config/settings"),
        ("admin.setting.change", 200, "/admin/config/settings/{key}"),
        ("admin.setting.replace", 200, "/admin/config/settings/{key}"),
        ("admin.setting.delete", 204, "/admin/config/settings/{key}"),
    ]
    assert [(bool(entry["before"]), bool(entry["after"])) for entry in entries] == [
        (False, True),
        (True, True),
        (True, True),
        (True, False),
    ]
    assert len({entry[name] for entry in entries for name in ("before", "after")}) == 7
    assert {entry["resource_id"] for entry in entries} == {"k"}


def test_tenant_cannot_have_more_accounts_than_its_quota_however_many_ask_at_once(
    server: ApiProcess,
) -> None:
    with admin(server) as root, server.client(**{"x-tenant-id": "small"}) as client:
        make(root, "quotas", {"tenant_id": "small", "max_accounts": 3})
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _: client.post("/accounts", json={"owner": "o"}), range(12))
            )
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 9
        refused = next(answer for answer in answers if answer.status_code == 403).json()
        assert (refused["code"], refused["quota"], refused["limit"]) == (
            "quota-exceeded",
            "max_accounts",
            3,
        )
        assert len(client.get("/accounts").json()) == 3
        with server.client(**{"x-tenant-id": "other"}) as other:
            assert other.post("/accounts", json={"owner": "o"}).status_code == 201

        root.patch(f"{CONFIG}/quotas/small", json={"max_accounts": 4})
        assert client.post("/accounts", json={"owner": "o"}).status_code == 201
        assert client.post("/accounts", json={"owner": "o"}).status_code == 403
        root.delete(f"{CONFIG}/quotas/small")
        assert client.post("/accounts", json={"owner": "o"}).status_code == 201


def test_tenant_that_used_up_its_requests_waits_while_admins_and_others_go_on(
    server: ApiProcess,
) -> None:
    with admin(server) as root, server.client(**{"x-tenant-id": "busy"}) as client:
        make(root, "quotas", {"tenant_id": "busy", "max_requests_per_day": 3})
        answers = [client.get("/accounts") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        problem = answers[-1].json()
        assert (problem["code"], problem["quota"]) == (
            "request-quota-exceeded",
            "max_requests_per_day",
        )
        assert 0 < int(answers[-1].headers["retry-after"]) <= 86400
        busy = admin(server, **{"x-tenant-id": "busy"})
        with busy:
            assert busy.get(f"{CONFIG}/quotas").status_code == 200
        with server.client() as other:
            assert other.get("/accounts").status_code == 200
        assert httpx.get(f"{server.url}/readyz", trust_env=False).status_code == 200
        root.patch(f"{CONFIG}/quotas/busy", json={"max_requests_per_day": 0})
        assert client.get("/accounts").status_code == 200


async def test_processes_share_what_they_let_through(database_url: str) -> None:
    database, clock = Database(database_url), SystemClock()
    await database.open()
    try:
        await fetch(
            database_url,
            "INSERT INTO admin_quotas VALUES ('t', 0, 0, 0, 0, 0, 0, 10, '{}', now(), 'x')",
        )
        one, two = (RequestQuota(database, clock, Quotas(database, clock)) for _ in range(2))
        for _ in range(4):
            await one.take("t")
            await two.take("t")
        await one.share()
        await two.share()
        # The second has heard of all eight, the first of its own four.
        await two.take("t")
        await two.take("t")
        with pytest.raises(RequestQuotaExceeded):
            await two.take("t")
        await two.share()
        await one.take("t")
        await one.share()
        with pytest.raises(RequestQuotaExceeded):
            await one.take("t")
        (row,) = await fetch(database_url, "SELECT * FROM admin_request_counts")
        assert (row["tenant"], row["period"], row["requests"]) == ("t", "day", 11)
        await one.prune()
        assert await fetch(database_url, "SELECT FROM admin_request_counts")
    finally:
        await database.close()


def test_counts_reach_the_database_while_the_server_runs(
    server: ApiProcess, database_url: str
) -> None:
    with admin(server) as root, server.client(**{"x-tenant-id": "busy"}) as client:
        make(root, "quotas", {"tenant_id": "busy", "max_requests_per_day": 100})
        for _ in range(7):
            client.get("/accounts")
        deadline = time.monotonic() + patience(15)
        while time.monotonic() < deadline:
            rows = asyncio.run(fetch(database_url, "SELECT requests FROM admin_request_counts"))
            if rows and rows[0]["requests"] == 7:
                return
            time.sleep(0.05)
    raise AssertionError(f"the counts did not come: {rows}")
