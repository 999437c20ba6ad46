"""`Idempotency-Key`: one effect, the same answer again, whatever happens in between."""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import post
from litestar.di import NamedDependency  # noqa: TC002 - litestar reads annotations
from litestar.params import FromPath  # noqa: TC002 - the same
from prometheus_client import CollectorRegistry

from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.db.leases import acquire_lease
from servicelayer_api.errors import Conflict
from servicelayer_api.ids import new_id
from servicelayer_api.settings import Settings
from servicelayer_api.web import requests
from servicelayer_api.web.application import Application
from servicelayer_api.web.feature import Core, Feature
from servicelayer_api.web.gate import note_caller
from servicelayer_api.web.modules import ModuleRegistry
from servicelayer_api.web.principal import Credential, CredentialKind, Principal, Role
from servicelayer_api.web.reply_store import (
    AnswerLost,
    Kept,
    Reply,
    ReplySeal,
    delete_expired_replies,
)
from support.api_server import ENCRYPTION_KEY, SECOND_TOKEN, TOKEN, running_api
from support.commit_proxy import CommitProxy
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

BODY = {"owner": "somebody", "metadata": {"a": "1", "b": "2"}}


@pytest.fixture(scope="module")
def url(postgres: LocalPostgres) -> Iterator[str]:
    with own_database(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with running_api(url, tmp_path_factory.mktemp("idempotency")) as process:
        yield process


def keyed(key: str | None = None) -> dict[str, str]:
    return {"idempotency-key": key or str(uuid4())}


def owners(client: httpx.Client) -> list[str]:
    return [row["Owner"] for row in client.get("/accounts").json()]


def fetch(url: str, query: str, *values: Any) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_repeated_request_gets_the_same_bytes_and_no_second_effect(client: httpx.Client) -> None:
    headers = keyed()
    first = client.post("/accounts", json=BODY, headers=headers)
    second = client.post("/accounts", json=BODY, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["content-type"] == second.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert owners(client) == ["somebody"]


def test_every_method_that_changes_something_is_repeated_safely(client: httpx.Client) -> None:
    account = client.post("/accounts", json=BODY).json()["ID"]
    for method, body, status in (("PATCH", {"owner": "new"}, 200), ("DELETE", None, 204)):
        headers = keyed()
        answers = [
            client.request(method, f"/accounts/{account}", json=body, headers=headers)
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [status, status]
        assert answers[0].content == answers[1].content
        assert "idempotent-replayed" in answers[1].headers


def test_spaces_and_the_order_of_members_make_no_other_request(client: httpx.Client) -> None:
    headers = {**keyed(), "content-type": "application/json"}
    texts = (
        '{"owner":"somebody","metadata":{"a":"1","b":"2"}}',
        '{ "metadata": {"b": "2", "a": "\\u0031"}, "owner": "somebody" }',
    )
    answers = [client.post("/accounts", content=text, headers=headers) for text in texts]

    assert answers[0].content == answers[1].content
    assert len(owners(client)) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/accounts", {"owner": "somebody else"}),
        ("POST", "/accounts?x=1", {"owner": "somebody"}),
        ("POST", "/accounts/", {"owner": "somebody"}),
        ("PATCH", "/accounts/01890000-0000-7000-8000-000000000000", {"owner": "somebody"}),
    ],
)
def test_a_key_that_was_used_for_another_request_is_refused(
    client: httpx.Client, method: str, path: str, body: dict[str, str]
) -> None:
    headers = keyed()
    client.post("/accounts", json={"owner": "somebody"}, headers=headers)
    answer = client.request(method, path, json=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert owners(client) == ["somebody"]


def test_a_key_belongs_to_its_tenant_and_caller(client: httpx.Client) -> None:
    headers = keyed("one-key-for-all")
    first = client.post("/accounts", json=BODY, headers=headers).json()
    other_tenant = {**headers, "x-tenant-id": f"tenant-{uuid4()}"}
    second = client.post("/accounts", json=BODY, headers=other_tenant)
    key = client.post(f"/accounts/{first['ID']}/api-keys", json={"name": "k"}).json()["key"]
    as_key = {**headers, "authorization": f"Bearer {key}"}
    third = client.patch(f"/accounts/{first['ID']}", json={"owner": "x"}, headers=as_key)

    assert second.status_code == 201
    assert second.json()["ID"] != first["ID"]
    assert third.status_code == 200


def test_credentials_of_one_name_share_no_keys(client: httpx.Client) -> None:
    """Nor is one given the API key that another had made."""
    account = client.post("/accounts", json=BODY).json()["ID"]
    path, sent = f"/accounts/{account}/api-keys", keyed()
    keys = [client.post(path, json={"name": "same"}).json()["key"] for _ in range(2)]
    asked = (
        (path, {"name": "n"}, (TOKEN, SECOND_TOKEN)),
        (f"/accounts/{account}/random", {"length": 32}, keys),
    )
    for where, body, tokens in asked:
        answers = [
            client.post(where, json=body, headers={**sent, "authorization": f"Bearer {token}"})
            for token in tokens
        ]
        assert all(answer.status_code < 300 for answer in answers), answers
        assert "idempotent-replayed" not in answers[1].headers
        assert answers[0].json() != answers[1].json()


def test_a_refused_request_may_be_sent_again_with_the_same_key(client: httpx.Client) -> None:
    headers = keyed()
    refused = client.post("/accounts", json={"owner": ""}, headers=headers)
    accepted = client.post("/accounts", json=BODY, headers=headers)

    assert (refused.status_code, accepted.status_code) == (400, 201)
    assert "idempotent-replayed" not in accepted.headers


def test_many_at_once_make_one_effect(server: ApiProcess, client: httpx.Client) -> None:
    headers = {**keyed(), **dict(client.headers)}

    def ask(_: int) -> httpx.Response:
        return httpx.post(
            f"{server.url}/accounts", json=BODY, headers=headers, timeout=20, trust_env=False
        )

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(48)))
    busy = [answer for answer in answers if answer.status_code == 409]
    given = {answer.content for answer in answers if answer.status_code == 201}

    assert len(given) == 1
    assert all(answer.json()["code"] == "idempotency-in-flight" for answer in busy)
    assert all(answer.headers["retry-after"] == "1" for answer in busy)
    assert len(busy) + sum(answer.status_code == 201 for answer in answers) == 48
    assert owners(client) == ["somebody"]


