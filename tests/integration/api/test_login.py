"""Logging in by password, on the real server."""

from __future__ import annotations

import asyncio
import concurrent.futures
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from servicelayer_api.auth import store
from servicelayer_api.auth.errors import InvalidCredentials
from servicelayer_api.auth.passwords import Passwords
from servicelayer_api.auth.rules import FIRST_DELAY
from servicelayer_api.auth.service import Logins
from servicelayer_api.clock import SystemClock
from servicelayer_api.crypto.tokens import Claims, TokenSigner
from servicelayer_api.db import Database
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.principal import Caller
from servicelayer_api.web.users import parse_users
from support.api_server import JWT_SECRET, TOKEN, ApiProcess, running_api
from support.people import PASSWORDS, auth_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with running_api(
        database_url, tmp_path, AUTH_USERS=auth_users(), AUTH_MAX_FAILURES="3", AUTH_LOCKOUT="1h"
    ) as process:
        yield process


@pytest.fixture
def anybody(server: ApiProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        yield client


def log_in(client: httpx.Client, name: str, password: str | None = None) -> httpx.Response:
    body = {"username": name, "password": PASSWORDS[name] if password is None else password}
    return client.post("/auth/login", json=body)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_user_logs_in_in_any_case_and_the_token_opens_the_api(anybody: httpx.Client) -> None:
    answer = anybody.post("/auth/login", json={"username": "ANN", "password": "ann-password"})
    session = answer.json()
    assert answer.status_code == 200
    assert (session["role"], session["tenant"]) == ("user", "tenant-a")
    assert datetime.fromisoformat(session["expires_at"]) > datetime.now(UTC)

    me = anybody.get("/auth/whoami", headers=bearer(session["token"])).json()
    assert me == {"user": "ann", "role": "user", "tenant": "tenant-a"}
    assert anybody.get("/accounts", headers=bearer(session["token"])).json() == []


def test_platform_token_is_nobody_in_particular(anybody: httpx.Client) -> None:
    headers = bearer(TOKEN)

    assert anybody.get("/auth/whoami", headers=headers).json() == {
        "user": "token",
        "role": "token",
        "tenant": "",
    }
    answer = anybody.get("/auth/whoami", headers={**headers, "x-tenant-id": "t"})
    assert answer.json()["tenant"] == "t"


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("nobody", "ann-password"), ("", ""), ("ann", "")]
)
def test_wrong_name_and_wrong_password_are_answered_alike(
    anybody: httpx.Client, name: str, password: str
) -> None:
    answer = log_in(anybody, name, password)
    problem = answer.json()

    assert answer.status_code == 401
    assert problem["error"] == "invalid credentials"
    assert problem["code"] == "invalid-credentials"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_too_many_failures_lock_one_name_from_one_address_and_no_other(
    anybody: httpx.Client,
) -> None:
    assert [log_in(anybody, "ann", "wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    locked = log_in(anybody, "ann")

    assert locked.status_code == 429
    assert 3500 < int(locked.headers["retry-after"]) <= 3601
    assert log_in(anybody, "ben").status_code == 200


def test_success_forgives_the_failures_before_it(anybody: httpx.Client) -> None:
    for _ in range(4):
        assert log_in(anybody, "ann", "wrong").status_code == 401
        assert log_in(anybody, "ann", "wrong").status_code == 401
        assert log_in(anybody, "ann").status_code == 200


def test_attempts_are_counted_by_all_replicas_together_and_at_the_same_moment(
    server: ApiProcess, database_url: str, tmp_path: Path
) -> None:
    users = auth_users()
    with running_api(
        database_url, tmp_path, AUTH_USERS=users, AUTH_MAX_FAILURES="3", AUTH_LOCKOUT="1h"
    ) as other:

        def attempt(number: int) -> int:
            url = (server, other)[number % 2].url
            body = {"username": "ann", "password": f"guess-{number}"}
            with httpx.Client(timeout=20, trust_env=False) as client:
                return client.post(f"{url}/auth/login", json=body).status_code

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            statuses = sorted(pool.map(attempt, range(24)))

    assert statuses == [401] * 3 + [429] * 21


def test_a_proxy_that_is_trusted_lets_its_clients_be_told_apart(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(
        database_url,
        tmp_path,
        AUTH_USERS=auth_users(),
        AUTH_MAX_FAILURES="2",
        TRUSTED_PROXIES="127.0.0.0/8",
    ) as server:

        def attempt(address: str, password: str) -> int:
            body = {"username": "ann", "password": password}
            headers = {"x-forwarded-for": f"6.6.6.6, {address}"}
            with httpx.Client(timeout=20, trust_env=False) as client:
                return client.post(
                    f"{server.url}/auth/login", json=body, headers=headers
                ).status_code

        assert [attempt("192.0.2.1", "wrong") for _ in range(3)] == [401, 401, 429]
        assert attempt("192.0.2.1", "ann-password") == 429
        assert attempt("192.0.2.2", "ann-password") == 200


def test_changed_password_ends_the_tokens_made_before(
    database_url: str, tmp_path: Path, anybody: httpx.Client
) -> None:
    token = log_in(anybody, "ann").json()["token"]
    with (
        running_api(database_url, tmp_path, AUTH_USERS=auth_users()) as restarted,
        httpx.Client(base_url=restarted.url, timeout=20, trust_env=False) as client,
    ):
        # The hashes are salted anew, so to the server every password was changed.
        assert client.get("/auth/whoami", headers=bearer(token)).status_code == 401


def test_expired_token_and_token_of_another_secret_are_refused(anybody: httpx.Client) -> None:
    fields = {"sub": "root", "role": "admin", "method": "password", "jti": "1", "iat": 1}
    expired = TokenSigner(JWT_SECRET).sign(Claims(**fields, exp=2))
    foreign = TokenSigner("x" * 40).sign(Claims(**fields, exp=4_000_000_000))

    for token in (expired, foreign):
        answer = anybody.get("/auth/whoami", headers=bearer(token))
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


def test_without_users_nobody_logs_in_and_the_answer_says_why(api: ApiProcess) -> None:
    with api.client() as client:
        answer = client.post("/auth/login", json={"username": "a", "password": "b"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "login-not-configured"


def test_passwords_and_tokens_are_in_no_log_and_no_row(
    server: ApiProcess, anybody: httpx.Client, database_url: str
) -> None:
    token = log_in(anybody, "ann").json()["token"]
    log_in(anybody, "ann", "canary-password-13")
    log_in(anybody, "canary-name-14", "x")
    anybody.get("/accounts", headers=bearer(token))

    async def rows() -> str:
        connection = await asyncpg.connect(database_url)
        try:
            found = await connection.fetch("SELECT audit_log::text AS t FROM audit_log")
            return "\n".join(row["t"] for row in found)
        finally:
            await connection.close()

    server.signal()
    server.wait()
    written = server.output() + asyncio.run(rows())
    for secret in (token, "canary-password-13", "canary-name-14", PASSWORDS["ann"]):
        assert secret not in written
    assert "login.password" in written


def test_nobody_locks_a_user_out_from_another_address(database_url: str, tmp_path: Path) -> None:
    with running_api(
        database_url,
        tmp_path,
        AUTH_USERS=auth_users(),
        AUTH_MAX_FAILURES="1",
        TRUSTED_PROXIES="127.0.0.0/8",
    ) as server:

        def attempt(number: int, password: str) -> int:
            headers = {"x-forwarded-for": f"192.0.2.{number}"}
            with httpx.Client(timeout=20, trust_env=False) as client:
                body = {"username": "ann", "password": password}
                return client.post(
                    f"{server.url}/auth/login", json=body, headers=headers
                ).status_code

        # Ten times as many as one address may make, and more.
        assert {attempt(number, "wrong") for number in range(13)} == {401}
        assert attempt(0, "ann-password") == 429
        assert attempt(200, "ann-password") == 200


async def test_attempts_at_one_name_from_many_addresses_are_held_back(database_url: str) -> None:
    settings = Settings(
        database_url=Secret(database_url),
        auth_users=Secret(auth_users()),
        auth_jwt_secret=Secret(JWT_SECRET),
        auth_max_failures=1,
    )
    users = parse_users(settings.auth_users.reveal())
    held: list[float] = []

    async def pause(seconds: float) -> None:
        held.append(seconds)

    clock = SystemClock()
    database = Database.from_settings(settings)
    await database.open()
    try:
        logins = Logins(
            database=database,
            clock=clock,
            settings=settings,
            signer=TokenSigner(JWT_SECRET),
            passwords=Passwords(users),
            people={},
            accounts=None,  # pyright: ignore[reportArgumentType] - passwords ask it nothing
            audit=None,  # pyright: ignore[reportArgumentType] - failures leave no entry here
            pause=pause,
        )
        for number in range(12):
            caller = Caller(
                method="POST",
                path="/auth/login",
                request_id="r",
                remote_addr=f"192.0.2.{number}",
                user_agent="",
            )
            with pytest.raises(InvalidCredentials):
                await logins.log_in(caller, "ann", "wrong")
    finally:
        await database.close()

    assert held == [0.0] * 10 + [FIRST_DELAY] * 2


async def test_rows_of_attempts_are_bounded_and_the_fewest_go_first(database_url: str) -> None:
    now = datetime.now(UTC)
    database = Database(database_url)
    await database.open()
    try:
        async with database.connection() as connection:
            for attempts in (1, 5, 2, 9):
                for _ in range(attempts):
                    await store.count_attempts(
                        connection, [bytes([attempts]) * 32], now, now + timedelta(hours=1)
                    )
            await store.delete_expired(connection, now, 2)
            rows = await connection.fetch("SELECT attempts FROM auth_login_attempts ORDER BY 1")
    finally:
        await database.close()

    assert [row["attempts"] for row in rows] == [5, 9]
