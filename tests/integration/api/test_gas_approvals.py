"""Approvals of withdrawals over HTTP: API keys, people and platform tokens."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.gas import WALLET, Gas, as_user, code, open_bank, run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres
    from support.gas import Bank

WRITE = "gasbank:write"
APPROVE = "gasbank:approve"
MIGRATION = Path(__file__).parents[3] / "migrations" / "0015_gas_withdrawals.sql"


@pytest.fixture(scope="module")
def bank(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_bank(postgres, tmp_path_factory.mktemp("approvals")) as opened:
        yield opened


def make_key(gas: Gas, *scopes: str) -> dict[str, Any]:
    body = {"name": "ops", **({"scopes": scopes} if scopes else {})}
    made = gas.bank.http.post(f"/accounts/{gas.account}/api-keys", json=body)
    assert made.status_code == 201, made.text
    return made.json()


@contextmanager
def using(gas: Gas, key: dict[str, Any]) -> Iterator[httpx.Client]:
    with gas.bank.api.client(authorization=f"Bearer {key['key']}") as client:
        yield client


def require(gas: Gas, client: httpx.Client, approvals: int) -> httpx.Response:
    return client.post(gas.base, json={"required_approvals": approvals})


def ask(gas: Gas, client: httpx.Client) -> str:
    body = {"gas_account_id": gas.id, "amount": 1, "to_address": WALLET}
    answer = client.post(f"{gas.base}/withdraw", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["transaction"]["ID"])


def decide(
    gas: Gas, client: httpx.Client, withdrawal: str, *, approve: bool = True, name: str = "boss"
) -> httpx.Response:
    body = {"approver": name, "approve": approve}
    return client.post(f"{gas.base}/approvals/{withdrawal}", json=body)


def test_a_key_that_writes_cannot_take_required_approvals_away(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)

    with using(gas, make_key(gas, WRITE)) as client:
        for fewer in (1, 0, -1):
            refused = require(gas, client, fewer)
            assert (refused.status_code, code(refused)) == (403, "insufficient-scope")
            assert refused.json()["scope"] == APPROVE
        assert gas.get()[0]["RequiredApprovals"] == 2
        assert require(gas, client, 2).status_code == 200
        assert require(gas, client, 3).status_code == 200
        assert client.post(gas.base, json={"min_balance": 1}).status_code == 200
    assert gas.get()[0]["RequiredApprovals"] == 3


def test_approvers_and_people_take_required_approvals_away(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=4)

    with using(gas, make_key(gas, WRITE, APPROVE)) as client:
        assert require(gas, client, 3).status_code == 200
    with as_user(bank, "ann") as client:
        assert require(gas, client, 2).status_code == 200
    assert require(gas, bank.http, 1).status_code == 200
    assert gas.get()[0]["RequiredApprovals"] == 1


def test_a_key_cannot_approve_what_it_asked_for_nor_can_its_successor(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=1)
    gas.deposit(5)
    key = make_key(gas)
    rotated = bank.http.post(
        f"/accounts/{gas.account}/api-keys/{key['id']}/rotate", json={"overlap_seconds": 600}
    )
    successor = rotated.json()

    with using(gas, key) as old, using(gas, successor) as new:
        for asking, deciding in ((old, old), (old, new), (new, old)):
            withdrawal = ask(gas, asking)
            refused = decide(gas, deciding, withdrawal)
            assert (refused.status_code, code(refused)) == (403, "own-withdrawal")
            assert gas.get(f"/approvals/{withdrawal}") == []
            assert gas.get(f"/withdrawals/{withdrawal}")["Status"] == "awaiting_approval"
            rejected = decide(gas, deciding, withdrawal, approve=False)
            assert rejected.json()["transaction"]["Status"] == "cancelled"


def test_another_key_of_the_same_name_approves_and_is_written_down_itself(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=1)
    gas.deposit(5)
    key, other = make_key(gas, WRITE), make_key(gas, APPROVE)

    with using(gas, key) as asking, using(gas, other) as deciding:
        withdrawal = ask(gas, asking)
        answer = decide(gas, deciding, withdrawal, name="boss").json()

    assert answer["transaction"]["Status"] == "pending"
    assert answer["approval"]["Approver"] == f"key:ops ({other['id']})"


def test_a_key_and_its_successor_are_one_approver(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    key = make_key(gas, APPROVE)
    path = f"/accounts/{gas.account}/api-keys"
    successor = bank.http.post(f"{path}/{key['id']}/rotate", json={"overlap_seconds": 600}).json()
    withdrawal = gas.withdrawn(1)

    for each in (key, successor):
        with using(gas, each) as client:
            answer = decide(gas, client, withdrawal)
            assert answer.json()["transaction"]["Status"] == "awaiting_approval"
    with using(gas, make_key(gas, APPROVE)) as client:
        assert decide(gas, client, withdrawal).json()["transaction"]["Status"] == "pending"


def test_a_user_is_written_down_as_who_logged_in(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=1)
    gas.deposit(5)
    withdrawal = gas.withdrawn(1)

    with as_user(bank, "ann") as client:
        answer = decide(gas, client, withdrawal, name="boss").json()

    assert answer["approval"]["Approver"] == "ann"
    assert answer["transaction"]["Status"] == "pending"


def test_a_platform_token_approves_for_each_person_it_names(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    withdrawal = gas.withdrawn(1)

    for name, status in (
        ("ann", "awaiting_approval"),
        ("ann", "awaiting_approval"),
        ("ben", "pending"),
    ):
        answer = decide(gas, bank.http, withdrawal, name=name).json()
        assert (answer["approval"]["Approver"], answer["transaction"]["Status"]) == (name, status)


def test_keys_that_were_rotated_before_the_migration_are_one_as_well(bank: Bank) -> None:
    gas = Gas(bank)
    path = f"/accounts/{gas.account}/api-keys"
    chain = [make_key(gas)["id"]]
    for _ in range(3):
        rotated = bank.http.post(f"{path}/{chain[-1]}/rotate", json={"overlap_seconds": 600})
        chain.append(rotated.json()["id"])
    alone = make_key(gas)["id"]
    ours = "FROM account_api_keys WHERE account_id = $1::uuid"
    expected = dict.fromkeys(chain[1:], chain[0]) | {chain[0]: "None", alone: "None"}

    def origins() -> dict[str, str]:
        rows = run_sql(bank.dsn, f"SELECT id, origin {ours}", gas.account)
        return {str(row["id"]): str(row["origin"]) for row in rows}

    assert origins() == expected
    run_sql(bank.dsn, "UPDATE account_api_keys SET origin = NULL")
    run_sql(
        bank.dsn, re.findall(r"(?s)^WITH RECURSIVE.*?;", MIGRATION.read_text(), re.MULTILINE)[0]
    )
    assert origins() == expected
