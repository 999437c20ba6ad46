"""What an admin sees: of all tenants, of the one that is named, or of the one of the credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from support.api_server import ApiProcess, running_api
from support.gas import run_sql
from support.people import auth_users, token_of
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres


@pytest.fixture(scope="module")
def server(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ApiProcess, str]]:
    """A server, its database, and an account with gas in each of two tenants."""
    folder = tmp_path_factory.mktemp("admins")
    with own_database(postgres) as url, running_api(url, folder, AUTH_USERS=auth_users()) as api:
        for tenant in ("tenant-a", "tenant-b"):
            with api.client(**{"x-tenant-id": tenant}) as client:
                account = client.post("/accounts", json={"owner": tenant}).json()["ID"]
                bank = f"/accounts/{account}/gasbank"
                gas = client.post(bank, json={}).json()["ID"]
                body = {"gas_account_id": gas, "amount": 5, "tx_id": f"tx-{tenant}"}
                assert client.post(f"{bank}/deposit", json=body).status_code in {200, 201}
        yield api, url


def as_admin(api: ApiProcess, name: str, tenant: str | None = None) -> httpx.Client:
    headers = {"authorization": f"Bearer {token_of(api, name)}"}
    if tenant is not None:
        headers["x-tenant-id"] = tenant
    return httpx.Client(base_url=api.url, headers=headers, timeout=20, trust_env=False)


# user, tenant that is named -> tenants whose entries are shown
SEEN = {
    ("root", None): {"tenant-a", "tenant-b"},
    ("root", "tenant-a"): {"tenant-a"},
    ("root", "tenant-b"): {"tenant-b"},
    ("ben", None): {"tenant-b"},
    ("ben", "tenant-b"): {"tenant-b"},
}


@pytest.mark.parametrize(("name", "tenant"), SEEN)
def test_the_guide_s_question_for_the_audit_log_is_answered(
    server: tuple[ApiProcess, str], name: str, tenant: str | None
) -> None:
    api, _ = server
    with as_admin(api, name, tenant) as admin:
        answer = admin.get("/admin/audit?limit=100&method=POST")
        assert answer.status_code == 200, answer.text
        found = {entry["tenant"] for entry in answer.json() if entry["path"] != "/auth/login"}
    assert found == SEEN[name, tenant]


def test_the_ledger_is_judged_for_all_tenants_or_one(server: tuple[ApiProcess, str]) -> None:
    api, url = server

    def judged(name: str, tenant: str | None = None) -> tuple[int, bool]:
        with as_admin(api, name, tenant) as admin:
            verdict = admin.get("/admin/gasbank/invariants").json()
        return verdict["entries"], verdict["balanced"]

    assert judged("root") == (2, True)
    assert judged("root", "tenant-a") == judged("ben") == (1, True)
    run_sql(url, "ALTER TABLE gas_accounts DISABLE TRIGGER USER")
    run_sql(url, "UPDATE gas_accounts SET available = available + 1 WHERE tenant = 'tenant-a'")
    assert judged("root") == (2, False)
    assert judged("root", "tenant-a") == (1, False)
    assert judged("ben") == (1, True)


def test_a_bound_admin_names_no_other_tenant(server: tuple[ApiProcess, str]) -> None:
    api, _ = server
    with as_admin(api, "ben", "tenant-a") as admin:
        for path in ("/admin/audit", "/admin/gasbank/invariants"):
            answer = admin.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "tenant-mismatch")
