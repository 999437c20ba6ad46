"""The rate limit of the real server, of several together, and without a database."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from servicelayer_api.clock import FixedClock
from servicelayer_api.db import Database
from servicelayer_api.ids import new_id
from servicelayer_api.web.rate_limit import CALLER, QuotaExceeded, RateLimiter
from servicelayer_api.web.rates import Rate
from support.api_server import SECOND_TOKEN, running_api

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

SLOW = {"RATE_LIMIT": "2/m", "RATE_LIMIT_BURST": "9"}


def test_whoever_asks_too_fast_is_told_when_to_come_again(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path, **SLOW) as api, api.client() as client:
        answers = [client.get("/accounts") for _ in range(11)]
        other_caller = client.get("/accounts", headers={"authorization": f"Bearer {SECOND_TOKEN}"})
        guess = client.get("/accounts", headers={"authorization": "Bearer guess"})
        elsewhere = client.get("/no/such/path", headers={"authorization": ""})
        probe = client.get("/readyz")

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    first, last = answers[0], answers[-1]
    assert first.headers["ratelimit-policy"] == '"address";q=2;w=60, "caller";q=2;w=60'
    assert re.fullmatch(r'"(address|caller)";r=9;t=30', first.headers["ratelimit"])
    assert "r=0;t=" in last.headers["ratelimit"]
    assert 0 < int(last.headers["retry-after"]) <= 30
    assert last.headers["content-type"] == "application/problem+json"
    assert last.json()["code"] == "rate-limited"
    assert last.json()["violated-policies"] == ["address"]
    assert last.headers["x-content-type-options"] == "nosniff"
    assert (other_caller.status_code, guess.status_code) == (429, 429)
    assert elsewhere.status_code == 429
    assert probe.status_code == 200
    assert "ratelimit" not in probe.headers


def test_one_request_after_the_other_is_slowed_down_and_many_at_once_are_refused(
    database_url: str, tmp_path: Path
) -> None:
    extra = {"RATE_LIMIT": "100/s", "RATE_LIMIT_BURST": "5"}
    with (
        running_api(database_url, tmp_path, **extra) as api,
        api.client() as client,
        ThreadPoolExecutor(32) as pool,
    ):
        in_turn = {client.get("/accounts").status_code for _ in range(100)}
        at_once = {answer.status_code for answer in pool.map(client.get, ["/accounts"] * 300)}

    assert in_turn == {200}
    assert at_once == {200, 429}


def test_addresses_behind_a_trusted_proxy_are_told_apart_and_callers_are_not(
    database_url: str, tmp_path: Path
) -> None:
    extra = {**SLOW, "TRUSTED_PROXIES": "127.0.0.0/8"}
    with running_api(database_url, tmp_path, **extra) as api, api.client() as client:

        def ask(number: int, token: str = "") -> httpx.Response:
            headers = {"x-forwarded-for": f"192.0.2.{number}"}
            if token:
                headers["authorization"] = f"Bearer {token}"
            return client.get("/accounts", headers=headers)

        same_caller = [ask(number) for number in range(11)]
        other_caller = ask(1, SECOND_TOKEN)

    assert [answer.status_code for answer in same_caller] == [200] * 10 + [429]
    assert same_caller[-1].json()["violated-policies"] == ["caller"]
    assert other_caller.status_code == 200


async def test_replicas_hear_of_each_other_through_the_database(database_url: str) -> None:
    # One clock for both, so that no second passes between.
    clock = FixedClock(datetime(2026, 11, 24, tzinfo=UTC))
    database = Database(database_url, size=2)
    await database.open()
    rate = Rate(quota=1, window=60, burst=9)
    here, there = (RateLimiter(rate, clock, database, CollectorRegistry()) for _ in range(2))
    subject = str(new_id())

    async def passed(limiter: RateLimiter, count: int) -> int:
        done = 0
        for _ in range(count):
            try:
                await limiter.check({"type": "http"}, CALLER, subject)  # pyright: ignore[reportArgumentType]
            except QuotaExceeded:
                return done
            done += 1
        return done

    assert (await passed(here, 6), await passed(there, 2)) == (6, 2)
    await here.share()
    await there.share()
    assert await passed(there, 9) == 2
    await there.share()
    await here.share()
    assert await passed(here, 9) == 0
    await database.close()


def test_a_database_that_is_away_takes_nothing_from_the_limit(tmp_path: Path) -> None:
    nowhere = "postgres://u:p@127.0.0.1:1/d"
    extra = {**SLOW, "MIGRATE": "false"}
    with (
        running_api(nowhere, tmp_path, wait="/livez", **extra) as api,
        api.client() as client,
    ):
        statuses = [client.get("/accounts").status_code for _ in range(12)]

    assert statuses == [503] * 10 + [429] * 2
