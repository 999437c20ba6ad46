"""Deposits on one gas account from many connections, and the proof that none was lost or doubled.

Each connection sends a deposit with an id of its own until it is acknowledged, whatever happens to
the server meanwhile. Afterwards the ledger must hold each acknowledged deposit exactly once and
nothing that was not sent, and the balance must be the sum.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from servicelayer_api.gasbank.amounts import write_amount
from support.api_server import TENANT, TOKEN
from support.patience import patience
from support.raw_http import RawConnection

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADERS = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}
_OK, _FIRST_SERVER_ERROR = 200, 500
_PAUSE = 0.02


class Target(NamedTuple):
    """Where to deposit; the port is asked for each request, for servers come and go."""

    port: Callable[[], int]
    account: str
    gas_account: str


class Tally(NamedTuple):
    """What was sent and what was acknowledged: chain transaction to fractions."""

    sent: dict[str, int]
    acknowledged: dict[str, int]
    repeated: list[str]
    seconds: float

    @property
    def rate(self) -> float:
        """Acknowledged deposits a second."""
        return len(self.acknowledged) / self.seconds


async def run_load(target: Target, *, connections: int, seconds: float, seed: int) -> Tally:
    """Deposit from so many connections for so long; what is in flight then is brought to an end."""
    tally = Tally({}, {}, [], seconds)
    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(_deposit_until(end, target, number, tally, seed))
    return tally._replace(seconds=time.monotonic() - end + seconds)


async def _deposit_until(end: float, target: Target, number: int, tally: Tally, seed: int) -> None:
    draw = random.Random(seed * 1000 + number)  # noqa: S311 - amounts
    connection = RawConnection(_HEADERS)
    path = f"/accounts/{target.account}/gasbank/deposit"
    count = 0
    while time.monotonic() < end:
        count += 1
        name, amount = f"load-{seed}-{number}-{count}", draw.randint(1, 10**9)
        tally.sent[name] = amount
        body = (
            f'{{"gas_account_id":"{target.gas_account}",'
            f'"amount":{bytes(write_amount(amount)).decode()},"tx_id":"{name}"}}'
        ).encode()
        await _send_until_answered(connection, target, path, body, name, tally)
    connection.close()


async def _send_until_answered(
    connection: RawConnection, target: Target, path: str, body: bytes, name: str, tally: Tally
) -> None:
    deadline = time.monotonic() + patience(60)
    while time.monotonic() < deadline:
        try:
            reply = await connection.post(target.port(), path, body)
        except OSError:
            reply = None
        if reply is not None and reply.status == _OK:
            tally.acknowledged[name] = tally.sent[name]
            return
        if reply is not None and reply.status < _FIRST_SERVER_ERROR:
            raise AssertionError(f"{name} was refused: {reply.status} {reply.body[:300]!r}")
        tally.repeated.append(name)
        await asyncio.sleep(_PAUSE)
    raise AssertionError(f"{name} had no answer for a minute")


async def prove(dsn: str, target: Target, tally: Tally) -> None:
    """Compare the ledger with what was acknowledged.

    Raises:
        AssertionError: A deposit was lost, doubled or invented, or the balance is not the sum.
    """
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT t.blockchain_tx_id AS name, l.amount FROM gas_ledger l "
            "JOIN gas_transactions t ON t.id = l.transaction_id "
            "WHERE l.gas_account_id = $1::uuid AND l.kind = 'deposit'",
            target.gas_account,
        )
        balance = await connection.fetchval(
            "SELECT available FROM gas_accounts WHERE id = $1::uuid", target.gas_account
        )
        audited = await connection.fetchval(
            "SELECT count(*) FROM audit_log WHERE action = 'gasbank.deposit' "
            "AND account_id = $1::uuid",
            target.account,
        )
    finally:
        await connection.close()
    found = {row["name"]: row["amount"] for row in rows}
    assert len(found) == len(rows), "a deposit is in the ledger twice"
    lost = tally.acknowledged.keys() - found.keys()
    assert not lost, f"{len(lost)} acknowledged deposits are not in the ledger"
    assert found.items() <= tally.sent.items(), "the ledger holds what was never sent"
    assert balance == sum(found.values()), "the balance is not the sum of the deposits"
    assert audited == len(found), "the audit log and the ledger differ"
