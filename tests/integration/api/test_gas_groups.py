"""Deposits of many accounts share a transaction; one that is held keeps none of them waiting."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from support.api_server import TENANT, TOKEN
from support.gas import Bank, Gas, open_bank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres


@pytest.fixture(scope="module")
def bank(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_bank(postgres, tmp_path_factory.mktemp("gas-groups")) as opened:
        yield opened


def client(bank: Bank) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}
    return httpx.AsyncClient(base_url=bank.api.url, headers=headers, timeout=60, trust_env=False)


def body(gas: Gas, amount: float = 1, **more: object) -> dict[str, object]:
    return {"gas_account_id": gas.id, "amount": amount, "tx_id": secrets.token_hex(32), **more}


@pytest.mark.parametrize("table", ["gas_accounts", "accounts"])
async def test_an_account_that_is_held_keeps_no_other_waiting(bank: Bank, table: str) -> None:
    held, free = Gas(bank), Gas(bank)
    holder = await asyncpg.connect(bank.dsn)
    async with client(bank) as http:
        try:
            async with holder.transaction():
                row = held.id if table == "gas_accounts" else held.account
                await holder.execute(f"SELECT FROM {table} WHERE id = $1 FOR UPDATE", row)
                waiting = [
                    asyncio.create_task(http.post(f"{held.base}/deposit", json=body(held)))
                    for _ in range(6)
                ]
                for _ in range(5):
                    done = await http.post(f"{free.base}/deposit", json=body(free))
                    assert done.status_code == 200
                assert not any(task.done() for task in waiting)
        finally:
            await holder.close()
        answers = await asyncio.gather(*waiting)

    assert [answer.status_code for answer in answers] == [200] * 6
    assert (held.figures[0], free.figures[0]) == (6, 5)


async def test_deposits_that_meet_have_their_own_outcomes_and_balances(bank: Bank) -> None:
    accounts = [Gas(bank) for _ in range(8)]
    foreign = Gas(bank)
    known = secrets.token_hex(32)
    assert accounts[0].deposit(5, tx_id=known).status_code == 200
    async with client(bank) as http:
        good = [
            http.post(f"{gas.base}/deposit", json=body(gas, 2))
            for gas in accounts
            for _ in range(4)
        ]
        # The foreign account is in the group too, held for its own owner's deposit.
        good.append(http.post(f"{foreign.base}/deposit", json=body(foreign, 2)))
        bad = [
            http.post(f"{accounts[1].base}/deposit", json=body(foreign)),
            http.post(f"{accounts[1].base}/deposit", json=body(accounts[1], 1, tx_id=known)),
            http.post(f"{accounts[0].base}/deposit", json=body(accounts[0], 5, tx_id=known)),
            http.post("/accounts/none/gasbank/deposit", json=body(accounts[2])),
        ]
        answers = await asyncio.gather(*good, *bad)

    statuses = [answer.status_code for answer in answers]
    assert statuses == [200] * len(good) + [404, 409, 200, 404]
    assert [gas.figures[0] for gas in accounts] == [13, *[8] * 7]
    assert foreign.figures[0] == 2
    for gas in accounts:
        mine = [
            answer.json()["account"]["Balance"]
            for answer in answers[: len(good)]
            if answer.json()["account"]["ID"] == gas.id
        ]
        # Each saw a balance of its own, two more than another's.
        assert sorted(mine) == [gas.figures[0] - 2 * step for step in (3, 2, 1, 0)]


async def test_many_accounts_share_one_transaction(bank: Bank) -> None:
    accounts = [Gas(bank) for _ in range(16)]
    async with client(bank) as http:
        answers = await asyncio.gather(
            *(
                http.post(
                    f"{gas.base}/deposit", json=body(gas), headers={"x-request-id": f"meets-{turn}"}
                )
                for turn, gas in enumerate(accounts * 2)
            )
        )

    connection = await asyncpg.connect(bank.dsn)
    try:
        row = await connection.fetchrow(
            "SELECT count(*) AS deposits, count(DISTINCT xmin::text) AS commits "
            "FROM gas_transactions WHERE gas_account_id = ANY($1::uuid[])",
            [gas.id for gas in accounts],
        )
        entries = await connection.fetch(
            "SELECT request_id, path, resource_id FROM audit_log "
            "WHERE action = 'gasbank.deposit' AND request_id LIKE 'meets-%'"
        )
    finally:
        await connection.close()
    assert row is not None
    assert row["deposits"] == 32
    assert row["commits"] < 16
    # Each has an entry of its own, about its own request.
    assert {tuple(entry) for entry in entries} == {
        (f"meets-{turn}", f"{gas.base}/deposit", answers[turn].json()["transaction"]["ID"])
        for turn, gas in enumerate(accounts * 2)
    }
    assert len(entries) == 32


async def test_draws_of_an_account_that_is_held_keep_no_other_waiting(bank: Bank) -> None:
    held, free = Gas(bank), Gas(bank)
    holder = await asyncpg.connect(bank.dsn)
    async with client(bank) as http:
        try:
            async with holder.transaction():
                await holder.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", held.account)
                path = f"/accounts/{held.account}/random"
                waiting = asyncio.create_task(http.post(path, json={"length": 8}))
                for _ in range(5):
                    done = await http.post(f"/accounts/{free.account}/random", json={"length": 8})
                    assert done.is_success
                assert not waiting.done()
        finally:
            await holder.close()
        answer = await waiting

    assert answer.is_success


def test_a_deposit_that_was_made_is_answered_again_however_full_the_account_is(bank: Bank) -> None:
    gas = Gas(bank)
    sent = {"tx_id": secrets.token_hex(32), "from_address": "a", "to_address": "b"}

    first, again = (gas.deposit(50_000_000_000, **sent) for _ in range(2))
    other = gas.deposit(50_000_000_000, tx_id=secrets.token_hex(32))

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert first.json()["transaction"]["ID"] == again.json()["transaction"]["ID"]


@pytest.mark.parametrize("tx_id", ["0x", " 0X ", " "])
def test_an_id_that_names_nothing_is_refused(bank: Bank, tx_id: str) -> None:
    answer = Gas(bank).deposit(1, tx_id=tx_id)

    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (400, "tx_id")


async def test_one_that_nobody_foresaw_fails_alone(bank: Bank) -> None:
    accounts = [Gas(bank) for _ in range(8)]
    connection = await asyncpg.connect(bank.dsn)
    unlucky = "CHECK (blockchain_tx_id <> 'unlucky') NOT VALID"
    await connection.execute(f"ALTER TABLE gas_transactions ADD CONSTRAINT unlucky {unlucky}")
    try:
        async with client(bank) as http:
            answers = await asyncio.gather(
                *(http.post(f"{gas.base}/deposit", json=body(gas)) for gas in accounts),
                http.post(f"{accounts[0].base}/deposit", json=body(accounts[0], tx_id="unlucky")),
            )
    finally:
        await connection.execute("ALTER TABLE gas_transactions DROP CONSTRAINT unlucky")
        await connection.close()

    assert [answer.status_code for answer in answers] == [200] * 8 + [500]
    assert [gas.figures[0] for gas in accounts] == [1] * 8
