"""Approvals of withdrawals over HTTP: API keys, people and platform tokens."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.gas import WALLET, Gas, as_user, code, open_bank, run_script, run_sql
from support.neo_wallet import NeoWallet
from support.openapi_operations import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres
    from support.gas import Bank

WITHDRAW = "gasbank:withdraw"
LIMITS = "gasbank:limits"
APPROVE = "gasbank:approve"
MIGRATIONS = Path(__file__).parents[3] / "migrations"
MIGRATION = MIGRATIONS / "0015_gas_withdrawals.sql"
SCOPES_MIGRATION = next(MIGRATIONS.glob("*_gasbank_scopes.sql"))
MAKERS_MIGRATION = next(MIGRATIONS.glob("*_credential_makers.sql"))


@pytest.fixture(scope="module")
def bank(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_bank(postgres, tmp_path_factory.mktemp("approvals")) as opened:
        yield opened


def make_key(gas: Gas, *scopes: str, by: httpx.Client | None = None) -> dict[str, Any]:
    body = {"name": "ops", **({"scopes": scopes} if scopes else {})}
    made = (by or gas.bank.http).post(f"/accounts/{gas.account}/api-keys", json=body)
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


def test_a_payout_key_pays_out_and_does_nothing_else(bank: Bank) -> None:
    gas = Gas(bank, daily_limit=5)
    gas.deposit(10)

    with using(gas, make_key(gas, WITHDRAW)) as client:
        assert ask(gas, client)
        for path, body, scope in (
            ("/deposit", {"gas_account_id": gas.id, "amount": 1_000_000}, "gasbank:deposit"),
            ("", {"daily_limit": 0}, LIMITS),
            ("", {"wallet_address": WALLET}, LIMITS),
            (f"/approvals/{ask(gas, client)}", {"approve": True}, APPROVE),
        ):
            refused = client.post(f"{gas.base}{path}", json=body)
            assert (refused.status_code, code(refused)) == (403, "insufficient-scope")
            assert refused.json()["scope"] == scope
        discard = client.delete(f"{gas.base}/deadletters/{NOWHERE}")
        assert discard.json()["scope"] == APPROVE
    assert gas.get()[0]["DailyLimit"] == 5


def test_nobody_but_the_platform_credits_a_deposit(bank: Bank) -> None:
    gas = Gas(bank)
    body = {"gas_account_id": gas.id, "amount": 1_000_000, "tx_id": "0x" + "a" * 64}
    everything = [make_key(gas), make_key(gas, "gasbank:deposit")]

    for key in everything:
        with using(gas, key) as client:
            refused = client.post(f"{gas.base}/deposit", json=body)
            assert (refused.status_code, code(refused)) == (403, "deposit-unproven")
            unknown = client.post(f"{gas.base}/deposit", json={**body, "gas_account_id": "x"})
            assert code(unknown) == "deposit-unproven"
    with as_user(bank, "ann") as ann:
        assert code(ann.post(f"{gas.base}/deposit", json=body)) == "deposit-unproven"
    assert gas.figures[0] == 0
    with as_user(bank, "root") as root:
        assert root.post(f"{gas.base}/deposit", json=body).status_code == 200
    assert gas.figures[0] == 1_000_000


def test_a_key_that_wrote_to_the_gas_bank_keeps_withdrawals_and_no_more(bank: Bank) -> None:
    gas = Gas(bank)
    key, other = make_key(gas, "accounts:read"), make_key(gas, LIMITS)
    scopes = "SELECT scopes FROM account_api_keys WHERE id = $1::uuid"
    run_sql(
        bank.dsn,
        "UPDATE account_api_keys SET scopes = ARRAY['gasbank:read', 'gasbank:write'] "
        "WHERE id = $1::uuid",
        key["id"],
    )
    run_script(bank.dsn, SCOPES_MIGRATION.read_text())

    assert run_sql(bank.dsn, scopes, key["id"])[0]["scopes"] == ["gasbank:read", WITHDRAW]
    assert run_sql(bank.dsn, scopes, other["id"])[0]["scopes"] == [LIMITS]
    refused = bank.http.post(
        f"/accounts/{gas.account}/api-keys", json={"name": "k", "scopes": ["gasbank:write"]}
    )
    assert (refused.status_code, code(refused)) == (400, "invalid-request")


def test_a_key_that_sets_limits_cannot_take_them_away(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2, daily_limit=5, min_balance=1)

    with using(gas, make_key(gas, LIMITS)) as client:
        for looser in (
            {"required_approvals": 1},
            {"required_approvals": -1},
            {"daily_limit": 0},
            {"daily_limit": -1},
            {"daily_limit": 6},
            {"min_balance": 0},
            {"required_approvals": 3, "daily_limit": 0},
        ):
            refused = client.post(gas.base, json=looser)
            assert (refused.status_code, code(refused)) == (403, "insufficient-scope"), looser
            assert refused.json()["scope"] == APPROVE
        assert require(gas, client, 2).status_code == 200
        assert require(gas, client, 3).status_code == 200
        assert client.post(gas.base, json={"min_balance": 2}).status_code == 200
    shown = gas.get()[0]
    assert (shown["RequiredApprovals"], shown["DailyLimit"], shown["MinBalance"]) == (3, 5, 2)


def test_approvers_and_people_take_required_approvals_away(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=4)

    with using(gas, make_key(gas, LIMITS, APPROVE)) as client:
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


def test_a_key_of_the_same_name_and_another_maker_approves_and_is_written_down_itself(
    bank: Bank,
) -> None:
    gas = Gas(bank, required_approvals=1)
    gas.deposit(5)
    key, sibling = make_key(gas, WITHDRAW), make_key(gas, APPROVE)
    with as_user(bank, "ann") as ann:
        other = make_key(gas, APPROVE, by=ann)

    with using(gas, key) as asking, using(gas, sibling) as same, using(gas, other) as deciding:
        withdrawal = ask(gas, asking)
        refused = decide(gas, same, withdrawal)
        answer = decide(gas, deciding, withdrawal, name="boss").json()

    assert (refused.status_code, code(refused)) == (403, "own-withdrawal")
    assert answer["transaction"]["Status"] == "pending"
    assert answer["approval"]["Approver"] == f"key:ops ({other['id']})"


def test_all_keys_of_one_maker_are_one_approver(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    key = make_key(gas, APPROVE)
    path = f"/accounts/{gas.account}/api-keys"
    successor = bank.http.post(f"{path}/{key['id']}/rotate", json={"overlap_seconds": 600}).json()
    withdrawal = gas.withdrawn(1)

    for each in (key, successor, make_key(gas, APPROVE)):
        with using(gas, each) as client:
            answer = decide(gas, client, withdrawal)
            assert answer.json()["transaction"]["Status"] == "awaiting_approval"
    with as_user(bank, "ann") as ann, using(gas, make_key(gas, APPROVE, by=ann)) as client:
        assert decide(gas, client, withdrawal).json()["transaction"]["Status"] == "pending"


def test_a_person_is_one_approver_by_whatever_they_made(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    wallet = NeoWallet()
    with as_user(bank, "ann") as ann:
        key = make_key(gas, APPROVE, by=ann)
        registered = ann.post(
            f"/accounts/{gas.account}/workspace-wallets", json={"wallet_address": wallet.address}
        )
        assert registered.status_code == 201
        with bank.api.client(authorization=f"Bearer {wallet_session(bank, wallet)}") as session:
            of_session = make_key(gas, APPROVE, by=session)
            withdrawal = gas.withdrawn(1)
            for name in ("ann", "Ann", "a\u200bnn"):
                answer = decide(gas, bank.http, withdrawal, name=name)
                assert answer.json()["transaction"]["Status"] == "awaiting_approval"
            with using(gas, key) as by_key, using(gas, of_session) as by_session_key:
                for client in (ann, by_key, session, by_session_key):
                    answer = decide(gas, client, withdrawal)
                    assert answer.json()["transaction"]["Status"] == "awaiting_approval"
    assert decide(gas, bank.http, withdrawal).json()["transaction"]["Status"] == "pending"


def wallet_session(bank: Bank, wallet: NeoWallet) -> str:
    given = bank.http.post("/auth/wallet/challenge", json={"wallet": wallet.address}).json()
    answer = bank.http.post("/auth/wallet/login", json=wallet.proof(given["message"]))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def test_a_key_of_which_nobody_knows_the_maker_rejects_and_does_not_approve(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=1)
    gas.deposit(5)
    key = make_key(gas, APPROVE)
    run_sql(bank.dsn, "UPDATE account_api_keys SET person = '' WHERE id = $1::uuid", key["id"])
    withdrawal = gas.withdrawn(1)

    with using(gas, key) as client:
        refused = decide(gas, client, withdrawal)
        assert (refused.status_code, code(refused)) == (403, "approver-unknown")
        rejected = decide(gas, client, withdrawal, approve=False)
    assert rejected.json()["transaction"]["Status"] == "cancelled"


def test_the_migration_learns_from_the_audit_log_who_made_what_is_there(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    wallets = f"/accounts/{gas.account}/workspace-wallets"
    with as_user(bank, "ann") as ann:
        key = make_key(gas, by=ann)
        ann.post(wallets, json={"wallet_address": NeoWallet().address})
        rotated = ann.post(
            f"/accounts/{gas.account}/api-keys/{make_key(gas)['id']}/rotate",
            json={"overlap_seconds": 600},
        ).json()
    wallet = NeoWallet()
    bank.http.post(wallets, json={"wallet_address": wallet.address})
    with bank.api.client(authorization=f"Bearer {wallet_session(bank, wallet)}") as session:
        of_session = make_key(gas, by=session)
    withdrawal = gas.withdrawn(1)
    decide(gas, bank.http, withdrawal, name="Ann")
    with using(gas, key) as client:
        decide(gas, client, withdrawal)
    keys = "SELECT id::text, person FROM account_api_keys WHERE account_id = $1::uuid"
    known = dict(run_sql(bank.dsn, keys, gas.account))
    registered = "SELECT person FROM workspace_wallets WHERE account_id = $1::uuid ORDER BY 1"
    approvals = "SELECT person FROM gas_approvals WHERE transaction_id = $1::uuid"

    statements = re.findall(
        r"(?ms)^(?:CREATE TEMPORARY TABLE|UPDATE) .*?;$", MAKERS_MIGRATION.read_text()
    )
    assert len(statements) == 7
    tables = ("account_api_keys", "workspace_wallets", "gas_approvals")
    blank = [f"UPDATE {table} SET person = ''" for table in tables]  # noqa: S608 - fixed names
    run_script(bank.dsn, *blank, *statements)

    expected = {**known, of_session["id"]: ""}
    assert known[key["id"]] == known[rotated["id"]] == "user:ann"
    assert dict(run_sql(bank.dsn, keys, gas.account)) == expected
    people = [row["person"] for row in run_sql(bank.dsn, registered, gas.account)]
    assert people == ["platform", "user:ann"]
    assert [row["person"] for row in run_sql(bank.dsn, approvals, withdrawal)] == ["user:ann"] * 2


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