@pytest.mark.parametrize("key", ["", "a b", "\u00e9", "x" * 256, "tab\there"])
def test_an_unusable_key_is_refused(client: httpx.Client, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = client.post("/accounts", json=BODY, headers=headers)  # pyright: ignore[reportArgumentType]

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert owners(client) == []


def test_two_keys_are_refused(client: httpx.Client) -> None:
    headers = [("idempotency-key", "one"), ("idempotency-key", "two")]

    assert client.post("/accounts", json=BODY, headers=headers).status_code == 400


def test_a_body_that_is_too_large_is_refused_with_a_key_too(client: httpx.Client) -> None:
    body = {"owner": "x" * (5 * 1024 * 1024)}

    assert client.post("/accounts", json=body, headers=keyed()).status_code == 413


def test_nobody_gets_an_answer_without_a_credential(client: httpx.Client) -> None:
    headers = keyed()
    client.post("/accounts", json=BODY, headers=headers)
    answer = client.post("/accounts", json=BODY, headers={**headers, "authorization": "Bearer no"})

    assert answer.status_code == 401


def test_a_secret_in_an_answer_is_given_again_and_kept_sealed(
    client: httpx.Client, url: str
) -> None:
    account = client.post("/accounts", json=BODY).json()["ID"]
    headers = keyed()
    path = f"/accounts/{account}/api-keys"
    first, second = (client.post(path, json={"name": "k"}, headers=headers) for _ in range(2))
    rows = fetch(url, "SELECT sealed FROM request_replies")

    assert first.json()["key"] == second.json()["key"]
    assert all(first.json()["key"].encode() not in row["sealed"] for row in rows)
    assert all(account.encode() not in row["sealed"] for row in rows)


def test_a_key_is_free_again_when_its_time_is_over(client: httpx.Client, url: str) -> None:
    headers = keyed()
    client.post("/accounts", json=BODY, headers=headers)
    fetch(url, "UPDATE request_replies SET expires_at = now() - interval '1 second'")
    again = client.post("/accounts", json={"owner": "another"}, headers=headers)

    assert again.status_code == 201
    assert owners(client) == ["somebody", "another"]


async def test_expired_answers_are_deleted_in_batches(database_url: str) -> None:
    database = Database(database_url, size=2)
    await database.open()
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO request_replies SELECT sha256(n::text::bytea), sha256(''), 'x', "
            "now() + make_interval(hours => n - 7) FROM generate_series(1, 10) n"
        )
        deleted = [await delete_expired_replies(connection, 4) for _ in range(3)]
        left = await connection.fetchval("SELECT count(*) FROM request_replies")
    await database.close()

    assert deleted == [4, 3, 0]
    assert left == 3


