"""The quota of a tenant on what it withdraws a day, over all its gas accounts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.api_server import TENANT, running_api
from support.gas import WALLET, Bank, Gas, as_user, code, run_sql
from support.patience import patience
from support.people import auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres

GAS = 100_000_000


@pytest.fixture(scope="module")
def bank(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("quota")
    with (
        own_database(postgres) as dsn,
        running_api(dsn, folder, AUTH_USERS=auth_users(), GASBANK_POLL_INTERVAL="100ms") as api,
        api.client() as client,
    ):
        yield Bank(api, client, dsn)


@pytest.fixture(autouse=True)
def morning(bank: Bank) -> None:
    """Nobody has withdrawn anything today yet."""
    run_sql(bank.dsn, "UPDATE gas_accounts SET daily_on = daily_on - 1 WHERE daily_withdrawn > 0")


def allow(bank: Bank, gas: float, tenant: str = TENANT) -> None:
    body = {"tenant_id": tenant, "max_gas_per_day": int(gas * GAS)}
    with as_user(bank, "root") as root:
        answer = root.put(
            f"/admin/config/quotas/{tenant}", json=body, headers={"x-tenant-id": tenant}
        )
        if answer.status_code == 404:
            answer = root.post("/admin/config/quotas", json=body, headers={"x-tenant-id": tenant})
    assert answer.is_success, answer.text


def funded(bank: Bank, **settings: Any) -> Gas:
    gas = Gas(bank, **settings)
    assert gas.deposit(100).status_code == 200
    return gas


def test_all_gas_accounts_together_withdraw_no_more_than_the_quota_however_many_ask_at_once(
    bank: Bank,
) -> None:
    allow(bank, 5)
    accounts = [funded(bank) for _ in range(3)]

    def withdraw(number: int) -> httpx.Response:
        return accounts[number % 3].withdraw(1)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(withdraw, range(18)))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [409] * 13
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["quota"], refused["limit"]) == (
        "gas-quota-exceeded",
        "max_gas_per_day",
        5 * GAS,
    )
    assert sum(account.figures[2] for account in accounts) == 5


def test_a_changed_quota_holds_at_once_and_none_is_no_limit(bank: Bank) -> None:
    gas = funded(bank)
    allow(bank, 2.5)
    assert gas.withdraw(2).status_code == 200
    assert code(gas.withdraw(1)) == "gas-quota-exceeded"
    assert gas.withdraw(0.5).status_code == 200

    allow(bank, 4)
    assert gas.withdraw(1.5).status_code == 200
    assert code(gas.withdraw(0.00000001)) == "gas-quota-exceeded"
    allow(bank, 0)
    assert gas.withdraw(50).status_code == 200


def test_what_was_cancelled_or_withdrawn_yesterday_uses_nothing_up(bank: Bank) -> None:
    allow(bank, 2)
    gas, other = funded(bank), funded(bank)

    withdrawal = gas.withdrawn(2)
    assert code(other.withdraw(1)) == "gas-quota-exceeded"
    assert gas.cancel(withdrawal).status_code == 200
    assert other.withdraw(2).status_code == 200
    assert code(gas.withdraw(1)) == "gas-quota-exceeded"

    run_sql(
        bank.dsn, "UPDATE gas_accounts SET daily_on = daily_on - 1 WHERE id = $1::uuid", other.id
    )
    assert gas.withdraw(1).status_code == 200


def test_other_tenants_and_deposits_go_on(bank: Bank) -> None:
    allow(bank, 1)
    gas = funded(bank)
    assert gas.withdraw(1).status_code == 200

    assert gas.deposit(1).status_code == 200
    with bank.api.client(**{"x-tenant-id": "tenant-b"}) as client:
        other = Gas(Bank(bank.api, client, bank.dsn))
        other.deposit(5)
        assert other.withdraw(5).status_code == 200


def test_a_repeated_withdrawal_ends_where_the_quota_does(bank: Bank) -> None:
    allow(bank, 2)
    gas = funded(bank)

    body = {"cron_expression": "@every 1s", "to_address": WALLET}
    first = gas.post("withdraw", amount=2, **body).json()["transaction"]["ID"]

    deadline = time.monotonic() + patience(30)
    while (found := gas.get(f"/withdrawals/{first}"))["Status"] == "scheduled":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["Notes"] == "not repeated: the tenant's daily quota is exceeded; 0 GAS are left"
