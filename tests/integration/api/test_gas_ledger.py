"""What the database refuses, whatever the program asks, and how the ledger is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from support.gas import Gas, as_user, open_bank, run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres
    from support.gas import Bank


@pytest.fixture(scope="module")
def bank(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_bank(postgres, tmp_path_factory.mktemp("gasbank")) as opened:
        yield opened


ENTRY = (
    "INSERT INTO gas_ledger (gas_account_id, transaction_id, kind, debit, credit, amount, at) "
    "VALUES ($1, "
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gas_accounts SET available = available + 1 WHERE id = $1",
        "UPDATE gas_accounts SET pending = 5 WHERE id = $1",
        (
            "INSERT INTO gas_accounts (id, tenant, wallet_address, available, created_at, "
            "updated_at) SELECT gen_random_uuid(), 't', '', 5, now(), now() "
            "FROM gas_accounts WHERE id = $1"
        ),
        "UPDATE gas_ledger SET amount = amount + 1 WHERE gas_account_id = $1",
        "DELETE FROM gas_ledger WHERE gas_account_id = $1",
        # Out of an empty book, in a way that is none, twice, and both ends of one withdrawal.
        ENTRY + "$2, 'charge', 'available', 'fees', 1000000000, now())",
        ENTRY + "$2, 'deposit', 'fees', 'available', 1, now())",
        ENTRY + "$2, 'deposit', 'chain', 'available', 1, now())",
        ENTRY + "$3, 'settle', 'pending', 'chain', 1, now())",
        "UPDATE gas_transactions SET amount = -1 WHERE gas_account_id = $1",
        "UPDATE gas_transactions SET status = 'settling' WHERE id = $3",
    ],
)
def test_database_refuses_what_would_break_the_ledger(bank: Bank, statement: str) -> None:
    gas = Gas(bank)
    deposit = gas.deposit(1).json()["transaction"]["ID"]
    cancelled, held = gas.withdrawn(0.25), gas.withdrawn(0.25)
    gas.cancel(cancelled)
    given = [gas.id, deposit, cancelled]
    arguments = [one for n, one in enumerate(given, 1) if f"${n}" in statement]
    numbered = statement.replace("$3", "$2") if "$2" not in statement else statement
    if "$1" not in statement:
        numbered = numbered.replace("$2", "$1")

    with pytest.raises(
        (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
    ):
        run_sql(bank.dsn, numbered, *arguments)

    assert gas.get(f"/withdrawals/{held}")["Status"] == "pending"
    assert gas.figures == (1, 0.75, 0.25, 0.25)


def test_ledger_cannot_be_emptied(bank: Bank) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        run_sql(bank.dsn, "TRUNCATE gas_ledger")


def test_ledger_is_compared_with_balances_and_states_on_demand_by_an_admin(bank: Bank) -> None:
    gas = Gas(bank)
    gas.deposit(1.5)
    with as_user(bank, "root") as root:
        sound = root.get("/admin/gasbank/invariants").json()
        # What only a superuser who switches the triggers off can do.
        off = "UPDATE gas_accounts SET available = available + $2 WHERE id = $1"
        run_sql(bank.dsn, "ALTER TABLE gas_accounts DISABLE TRIGGER USER")
        run_sql(bank.dsn, off, gas.id, 3)
        try:
            broken = root.get("/admin/gasbank/invariants").json()
        finally:
            run_sql(bank.dsn, off, gas.id, -3)
            run_sql(bank.dsn, "ALTER TABLE gas_accounts ENABLE TRIGGER USER")
    assert (sound["balanced"], sound["drift"], sound["faults"]) == (True, 0, 0)
    assert sound["debits"] == sound["credits"] > 0
    assert (broken["balanced"], broken["drift"], broken["faults"]) == (False, 0.00000003, 1)
    assert bank.http.get("/admin/gasbank/invariants").status_code == 403


def test_changes_are_in_the_audit_log_with_the_one_who_made_them(bank: Bank) -> None:
    gas = Gas(bank)
    gas.deposit(1)
    gas.cancel(gas.withdrawn(1))
    with as_user(bank, "root") as root:
        entries = root.get("/admin/audit", params={"contains": gas.account}).json()

    assert [entry["action"] for entry in entries] == [
        "gasbank.open",
        "gasbank.deposit",
        "gasbank.withdraw",
        "gasbank.cancel",
    ]
