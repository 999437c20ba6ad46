"""A process that is stopped past its lease writes nothing when it goes on: oracle, gas, prices.

Runners of the oracle are processes of others: their leases and tokens are tested directly. Each
other test is the same story. The first server asks an outside system, which does not answer; it is
stopped by SIGSTOP, and its lease ends (set so in the database, instead of being waited for). A
second server takes the work and asks as well. Then the first is given its answer and goes on while
the second still waits: only the fencing token tells the two apart.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from support.api_server import running_api
from support.gas import Bank, Gas, run_sql
from support.local_http import LocalHttp, send_json
from support.patience import patience
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

LIMIT = 60.0
COMMON = {"EGRESS_ALLOW": "127.0.0.1/32", "LOG_LEVEL": "warning"}


class Outside(LocalHttp):
    """An outside system that answers the n-th question when it is told to, and with what."""

    def __init__(self) -> None:
        self.asked = 0
        self._answers: list[dict[str, Any] | None] = [None, None]
        self._changed = threading.Condition()
        super().__init__(self._answer)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/"

    def wait_asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked >= times, patience(LIMIT)), self.asked

    def answer(self, place: int, body: dict[str, Any]) -> None:
        """Answer the question of this place."""
        with self._changed:
            self._answers[place] = body
            self._changed.notify_all()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._changed:
            place = self.asked
            self.asked += 1
            self._changed.notify_all()
            # Whoever asks a third time asks too much; a test would fail on the count.
            known = self._changed.wait_for(lambda: self._answers[min(place, 1)], patience(LIMIT))
        if known:
            send_json(request, 200, known)


@pytest.fixture
def outside() -> Iterator[Outside]:
    with Outside() as running:
        yield running


@pytest.fixture
def dsn(postgres: LocalPostgres) -> Iterator[str]:
    with own_database(postgres) as url:
        yield url


@contextmanager
def overtaken(
    first: ApiProcess,
    outside: Outside,
    dsn: str,
    folder: Path,
    environment: dict[str, str],
    expire: str,
) -> Iterator[ApiProcess]:
    """Stop the first server while it asks, end its lease, and have a second one ask."""
    outside.wait_asked(1)
    first.signal(signal.SIGSTOP)
    try:
        run_sql(dsn, expire)
        with running_api(dsn, folder, **environment) as second:
            outside.wait_asked(2)
            yield second
    finally:
        first.signal(signal.SIGCONT)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + patience(LIMIT)
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def counted(server: ApiProcess, line: str) -> bool:
    """Whether the server's metrics hold a line."""
    with server.client() as client:
        return line in client.get("/metrics").text


def test_a_late_answer_to_an_oracle_request_is_not_written(
    outside: Outside, dsn: str, tmp_path: Path
) -> None:
    environment = {**COMMON, "ORACLE_TIMEOUT": "120s"}
    with running_api(dsn, tmp_path, **environment) as first, first.client() as client:
        account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
        oracle = f"/accounts/{account}/oracle"
        source = client.post(f"{oracle}/sources", json={"name": "s", "url": outside.url})
        body = {"data_source_id": source.json()["ID"]}
        request = client.post(f"{oracle}/requests", json=body).json()["ID"]
        expire = "UPDATE oracle_requests SET next_at = clock_timestamp() - interval '1 s'"
        with overtaken(first, outside, dsn, tmp_path, environment, expire) as second:
            outside.answer(0, {"from": "first"})
            first.signal(signal.SIGCONT)
            until(
                lambda: counted(first, 'oracle_attempts_total{outcome="fenced"} 1.0'),
                "the first server's answer was written",
            )
            shown = client.get(f"{oracle}/requests/{request}").json()
            assert (shown["Status"], shown["Result"]) == ("running", "")
            outside.answer(1, {"from": "second"})
            with second.client() as reader:
                path = f"{oracle}/requests/{request}"
                until(lambda: reader.get(path).json()["Status"] == "succeeded", "no answer")
                assert "second" in reader.get(path).json()["Result"]
    rows = run_sql(dsn, "SELECT action FROM audit_log WHERE resource_id = $1 ORDER BY seq", request)
    assert [row["action"] for row in rows].count("oracle.request.succeeded") == 1
    assert outside.asked == 2


