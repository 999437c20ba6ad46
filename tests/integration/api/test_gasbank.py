"""The gas bank over HTTP: deposits, withdrawals, approvals, lists."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.api_server import TENANT, TOKEN
from support.gas import WALLET, Bank, Gas, as_user, code, open_bank, run_script, run_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres

DEPOSITS_MIGRATION = next((Path(__file__).parents[3] / "migrations").glob("*_chain_deposits.sql"))
LARGEST = "92233720368.54775807"


@pytest.fixture(scope="module")
def bank(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_bank(postgres, tmp_path_factory.mktemp("gasbank")) as opened:
        yield opened


def test_chain_transaction_is_credited_once_however_often_it_is_sent(bank: Bank) -> None:
    gas = Gas(bank)
    sent = {"tx_id": "0x" + "AB" * 32, "from_address": "a", "to_address": "b"}

    first = gas.deposit(10.5, **sent)
    again = gas.deposit(10.5, **{**sent, "tx_id": "ab" * 32})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["transaction"]["ID"] == again.json()["transaction"]["ID"]
    assert gas.figures == (10.5, 10.5, 0, 0)


@pytest.mark.parametrize(
    "spelling",
    [
        "{0}\u200b",
        "{0}\u0301",
        "{0}#1",
        "0x{0}",
        "0x0x{1}",
        "{0}.",
        "{0}:1",
        "{0} x",
        "x{1}",
        "{0}0",
        "\uff10x{1}",
        "{0}\u00a0",
        "-{1}",
        "{0}\n",
    ],
)
def test_what_looks_like_a_chain_transaction_is_not_credited_beside_it(
    bank: Bank, spelling: str
) -> None:
    gas = Gas(bank)
    digits = gas.id.replace("-", "") * 2
    assert gas.deposit(1, tx_id=f"0x{digits}").status_code == 200

    answer = gas.deposit(1, tx_id=spelling.format(f"0x{digits}", digits))

    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (400, "tx_id")
    assert gas.figures[0] == 1


def test_chain_transaction_is_credited_once_in_all_tenants(bank: Bank) -> None:
    gas = Gas(bank)
    digits = gas.id.replace("-", "") * 2
    gas.deposit(1, tx_id=f"0x{digits}")
    gas.deposit(1, tx_id=f"own-{gas.id}")
    with bank.api.client(**{"x-tenant-id": "tenant-z"}) as http:
        other = Gas(Bank(bank.api, http, bank.dsn))
        for tx_id in (f"0x{digits}", digits.upper()):
            assert code(other.deposit(1, tx_id=tx_id)) == "deposit-differs"
        assert other.figures[0] == 0
        # An id that somebody made up is the tenant's own.
        assert other.deposit(1, tx_id=f"own-{gas.id}").status_code == 200


def test_the_migration_lets_what_was_credited_twice_stay_and_stops_the_third(bank: Bank) -> None:
    gas, opaque = Gas(bank), Gas(bank)
    digits = gas.id.replace("-", "") * 2
    gas.deposit(1, tx_id=digits)
    opaque.deposit(1, tx_id=f"dep-{opaque.id}")
    own = "UPDATE gas_transactions SET deposit_key = $2 WHERE gas_account_id = $1::uuid"
    with bank.api.client(**{"x-tenant-id": "tenant-y"}) as http:
        other = Gas(Bank(bank.api, http, bank.dsn))
        other.deposit(1, tx_id=f"own-{gas.id}")
        # As both tenants had it before, and an id that was kept with its 0x.
        run_sql(bank.dsn, "DROP INDEX gas_chain_deposits_once")
        run_sql(bank.dsn, own, other.id, digits)
        run_sql(bank.dsn, own, opaque.id, f"0xdep-{opaque.id}")
        run_script(bank.dsn, DEPOSITS_MIGRATION.read_text())

        for again in (gas, other):
            again.deposit(1, tx_id=f"0x{digits}")
            assert again.figures[0] == 1
    assert opaque.deposit(1, tx_id=f"0xDEP-{opaque.id}").status_code == 200
    assert opaque.figures[0] == 1


@pytest.mark.parametrize("spelling", ["0x{0}", "{0}", "0X{0}", " {0} "])
def test_an_id_that_is_none_of_the_chain_is_one_in_each_spelling(bank: Bank, spelling: str) -> None:
    gas = Gas(bank)
    gas.deposit(1, tx_id=f"dep-{gas.id}")

    assert gas.deposit(1, tx_id=spelling.format(f"DEP-{gas.id}")).status_code == 200
    assert gas.figures[0] == 1


@pytest.mark.parametrize("other", [{"amount": 2}, {"from_address": "x"}, {"to_address": "x"}])
def test_chain_transaction_with_other_values_is_refused(
    bank: Bank, other: dict[str, object]
) -> None:
    gas = Gas(bank)
    key = f"t-{gas.id}"
    gas.deposit(1, tx_id=key)

    answer = gas.deposit(**{"amount": 1, "tx_id": key, **other})

    assert (answer.status_code, code(answer)) == (409, "deposit-differs")
    assert gas.figures[0] == 1


def test_chain_transaction_of_one_gas_account_is_not_credited_to_another(bank: Bank) -> None:
    gas, other = Gas(bank), Gas(bank)
    gas.deposit(1, tx_id=f"t-{gas.id}")

    assert code(other.deposit(1, tx_id=f"t-{gas.id}")) == "deposit-differs"
    assert other.figures[0] == 0


def test_largest_amount_goes_in_and_out_to_the_last_fraction(bank: Bank) -> None:
    gas = Gas(bank)
    body = f'{{"gas_account_id":"{gas.id}","amount":{LARGEST}}}'
    headers = {"content-type": "application/json"}

    answer = bank.http.post(f"{gas.base}/deposit", content=body, headers=headers)

    read = json.loads(answer.content, parse_float=Decimal)
    assert read["account"]["Balance"] == Decimal(LARGEST)
    assert code(gas.deposit(0.00000001)) == "gas-balance-too-large"


@pytest.mark.parametrize("amount", ["1", True, None, -1, 0, 1e-9, 1e11, [1], {}])
def test_amount_that_is_none_is_refused_and_moves_nothing(bank: Bank, amount: object) -> None:
    gas = Gas(bank)

    for answer in (gas.deposit(amount), gas.withdraw(amount)):
        assert answer.status_code == 400
        assert answer.json()["fields"][0]["field"] == "amount"
    assert gas.figures == (0, 0, 0, 0)


async def test_deposits_that_meet_are_refused_one_by_one(bank: Bank) -> None:
    gas, foreign = Gas(bank), Gas(bank)
    key = f"t-{gas.id}"
    limits = httpx.Limits(max_connections=40)
    headers = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}

    async with httpx.AsyncClient(
        base_url=bank.api.url, headers=headers, timeout=20, limits=limits, trust_env=False
    ) as client:

        async def send(base: str, **body: object) -> httpx.Response:
            sent = {"gas_account_id": gas.id, "amount": 1, **body}
            return await client.post(f"{base}/deposit", json=sent)

        answers = await asyncio.gather(
            *(send(gas.base, tx_id=f"{key}-{n}") for n in range(30)),
            *(send(gas.base, tx_id=key) for _ in range(5)),
            *(send(foreign.base) for _ in range(5)),
            *(send(gas.base, amount=10**10) for _ in range(12)),
            *(send("/accounts/nobody/gasbank") for _ in range(5)),
        )

    statuses = [answer.status_code for answer in answers]
    assert statuses[:35] == [200] * 35
    assert len({answer.json()["transaction"]["ID"] for answer in answers[30:35]}) == 1
    assert statuses[35:40] == [404] * 5
    assert sorted(statuses[40:52]) == [200] * 9 + [409] * 3
    assert statuses[52:] == [404] * 5
    assert gas.figures[0] == 31 + 9 * 10**10
    balances = sorted(a.json()["account"]["Balance"] for a in answers[:30] if a.status_code == 200)
    assert len(set(balances)) == 30, "each answer shows the balance right after its own deposit"


def test_deposit_with_an_idempotency_key_is_made_once_with_its_answer(bank: Bank) -> None:
    gas = Gas(bank)
    sent = {"gas_account_id": gas.id, "amount": 3}
    headers = {"idempotency-key": f"k-{gas.id}"}

    first = bank.http.post(f"{gas.base}/deposit", json=sent, headers=headers)
    again = bank.http.post(f"{gas.base}/deposit", json=sent, headers=headers)

    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert gas.figures[0] == 3


def test_deposit_whose_answer_cannot_be_kept_is_not_made(bank: Bank) -> None:
    """Without one transaction for both, the same request would be credited twice."""
    gas = Gas(bank)
    sent = {"gas_account_id": gas.id, "amount": 3}
    headers = {"idempotency-key": f"u-{gas.id}"}

    run_sql(bank.dsn, "ALTER TABLE request_replies ADD CONSTRAINT full_up CHECK (false) NOT VALID")
    try:
        failed = bank.http.post(f"{gas.base}/deposit", json=sent, headers=headers)
    finally:
        run_sql(bank.dsn, "ALTER TABLE request_replies DROP CONSTRAINT full_up")
    assert failed.status_code == 500
    assert gas.figures[0] == 0

    assert bank.http.post(f"{gas.base}/deposit", json=sent, headers=headers).status_code == 200
    assert gas.figures[0] == 3


def test_withdrawal_withholds_and_cancelling_gives_back_once(bank: Bank) -> None:
    gas = Gas(bank)
    gas.deposit(10)
    first, second = gas.withdrawn(4), gas.withdrawn(5)
    assert gas.figures == (10, 1, 9, 9)

    assert gas.cancel(first).json()["Status"] == "cancelled"
    again = gas.cancel(first)

    assert (again.status_code, code(again)) == (409, "withdrawal-state")
    assert gas.figures == (10, 5, 5, 5)
    assert gas.cancel(second).status_code == 200
    assert gas.figures == (10, 10, 0, 0)


def test_limits_of_the_account_are_kept_and_cancelled_withdrawals_use_none_up(bank: Bank) -> None:
    gas = Gas(bank, min_balance=1, daily_limit=5)
    gas.deposit(20)

    assert code(gas.withdraw(21)) == "insufficient-gas"
    assert code(gas.withdraw(19.5)) == "below-minimum-balance"
    used = gas.withdrawn(5)
    assert code(gas.withdraw(0.00000001)) == "daily-limit-exceeded"
    gas.cancel(used)
    assert gas.withdraw(5).status_code == 200


async def test_withdrawals_that_race_never_take_more_than_there_is(bank: Bank) -> None:
    gas = Gas(bank)
    gas.deposit(10)
    headers = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}

    async with httpx.AsyncClient(
        base_url=bank.api.url, headers=headers, timeout=20, trust_env=False
    ) as client:
        sent = {"gas_account_id": gas.id, "amount": 3, "to_address": WALLET}
        answers = await asyncio.gather(
            *(client.post(f"{gas.base}/withdraw", json=sent) for _ in range(12))
        )

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 9
    assert gas.figures == (10, 1, 9, 9)


def test_destination_must_be_an_address_or_a_script_hash(bank: Bank) -> None:
    gas = Gas(bank)
    gas.deposit(1)

    refused = gas.post("withdraw", amount=1, to_address="Nout")

    assert refused.json()["fields"][0]["field"] == "to_address"
    assert gas.figures == (1, 1, 0, 0)


def test_withdrawal_of_another_account_is_not_there(bank: Bank) -> None:
    gas, other = Gas(bank, required_approvals=1), Gas(bank)
    gas.deposit(1)
    withdrawal = gas.withdrawn(1)
    deposit = gas.get("/transactions", gas_account_id=gas.id, type="deposit")[0]["ID"]

    for answer in (
        other.cancel(withdrawal),
        other.decide(withdrawal, approver="x", approve=True),
        bank.http.get(f"{other.base}/withdrawals/{withdrawal}"),
        bank.http.get(f"{other.base}/withdrawals/{withdrawal}/attempts"),
        bank.http.post(f"{other.base}/deadletters/{withdrawal}/retry", json={}),
        bank.http.delete(f"{other.base}/deadletters/{withdrawal}"),
        bank.http.get(f"{gas.base}/withdrawals/{deposit}"),
        gas.cancel(deposit),
        gas.cancel("nothing"),
    ):
        assert (answer.status_code, code(answer)) == (404, "gas-transaction-not-found")
    assert other.get(f"/approvals/{withdrawal}") == []
    assert gas.get(f"/withdrawals/{withdrawal}")["Status"] == "awaiting_approval"


def test_approvals_are_counted_once_for_each_credential(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    withdrawal = gas.withdrawn(1)

    def approve(client: httpx.Client, name: str) -> str:
        sent = {"approver": name, "approve": True}
        answer = client.post(f"{gas.base}/approvals/{withdrawal}", json=sent)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["transaction"]["Status"])

    with as_user(bank, "ann") as ann:
        assert approve(ann, "ann") == "awaiting_approval"
        assert approve(ann, "somebody else") == "awaiting_approval"
    made = bank.http.post(f"/accounts/{gas.account}/api-keys", json={"name": "k"}).json()
    with bank.api.client(authorization=f"Bearer {made['key']}") as key:
        assert approve(key, "ann") == "pending"


def test_one_rejection_cancels_and_says_who(bank: Bank) -> None:
    gas = Gas(bank, required_approvals=2)
    gas.deposit(5)
    withdrawal = gas.withdrawn(2)
    gas.decide(withdrawal, approver="ann", approve=True)

    answer = gas.decide(withdrawal, approver="ben", note="too much")

    assert answer.json()["transaction"]["Status"] == "cancelled"
    assert gas.get(f"/withdrawals/{withdrawal}")["Error"] == "rejected by ben"
    assert [a["Approver"] for a in gas.get(f"/approvals/{withdrawal}")] == ["ben", "ann"]
    assert code(gas.decide(withdrawal, approver="ben", approve=True)) == "withdrawal-state"
    assert gas.figures == (5, 5, 0, 0)


def test_lists_filter_before_they_are_cut_and_pages_are_stable(bank: Bank) -> None:
    gas = Gas(bank)
    for n in range(7):
        gas.deposit(1, tx_id=f"{gas.id}-{n}")
    scheduled = gas.withdrawn(1, schedule_at="2099-01-01T00:00:00Z")
    for _ in range(3):
        gas.deposit(1)

    page = {"gas_account_id": gas.id, "limit": "1"}
    assert [t["ID"] for t in gas.get("/withdrawals", **page)] == [scheduled]
    assert [t["ID"] for t in gas.get("/transactions", **page, status="scheduled")] == [scheduled]

    seen: list[str] = []
    query = {"gas_account_id": gas.id, "limit": "4"}
    while True:
        answer = bank.http.get(f"{gas.base}/deposits", params=query)
        seen += [t["ID"] for t in answer.json()]
        gas.deposit(1)
        cursor = answer.headers.get("x-next-cursor")
        if cursor is None:
            break
        query["cursor"] = cursor
    assert len(seen) == len(set(seen)) == 10
    foreign = Gas(bank)
    stolen = bank.http.get(
        f"{foreign.base}/deposits",
        params={"gas_account_id": foreign.id, "limit": "4", "cursor": query["cursor"]},
    )
    assert stolen.status_code == 400


def test_summary_counts_open_withdrawals_beyond_the_newest(bank: Bank) -> None:
    gas = Gas(bank)
    gas.deposit(100)
    for _ in range(30):
        gas.withdraw(1)
    gas.cancel(gas.withdrawn(2))

    shown = gas.get("/summary")

    assert (shown["pending_withdrawals"], shown["pending_amount"]) == (30, 30)
    assert (shown["total_balance"], shown["total_available"], shown["total_locked"]) == (
        100,
        70,
        30,
    )
    assert shown["last_withdrawal"]["status"] == "cancelled"
    assert shown["last_deposit"]["amount"] == 100


def test_wallet_belongs_to_one_gas_account_in_either_spelling(bank: Bank) -> None:
    Gas(bank, wallet_address="0x" + "cd" * 20)
    other = Gas(bank)

    answer = bank.http.post(other.base, json={"wallet_address": "0x" + "CD" * 20})

    assert (answer.status_code, code(answer)) == (409, "gas-wallet-taken")


def test_account_that_holds_gas_cannot_be_deleted_and_history_outlives_one_that_does_not(
    bank: Bank,
) -> None:
    full, empty = Gas(bank), Gas(bank)
    full.deposit(1)

    refused = bank.http.delete(f"/accounts/{full.account}")

    assert (refused.status_code, code(refused)) == (409, "account-in-use")
    assert bank.http.delete(f"/accounts/{empty.account}").status_code == 204
    left = run_sql(bank.dsn, "SELECT account_id FROM gas_accounts WHERE id = $1", empty.id)
    assert [row["account_id"] for row in left] == [None]
