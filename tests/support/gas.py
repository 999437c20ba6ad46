"""A gas bank to test against: a real server, an account in it, and what is done with it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from support.api_server import running_api
from support.people import PASSWORDS, auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

WALLET = "0x" + "ab" * 20


class Bank(NamedTuple):
    """A server, a client of it, and the address of its database."""

    api: ApiProcess
    http: httpx.Client
    dsn: str


@contextmanager
def open_bank(postgres: LocalPostgres, folder: Path) -> Iterator[Bank]:
    """Run a server over a database of its own."""
    with (
        own_database(postgres) as dsn,
        running_api(dsn, folder, AUTH_USERS=auth_users()) as api,
        api.client() as client,
    ):
        yield Bank(api, client, dsn)


class Gas:
    """An account with a gas account."""

    def __init__(self, bank: Bank, **settings: object) -> None:
        self.bank = bank
        self.account = str(bank.http.post("/accounts", json={"owner": "o"}).json()["ID"])
        self.base = f"/accounts/{self.account}/gasbank"
        self.id = str(bank.http.post(self.base, json=settings).json()["ID"])

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.bank.http.post(f"{self.base}/{path}", json={"gas_account_id": self.id, **body})

    def deposit(self, amount: object, **body: object) -> httpx.Response:
        return self.post("deposit", amount=amount, **body)

    def withdraw(self, amount: object, **body: object) -> httpx.Response:
        return self.post("withdraw", amount=amount, to_address=WALLET, **body)

    def withdrawn(self, amount: object, **body: object) -> str:
        return str(self.withdraw(amount, **body).json()["transaction"]["ID"])

    def get(self, path: str = "", **query: str) -> Any:
        answer = self.bank.http.get(f"{self.base}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def figures(self) -> tuple[float, float, float, float]:
        shown = self.get()[0]
        return shown["Balance"], shown["Available"], shown["Pending"], shown["DailyWithdrawal"]

    def cancel(self, withdrawal: str) -> httpx.Response:
        return self.bank.http.patch(
            f"{self.base}/withdrawals/{withdrawal}", json={"action": "cancel"}
        )

    def decide(self, withdrawal: str, **body: object) -> httpx.Response:
        return self.bank.http.post(f"{self.base}/approvals/{withdrawal}", json=body)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def as_user(bank: Bank, name: str) -> httpx.Client:
    login = {"username": name, "password": PASSWORDS[name]}
    token = bank.http.post("/auth/login", json=login).json()["token"]
    return bank.api.client(authorization=f"Bearer {token}")


def run_sql(dsn: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())


def run_script(dsn: str, *statements: str) -> None:
    """Run statements in one transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