@post("/work/{how:str}")
async def _work(how: FromPath[str], database: NamedDependency[Database]) -> str:
    async with database.transaction() as connection:
        await acquire_lease(connection, how, new_id(), 60)
    if how == "refused":
        raise Conflict("too late")
    if how == "crash":
        raise LookupError
    return how


def _let_in(app: Any, _public: object) -> Any:
    async def gate(scope: Any, receive: Any, send: Any) -> None:
        credential = Credential(user="u", role=Role.TOKEN, kind=CredentialKind.STATIC)
        note_caller(scope).principal = Principal(credential=credential, tenant="t")
        await app(scope, receive, send)

    return gate


@pytest.mark.parametrize(
    ("how", "status", "left"), [("done", 201, 1), ("refused", 409, 0), ("crash", 500, 0)]
)
async def test_a_refusal_undoes_what_the_request_had_committed_on_its_way(
    database_url: str, how: str, status: int, left: int
) -> None:
    clock = SystemClock()
    database = Database(database_url, size=2)
    await database.open()
    core = Core(
        settings=Settings(rate_limit="off"),
        clock=clock,
        database=database,
        metrics=CollectorRegistry(),
        modules=ModuleRegistry(clock),
    )
    worker = Feature(
        name="work", routes=(_work,), dependencies={"database": database}, middleware=(_let_in,)
    )
    application = Application(core, [worker, *requests.build(core)])
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = [await client.post(f"/work/{how}", headers=keyed("k")) for _ in range(2)]
    async with database.connection() as connection:
        rows = await connection.fetchval("SELECT count(*) FROM leases")
        kept = await connection.fetchval("SELECT count(*) FROM request_replies")
    await database.close()

    assert [answer.status_code for answer in answers] == [status] * 2
    assert (rows, kept) == (left, left)


def test_an_answer_is_given_again_after_the_encryption_key_was_changed(
    database_url: str, tmp_path: Path
) -> None:
    headers = keyed()
    with running_api(database_url, tmp_path) as api, api.client() as client:
        first = client.post("/accounts", json=BODY, headers=headers)
    changed = {
        "SECRET_ENCRYPTION_KEY": "ab" * 32,
        "SECRET_ENCRYPTION_KEY_PREVIOUS": ENCRYPTION_KEY,
    }
    with running_api(database_url, tmp_path, **changed) as api, api.client() as client:
        again = client.post("/accounts", json=BODY, headers=headers)

        assert (again.status_code, again.content) == (201, first.content)
        assert owners(client) == ["somebody"]


def test_an_answer_that_no_key_opens_is_lost_and_told_so() -> None:
    kept = Kept(b"f" * 32, ReplySeal(b"a" * 32).seal(Reply(201, [], b"{}"), b"k" * 32, b"f" * 32))

    assert ReplySeal(b"b" * 32, b"a" * 32).open(kept, b"k" * 32) == Reply(201, [], b"{}")
    with pytest.raises(AnswerLost):
        ReplySeal(b"b" * 32).open(kept, b"k" * 32)


def test_a_server_killed_between_commit_and_answer_answers_after_all(
    database_url: str, tmp_path: Path
) -> None:
    headers = {**keyed(), "authorization": f"Bearer {TOKEN}", "x-tenant-id": "tenant-a"}

    def ask(api: ApiProcess) -> httpx.Response:
        return httpx.post(
            f"{api.url}/accounts", json=BODY, headers=headers, timeout=30, trust_env=False
        )

    with (
        CommitProxy(database_url) as proxy,
        running_api(proxy.url, tmp_path) as doomed,
        ThreadPoolExecutor(1) as pool,
    ):
        proxy.arm(b"INSERT INTO request_replies")
        asked = pool.submit(ask, doomed)
        assert proxy.holding.wait(timeout=20)
        made = _wait_for_account(database_url)
        doomed.signal(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            asked.result(timeout=20)

    with running_api(database_url, tmp_path) as api, api.client() as client:
        answer = ask(api)

        assert answer.status_code == 201
        assert answer.headers["idempotent-replayed"] == "true"
        assert answer.json()["ID"] == made
        assert owners(client) == ["somebody"]
    entries = fetch(database_url, "SELECT action FROM audit_log WHERE action = 'account.create'")
    assert len(entries) == 1


def _wait_for_account(url: str) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(url)
        try:
            async with asyncio.timeout(20):
                while True:
                    found = await connection.fetchval("SELECT id FROM accounts")
                    if found is not None:
                        return str(found)
                    await asyncio.sleep(0.01)
        finally:
            await connection.close()

    return asyncio.run(ask())
