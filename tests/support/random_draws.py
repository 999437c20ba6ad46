"""Drawing randomness from a real server, and reading what it keeps of a draw."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import asyncpg

from servicelayer_api.random import proof, rules
from support.patience import patience

if TYPE_CHECKING:
    import httpx

    from servicelayer_api.random.models import ProofDocument

SEED = bytes(range(32))
KEY = rules.DrawKey(SEED)
SIGNING_KEY = b64encode(SEED).decode()
OTHER_SIGNING_KEY = b64encode(bytes(range(1, 33))).decode()


def rows(database_url: str, query: str, *values: object) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    return asyncio.run(ask())


def open_account(client: httpx.Client) -> str:
    return str(client.post("/accounts", json={"owner": "o"}).json()["ID"])


def draw(client: httpx.Client, account: str, **body: object) -> dict[str, Any]:
    answer = client.post(f"/accounts/{account}/random", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def prove(client: httpx.Client, account: str, name: str) -> bytes:
    answer = client.get(f"/accounts/{account}/random/requests/{name}/proof")
    assert answer.status_code == 200, answer.text
    return answer.content


def check(raw: bytes) -> ProofDocument:
    document = proof.read_document(raw)
    proof.check_document(document)
    return document


def wait_for_answers(database_url: str) -> None:
    deadline = time.monotonic() + patience(20)
    while rows(database_url, "SELECT 1 FROM random_draws WHERE signature IS NULL"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
