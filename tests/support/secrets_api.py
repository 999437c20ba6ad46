"""A server with accounts, and its database at hand: for the tests of secrets and of their keys."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from support.api_server import TENANT, running_api
from support.people import auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

__all__ = ["secrets_api"]

QUOTA = 6


class SecretsApi:
    """One server of a test module; each test opens an account of its own."""

    def __init__(self, process: ApiProcess, database_url: str, client: httpx.Client) -> None:
        self.process = process
        self.database_url = database_url
        self.client = client

    def open_account(self, tenant: str = TENANT) -> str:
        """Open an account; give its id."""
        made = self.client.post("/accounts", json={"owner": "o"}, headers={"x-tenant-id": tenant})
        assert made.status_code == 201, made.text
        return str(made.json()["ID"])

    def make_key(self, account: str, **body: Any) -> str:
        """Make an API key of an account; give its text."""
        made = self.client.post(f"/accounts/{account}/api-keys", json={"name": "k", **body})
        assert made.status_code == 201, made.text
        return str(made.json()["key"])

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str
    ) -> httpx.Response:
        """Send a request, as the platform unless another token is given."""
        if token:
            headers["authorization"] = f"Bearer {token}"
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.client.request(method, path, json=body, headers=named)

    def keep(self, account: str, name: str, value: str, **body: Any) -> dict[str, Any]:
        """Make a secret; give its metadata."""
        answer = self.ask(
            "POST", f"/accounts/{account}/secrets", {"name": name, "value": value, **body}
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def value(self, account: str, name: str, query: str = "") -> str | None:
        """The value of a secret, or the code of the problem."""
        answer = self.ask("GET", f"/accounts/{account}/secrets/{name}{query}")
        return answer.json()["Value"] if answer.status_code == 200 else answer.json()["code"]

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement on the database behind the server's back."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(sql, *values)
        finally:
            await connection.close()

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Run a query on the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(sql, *values)
        finally:
            await connection.close()

    async def dump(self) -> str:
        """The text of all tables, as a dump would hold it."""
        tables = await self.fetch(
            "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
        )
        lines: list[str] = []
        for table in tables:
            rows = await self.fetch(f"SELECT t::text AS line FROM {table['name']} t")  # noqa: S608 - a test's own database
            lines += [row["line"] for row in rows]
        return "\n".join(lines)


@contextmanager
def speaking_to(process: ApiProcess, database_url: str) -> Iterator[SecretsApi]:
    """Speak to a running server."""
    with process.client() as client:
        yield SecretsApi(process, database_url, client)


@pytest.fixture(scope="module")
def secrets_api(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecretsApi]:
    """One server for a module of tests, with users and room for few secrets an account."""
    with (
        own_database(postgres) as url,
        running_api(
            url,
            tmp_path_factory.mktemp("secrets"),
            AUTH_USERS=auth_users(),
            SECRETS_MAX_PER_ACCOUNT=str(QUOTA),
        ) as process,
        speaking_to(process, url) as found,
    ):
        yield found


def secret_path(account: str, name: str = "", rest: str = "") -> str:
    """The path of an account's secrets, of one of them, or of what is below it."""
    return f"/accounts/{account}/secrets" + (f"/{name}" if name else "") + rest


def canary() -> str:
    """A value that stands nowhere unless it leaked."""
    return f"canary-{secrets.token_hex(16)}"
