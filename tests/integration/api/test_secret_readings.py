"""That no value of a secret is given out unless the audit log says to whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.api_server import running_api
from support.gas import run_sql
from support.secrets_api import SecretsApi, canary, secret_path, speaking_to
from support.shared_api import own_database

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from servicelayer_api.local_postgres import LocalPostgres


@pytest.fixture
def api(secrets_api: SecretsApi) -> SecretsApi:
    return secrets_api


@pytest.fixture
def account(api: SecretsApi) -> str:
    return api.open_account()


async def readings(api: SecretsApi, account: str) -> list[asyncpg.Record]:
    return await api.fetch(
        "SELECT * FROM audit_log WHERE account_id = $1 AND action = 'secret.read' ORDER BY seq",
        account,
    )


async def test_a_reading_is_in_the_audit_log_with_who_and_which_version(
    api: SecretsApi, account: str
) -> None:
    value = canary()
    secret = api.keep(account, "Mixed Case", value, acl=16)
    api.ask("PUT", secret_path(account, "mixed case"), {"value": canary()})
    key = api.make_key(account, scopes=["secrets:read"])

    shown = api.ask("GET", secret_path(account, "MIXED%20CASE"))
    api.ask("GET", secret_path(account, "mixed%20case?version=1"), token=key)

    rows = await readings(api, account)
    assert [row["resource_id"] for row in rows] == [
        f"{secret['id']}|2|Mixed Case",
        f"{secret['id']}|1|Mixed Case",
    ]
    assert [row["actor"] for row in rows] == ["token", "key:k"]
    assert rows[0]["request_id"] == shown.headers["x-request-id"]
    assert (rows[0]["method"], rows[0]["status"], rows[0]["scope"]) == ("GET", 200, "secrets:read")
    assert (rows[0]["before_digest"], rows[0]["after_digest"]) == (None, None)
    assert value not in "".join(str(row) for row in rows)


async def test_what_gives_no_value_out_is_no_reading(api: SecretsApi, account: str) -> None:
    api.keep(account, "s", "v")
    key = api.make_key(account, scopes=["secrets:read"])

    assert api.ask("GET", secret_path(account, "s"), token=key).status_code == 403
    assert api.value(account, "s", "?version=7") == "secret-not-found"
    assert api.value(account, "other") == "secret-not-found"
    api.ask("GET", secret_path(account))
    api.ask("PUT", secret_path(account, "s"), {"acl": 1})

    assert await readings(api, account) == []


async def test_readings_at_once_are_all_in_the_log_each_with_its_own_request(
    api: SecretsApi, account: str
) -> None:
    api.keep(account, "s", "v")

    def read(_: int) -> str:
        answer = api.ask("GET", secret_path(account, "s"))
        assert answer.status_code == 200, answer.text
        return answer.headers["x-request-id"]

    with ThreadPoolExecutor(16) as pool:
        asked = list(pool.map(read, range(120)))

    assert sorted(row["request_id"] for row in await readings(api, account)) == sorted(asked)


async def test_a_value_stays_where_it_is_while_the_log_cannot_be_written(
    api: SecretsApi, account: str
) -> None:
    value = canary()
    api.keep(account, "s", value)
    await api.execute(
        "ALTER TABLE audit_log ADD CONSTRAINT no_reading CHECK (action <> 'secret.read') NOT VALID"
    )
    try:
        refused = api.ask("GET", secret_path(account, "s"))
        listed = api.ask("GET", secret_path(account))
    finally:
        await api.execute("ALTER TABLE audit_log DROP CONSTRAINT no_reading")

    assert (refused.status_code, refused.json()["code"]) == (503, "audit-unavailable")
    assert value not in refused.text
    assert listed.status_code == 200
    assert api.value(account, "s") == value
    assert len(await readings(api, account)) == 1


def test_readings_leave_no_entry_where_that_is_switched_off(
    postgres: LocalPostgres, tmp_path: Path
) -> None:
    with (
        own_database(postgres) as url,
        running_api(url, tmp_path, SECRETS_AUDIT_READS="false") as process,
        speaking_to(process, url) as quiet,
    ):
        account = quiet.open_account()
        quiet.keep(account, "s", "v")
        assert quiet.value(account, "s") == "v"

        entries = run_sql(url, "SELECT action FROM audit_log ORDER BY seq")
    assert [entry["action"] for entry in entries] == ["account.create", "secret.create"]
