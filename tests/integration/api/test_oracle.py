"""The oracle as a tenant meets it: a real server, a real database, real HTTP sources."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest

from servicelayer_api.oracle import SEALED, store
from servicelayer_api.oracle.service import seal_context
from support.oracle_stub import Stub, oracle_stub
from support.oracle_tenant import Tenant, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CANARY = "canary-credential-2f6b9d01"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with oracle_stub() as found:
        yield found


def test_requests_are_asked_and_answered_as_the_contract_says(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        plain = tenant.ask(tenant.source(f"{stub.url}/ok"), '{"pair": "NEO"}')
        done = tenant.outcome(plain)
        assert (done["Status"], done["Attempts"], done["Error"]) == ("succeeded", 1, "")
        assert done["Result"].startswith('{"price": 42.50')
        assert done["CompletedAt"] > done["CreatedAt"]
        assert stub.calls[0].query == {"pair": ["NEO"]}

        one = tenant.source(f"{stub.url}/ok", name="by path", result_path="$.price")
        assert tenant.outcome(tenant.ask(one))["Result"] == "42.50"
        deep = tenant.ask(one, result_path="data.list[-1]['v']")
        assert tenant.outcome(deep)["Result"] == "x"
        missing = tenant.outcome(tenant.ask(one, result_path="$.nothing"))
        assert (missing["Status"], missing["Attempts"]) == ("failed", 1)
        assert missing["Error"] == "the answer has nothing at the result path"

        post = tenant.source(f"{stub.url}/echo", method="post", body="kept", name="post")
        assert '"body": "kept"' in tenant.outcome(tenant.ask(post))["Result"]
        sent = tenant.ask(post, '{"a": 1}')
        assert tenant.outcome(sent)["Status"] == "succeeded"
        assert stub.calls[-1].body == '{"a": 1}'
        assert stub.calls[-1].headers["content-type"] == "application/json"
        assert stub.calls[-1].headers["idempotency-key"] == sent

        moved = tenant.outcome(tenant.ask(tenant.source(f"{stub.url}/redirect")))
        assert moved["Status"] == "succeeded"


def test_failures_are_repeated_or_not_by_their_class(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    extra = {"ORACLE_MAX_RESPONSE_BYTES": "100000", "ORACLE_TIMEOUT": "300ms"}
    with serving(database_url, tmp_path, **extra) as (_, tenant):
        flaky = tenant.outcome(tenant.ask(tenant.source(f"{stub.url}/flaky/2"), '{"id": "a"}'))
        assert (flaky["Status"], flaky["Attempts"], flaky["Result"]) == ("succeeded", 3, "up")
        for path, attempts, error in (
            ("/status/503", 3, "max attempts exceeded (3): upstream returned status 503"),
            ("/status/429", 3, "max attempts exceeded (3): upstream returned status 429"),
            ("/slow/1", 3, "max attempts exceeded (3): the other server took too long"),
            ("/status/404", 1, '{"error": "no such pair"}'),
            ("/status/400", 1, '{"error": "no such pair"}'),
            ("/large", 1, "the other server's answer is too large"),
        ):
            found = tenant.outcome(tenant.ask(tenant.source(f"{stub.url}{path}")))
            assert (found["Status"], found["Attempts"], found["Error"]) == (
                "failed",
                attempts,
                error,
            )
            assert stub.count(path) == attempts
        for url in ("http://10.0.0.1/", "http://169.254.169.254/latest"):
            refused = tenant.outcome(tenant.ask(tenant.source(url)))
            assert (refused["Status"], refused["Attempts"]) == ("failed", 1)
        assert tenant.get(f"{tenant.root}/dead-letters") == []


def test_several_sources_give_their_median_and_only_own_ones_are_asked(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (api, tenant):
        first, second, third = (tenant.source(f"{stub.url}/number/{n}") for n in ("1", "10", "2.5"))
        down = tenant.source(f"{stub.url}/status/500")
        text = tenant.source(f"{stub.url}/ok")

        def ask(alternates: object) -> dict[str, Any]:
            payload = {"pair": "x", "alternate_source_ids": alternates}
            return tenant.outcome(tenant.ask(first, json.dumps(payload)))

        assert ask([second, third])["Result"] == "2.5"
        assert ask(f"{second},{down}")["Result"] == "5.5"
        assert ask([text])["Result"] == "1"
        assert all("alternate_source_ids" not in call.query for call in stub.calls)
        none = tenant.ask(down, json.dumps({"alternate_source_ids": [down]}))
        assert tenant.outcome(none)["Status"] == "failed"

        with api.client(**{"x-tenant-id": "tenant-b"}) as client:
            other = Tenant(client)
            foreign = other.source(f"{stub.url}/ok", headers={"X-Key": CANARY})
            for path in (f"sources/{foreign}", f"sources/{first}"):
                tenant.client.get(f"/accounts/{other.account}/oracle/{path}")
            assert tenant.get(f"{tenant.root}/sources/{foreign}", 404)["error"]
            tenant.patch(f"{tenant.root}/sources/{foreign}", 404, enabled=False)
            tenant.post(f"{tenant.root}/requests", 400, data_source_id=foreign)
            before = len(stub.calls)
            payload = json.dumps({"alternate_source_ids": [foreign]})
            tenant.post(f"{tenant.root}/requests", 400, data_source_id=first, payload=payload)
            assert tenant.get(f"/accounts/{other.account}/oracle/sources", 404)["error"]
            assert len(stub.calls) == before
        assert not any(CANARY in str(call.headers) for call in stub.calls)


def test_credentials_are_sent_to_the_source_and_seen_nowhere_else(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (api, tenant):
        answers: list[str] = []
        tenant.client.event_hooks["response"] = [lambda r: answers.append(r.read().decode())]
        source = tenant.source(
            f"{stub.url}/leak",
            method="POST",
            headers={"Authorization": f"Bearer {CANARY}"},
            body=f"secret={CANARY}",
        )
        failed = tenant.outcome(tenant.ask(source))
        assert stub.calls[-1].headers["authorization"] == f"Bearer {CANARY}"
        assert stub.calls[-1].body == f"secret={CANARY}"
        assert "***" in failed["Error"]

        path = f"{tenant.root}/sources/{source}"
        shown = tenant.get(path)
        assert (shown["Headers"], shown["Body"]) == ({"Authorization": "***"}, "***")
        tenant.patch(path, headers={"authorization": "***", "X-More": "1"})
        assert tenant.get(path)["Headers"] == {"authorization": "***", "X-More": "1"}
        tenant.outcome(tenant.ask(source))
        assert stub.calls[-1].headers["authorization"] == f"Bearer {CANARY}"
        assert stub.calls[-1].headers["x-more"] == "1"
        tenant.patch(path, 400, headers={"X-New": "***"})
        # Another origin would be told the credentials.
        tenant.patch(path, 400, url="http://127.0.0.1:9/")
        tenant.patch(path, 400, url="http://127.0.0.1:9/", headers={})
        tenant.patch(path, 400, url="http://127.0.0.1:9/", body="")
        tenant.patch(path, url="http://127.0.0.1:9/", headers={"A": "b"}, body="new")
        tenant.get(f"{tenant.root}/sources")
        with api.client() as client:
            answers.append(client.get("/metrics").text)
        assert not [answer for answer in answers if CANARY in answer]
        assert CANARY not in api.output()


async def test_a_source_whose_url_was_changed_in_the_database_keeps_its_credentials_shut(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        source = tenant.source(f"{stub.url}/ok", headers={"X-Key": CANARY})
        connection = await asyncpg.connect(database_url)
        try:
            rows = await connection.fetch("SELECT s::text FROM oracle_sources s")
            assert CANARY not in str(rows)
            await connection.execute("UPDATE oracle_sources SET url = url || '?x'")
        finally:
            await connection.close()
        found = tenant.outcome(tenant.ask(source))
        assert (found["Status"], found["Error"]) == ("failed", "the credentials do not open")
        assert stub.calls == []


async def test_credentials_are_sealed_for_the_place_that_a_rotation_of_keys_looks_for(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        source = tenant.source(f"{stub.url}/ok?a=|", headers={"X-Key": CANARY})
    connection = await asyncpg.connect(database_url)
    try:
        context = await connection.fetchval(
            f"SELECT {SEALED.context} FROM {SEALED.table}"  # noqa: S608 - fixed names
        )
        stored = await store.list_sources_by_id(connection, [(UUID(tenant.account), UUID(source))])
    finally:
        await connection.close()
    assert [seal_context(found) for found in stored.values()] == [context]


def test_slow_sources_of_one_account_do_not_stop_another(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path, ORACLE_CONCURRENCY="8") as (api, slow):
        source = slow.source(f"{stub.url}/slow/1.5")
        waiting = [slow.ask(source) for _ in range(40)]
        with api.client(**{"x-tenant-id": "tenant-b"}) as client:
            quick = Tenant(client)
            request = quick.ask(quick.source(f"{stub.url}/ok"))
            assert quick.outcome(request)["Status"] == "succeeded"
        assert slow.show(waiting[-1])["Status"] == "pending"


def test_requests_are_listed_by_cursor_and_a_foreign_cursor_is_refused(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path, ORACLE_DISPATCH="false") as (_, tenant):
        source = tenant.source(f"{stub.url}/ok")
        made = [tenant.ask(source) for _ in range(5)]
        pages: list[str] = []
        cursor = ""
        while True:
            answer = tenant.client.get(f"{tenant.root}/requests?limit=2{cursor}")
            pages += [request["ID"] for request in answer.json()]
            following = answer.headers.get("x-next-cursor")
            if following is None:
                break
            tenant.ask(source)
            cursor = f"&cursor={following}"
        assert pages == made[::-1]
        assert stub.calls == []
        other = Tenant(tenant.client)
        assert other.get(f"{other.root}/requests?cursor={made[0]}", 400)["error"]
        assert other.get(f"{other.root}/requests?cursor=nonsense", 400)["error"]
        listed = tenant.client.get(f"{tenant.root}/sources?limit=1")
        assert (len(listed.json()), listed.headers.get("x-next-cursor")) == (1, None)


def test_every_outcome_is_in_the_audit_log_once(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        good = tenant.ask(tenant.source(f"{stub.url}/ok"))
        bad = tenant.ask(tenant.source(f"{stub.url}/status/404"))
        tenant.outcome(good)
        tenant.outcome(bad)
        tenant.patch(f"{tenant.root}/requests/{bad}", status="retry")
        tenant.outcome(bad)
        found = _audited(database_url)
    assert found.count((good, "oracle.request.succeeded", "oracle-dispatcher")) == 1
    assert found.count((bad, "oracle.request.failed", "oracle-dispatcher")) == 2
    assert found.count((bad, "oracle.request.retry", "token")) == 1


def test_metrics_tell_what_waits_and_what_came_of_attempts(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        tenant.outcome(tenant.ask(tenant.source(f"{stub.url}/ok")))
        text = tenant.client.get("/metrics").text
    assert 'oracle_attempts_total{outcome="succeeded"} 1.0' in text
    assert 'egress_requests_total{outcome="answered"} 1.0' in text
    for name in ("oracle_open_requests", "oracle_oldest_pending_seconds", "oracle_dead_letters"):
        assert f"\n{name} " in text


def _audited(database_url: str) -> list[tuple[str, str, str]]:
    async def read() -> list[tuple[str, str, str]]:
        connection = await asyncpg.connect(database_url)
        try:
            rows = await connection.fetch("SELECT resource_id, action, actor FROM audit_log")
        finally:
            await connection.close()
        return [(row["resource_id"], row["action"], row["actor"]) for row in rows]

    return asyncio.run(read())


def test_a_disabled_source_is_deleted_with_its_requests_unless_one_is_open(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        source = tenant.source(f"{stub.url}/ok")
        done = tenant.ask(source)
        assert tenant.outcome(done)["Status"] == "succeeded"
        slow = tenant.source(f"{stub.url}/slow/5")
        tenant.ask(slow)

        enabled = tenant.client.delete(f"{tenant.root}/sources/{source}")
        for each in (slow, source):
            tenant.patch(f"{tenant.root}/sources/{each}", enabled=False)
        busy = tenant.client.delete(f"{tenant.root}/sources/{slow}")
        gone = tenant.client.delete(f"{tenant.root}/sources/{source}")

        for answer in (enabled, busy):
            assert (answer.status_code, answer.json()["code"]) == (409, "oracle-source-in-use")
        assert "disable the data source first" in enabled.json()["detail"]
        assert gone.status_code == 204
        assert tenant.client.delete(f"{tenant.root}/sources/{source}").status_code == 404
        assert [each["ID"] for each in tenant.get(f"{tenant.root}/sources")] == [slow]
        tenant.get(f"{tenant.root}/requests/{done}", 404)


@pytest.mark.parametrize("wrong", [{"method": "FETCH"}, {"url": "ftp://a.example/"}])
def test_a_source_that_could_never_be_asked_is_refused(
    database_url: str, tmp_path: Path, wrong: dict[str, str]
) -> None:
    with serving(database_url, tmp_path) as (_, tenant):
        body = {"name": "n", "url": "https://a.example/", **wrong}
        tenant.post(f"{tenant.root}/sources", 400, **body)