def test_a_runner_that_comes_back_completes_nothing_that_another_took(
    dsn: str, tmp_path: Path
) -> None:
    environment = {
        **COMMON,
        "ORACLE_DISPATCH": "false",
        "ORACLE_RUNNER_TOKENS": "runner-1 runner-2",
    }
    with running_api(dsn, tmp_path, **environment) as api, api.client() as client:
        account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
        oracle = f"/accounts/{account}/oracle"
        source = client.post(f"{oracle}/sources", json={"name": "s", "url": "https://a.example"})
        body = {"data_source_id": source.json()["ID"]}
        request = client.post(f"{oracle}/requests", json=body).json()["ID"]

        def told(runner: str, status: str) -> int:
            return client.patch(
                f"{oracle}/requests/{request}",
                json={"status": status, "result": runner, "error": runner},
                headers={"x-oracle-runner-token": runner},
            ).status_code

        expire = "UPDATE oracle_requests SET next_at = clock_timestamp() - interval '1 s'"
        assert told("runner-1", "running") == 200
        run_sql(dsn, expire)
        assert told("runner-2", "running") == 200
        assert (told("runner-1", "succeeded"), told("runner-1", "failed")) == (409, 409)
        # Nor when the second one's lease is over as well: who completes it takes it first.
        run_sql(dsn, expire)
        assert (told("runner-1", "succeeded"), told("runner-1", "failed")) == (409, 409)
        shown = client.get(f"{oracle}/requests/{request}").json()
        assert (shown["Status"], shown["Result"], shown["Error"]) == ("running", "", "")
        assert told("runner-2", "succeeded") == 200
        assert client.get(f"{oracle}/requests/{request}").json()["Result"] == "runner-2"


def test_a_late_price_is_not_written(outside: Outside, dsn: str, tmp_path: Path) -> None:
    environment = {**COMMON, "PRICEFEED_FETCH_URL": outside.url}
    with running_api(dsn, tmp_path, **environment) as first, first.client() as client:
        account = client.post("/accounts", json={"owner": "o"}).json()["ID"]
        feeds = f"/accounts/{account}/pricefeeds"
        body = {
            "base_asset": "neo",
            "quote_asset": "usd",
            "deviation_percent": 2,
            "update_interval": "24h",
        }
        feed = client.post(feeds, json=body).json()["ID"]
        expire = "UPDATE price_feeds SET lease_until = clock_timestamp() - interval '1 s'"
        with overtaken(first, outside, dsn, tmp_path, environment, expire) as second:
            outside.answer(0, {"price": 1})
            first.signal(signal.SIGCONT)
            until(
                lambda: counted(first, 'pricefeed_fetches_total{outcome="lost"} 1.0'),
                "the first server's price was written",
            )
            assert client.get(f"{feeds}/{feed}/observations").json() == []
            outside.answer(1, {"price": 2})
            with second.client() as reader:
                path = f"{feeds}/{feed}/observations"
                until(lambda: reader.get(path).json() != [], "no price")
                assert [row["Price"] for row in reader.get(path).json()] == [2]
    assert outside.asked == 2


async def test_a_late_answer_of_the_resolver_ends_no_withdrawal(
    outside: Outside, dsn: str, tmp_path: Path
) -> None:
    environment = {
        **COMMON,
        "GASBANK_RESOLVER_URL": outside.url,
        "GASBANK_RESOLVER_TIMEOUT": "120s",
        "GASBANK_POLL_INTERVAL": "100ms",
    }
    with running_api(dsn, tmp_path, **environment) as first, first.client() as client:
        gas = await asyncio.to_thread(lambda: Gas(Bank(first, client, dsn)))
        await asyncio.to_thread(gas.deposit, 10)
        withdrawal = await asyncio.to_thread(gas.withdrawn, 1)
        expire = "UPDATE gas_transactions SET lease_until = clock_timestamp() - interval '1 s'"
        manager = overtaken(first, outside, dsn, tmp_path, environment, expire)
        second = await asyncio.to_thread(manager.__enter__)
        try:
            # The first server's transaction is seen by a lock that it meets on its way.
            backend = await _met(dsn, first, outside)
            await _idle(dsn, backend)
            assert await asyncio.to_thread(_status, dsn, withdrawal) == "dispatched"
            outside.answer(1, {"done": True, "success": True, "message": "second"})
            await asyncio.to_thread(
                until, lambda: _status(dsn, withdrawal) == "completed", "not settled"
            )
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
        assert second.returncode is not None
    assert outside.asked == 2


async def _met(dsn: str, first: ApiProcess, outside: Outside) -> int:
    """Let the first server go on into a lock; gives the process of its database connection."""
    holder = await asyncpg.connect(dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT id FROM gas_accounts FOR UPDATE")
            outside.answer(0, {"done": True, "success": False, "message": "first"})
            first.signal(signal.SIGCONT)
            deadline = time.monotonic() + patience(LIMIT)
            while True:
                blocked = await holder.fetchval(
                    "SELECT pid FROM pg_stat_activity "
                    "WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
                )
                if blocked is not None:
                    return int(blocked)
                assert time.monotonic() < deadline, "the first server wrote nothing"
                await asyncio.sleep(0.05)
    finally:
        await holder.close()


async def _idle(dsn: str, backend: int) -> None:
    """Wait until a database connection has ended what it was at."""
    watcher = await asyncpg.connect(dsn)
    try:
        deadline = time.monotonic() + patience(LIMIT)
        while await watcher.fetchval(
            "SELECT state <> 'idle' FROM pg_stat_activity WHERE pid = $1", backend
        ):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    finally:
        await watcher.close()


def _status(dsn: str, withdrawal: str) -> str:
    found = run_sql(dsn, "SELECT status FROM gas_transactions WHERE id = $1::uuid", withdrawal)
    return str(found[0]["status"])
