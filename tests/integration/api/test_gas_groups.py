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


async def test_an_account_that_is_held_keeps_no_other_waiting(bank: Bank) -> None:
    held, free = Gas(bank), Gas(bank)
    holder = await asyncpg.connect(bank.dsn)
    async with client(bank) as http:
        try:
            async with holder.transaction():
                await holder.execute("SELECT FROM gas_accounts WHERE id = $1 FOR UPDATE", held.id)
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
        await asyncio.gather(
            *(http.post(f"{gas.base}/deposit", json=body(gas)) for gas in accounts * 2)
        )

    connection = await asyncpg.connect(bank.dsn)
    try:
        row = await connection.fetchrow(
            "SELECT count(*) AS deposits, count(DISTINCT xmin::text) AS commits "
            "FROM gas_transactions WHERE gas_account_id = ANY($1::uuid[])",
            [gas.id for gas in accounts],
        )
    finally:
        await connection.close()
    assert row is not None
    assert row["deposits"] == 32
    assert row["commits"] < 16
