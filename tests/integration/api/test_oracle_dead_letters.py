"""Requests of the oracle that are given up, and those that runners take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.api_server import running_api
from support.oracle_stub import Stub, oracle_stub
from support.oracle_tenant import DEADLINE, QUICK, serving
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stub() -> Iterator[Stub]:
    with oracle_stub() as found:
        yield found


def test_dead_letters_are_listed_and_put_back_under_their_id(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    extra = {"ORACLE_DLQ_ENABLED": "true", "ORACLE_MAX_ATTEMPTS": "1"}
    with serving(database_url, tmp_path, **extra) as (_, tenant):
        source = tenant.source(f"{stub.url}/flaky/1")
        dead = [tenant.ask(source, f'{{"id": "{n}"}}') for n in range(4)]
        for request in dead:
            assert tenant.outcome(request)["Error"].endswith("; dead-lettered")
        root = f"{tenant.root}/dead-letters"
        listed = tenant.get(root)
        assert {letter["RequestID"] for letter in listed} == set(dead)
        assert {letter["Reason"] for letter in listed} == {"attempts"}
        assert tenant.get(f"{root}?reason=expired") == []
        tenant.get(f"{root}?reason=other", 400)

        one = listed[0]["RequestID"]
        assert tenant.post(f"{root}/{one}/redrive", 200)["ID"] == one
        done = tenant.outcome(one)
        assert (done["Status"], done["Attempts"]) == ("succeeded", 1)
        tenant.post(f"{root}/{one}/redrive", 404)

        assert tenant.client.delete(f"{root}/{listed[1]['RequestID']}").status_code == 204
        assert tenant.show(listed[1]["RequestID"])["Status"] == "failed"

        dry = tenant.post(f"{root}/redrive", 200, dry_run=True)
        assert (dry["redriven"], len(dry["request_ids"])) == (0, 2)
        tenant.post(f"{root}/redrive", 400, data_source_id="x")
        none = tenant.post(f"{root}/redrive", 200, dead_before="2020-01-01T00:00:00Z")
        assert none["request_ids"] == []
        back = tenant.post(f"{root}/redrive", 200, data_source_id=source, reason="attempts")
        assert back["redriven"] == 2
        assert {tenant.outcome(r)["Status"] for r in back["request_ids"]} == {"succeeded"}
        assert tenant.get(root) == []


def test_a_request_that_lived_too_long_is_never_answered(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    extra = {"ORACLE_DLQ_ENABLED": "true", "ORACLE_TTL_SECONDS": "1", "ORACLE_TIMEOUT": "10s"}
    with serving(database_url, tmp_path, **extra) as (_, tenant):
        slow = tenant.source(f"{stub.url}/slow/3")
        expired = tenant.outcome(tenant.ask(slow))
        assert expired["Error"] == "oracle request expired (dead-lettered)"
        deadline = time.monotonic() + patience(DEADLINE)
        while stub.count("/slow/3") == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        letters = tenant.get(f"{tenant.root}/dead-letters")
        assert [letter["Reason"] for letter in letters] == ["expired"]
        # Put back, it has its whole time again.
        quick = tenant.source(f"{stub.url}/ok")
        assert tenant.outcome(tenant.ask(quick))["Status"] == "succeeded"
        request = letters[0]["RequestID"]
        back = tenant.post(f"{tenant.root}/dead-letters/{request}/redrive", 200)
        assert (back["Status"], back["Attempts"], back["Error"]) == ("pending", 0, "")
        assert tenant.outcome(request)["Status"] == "failed"


def test_runners_complete_requests_and_nobody_else_does(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    tokens = {"ORACLE_RUNNER_TOKENS": "runner-one; runner-two", "ORACLE_DISPATCH": "false"}
    with serving(database_url, tmp_path, **tokens) as (api, tenant):
        request = tenant.ask(tenant.source(f"{stub.url}/ok"))
        path = f"{tenant.root}/requests/{request}"
        for status in ("running", "succeeded", "failed"):
            tenant.patch(path, 401, status=status, result="1")
        with api.client(**{"x-oracle-runner-token": "runner-on"}) as client:
            assert client.patch(path, json={"status": "running"}).status_code == 401
        with api.client(**{"x-oracle-runner-token": "runner-two"}) as client:
            assert (
                client.patch(path, json={"status": "succeeded", "result": "1"}).status_code == 409
            )
            assert client.patch(path, json={"status": "running"}).json()["Attempts"] == 1
            assert client.patch(path, json={"status": "running"}).status_code == 409
            done = client.patch(path, json={"status": "completed", "result": "1"}).json()
            assert (done["Status"], done["Result"]) == ("succeeded", "1")
            assert client.patch(path, json={"status": "failed"}).status_code == 409
        tenant.patch(path, 409, status="retry")
        assert "runner-two" not in api.output()


def test_a_request_that_a_runner_took_and_left_is_anybodys_again(
    database_url: str, tmp_path: Path, stub: Stub
) -> None:
    with serving(database_url, tmp_path, ORACLE_DISPATCH="false", ORACLE_RUNNER_LEASE="1ms") as (
        _,
        tenant,
    ):
        request = tenant.ask(tenant.source(f"{stub.url}/ok"))
        path = f"{tenant.root}/requests/{request}"
        assert tenant.patch(path, status="running")["Attempts"] == 1
        time.sleep(0.01)
        assert tenant.patch(path, status="running")["Attempts"] == 2
    with running_api(database_url, tmp_path, **QUICK) as api, api.client() as client:
        tenant.client = client
        assert tenant.outcome(request)["Status"] == "succeeded"
