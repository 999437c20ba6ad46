"""`python -m load.replicas_under_fire`: three replicas do due work while they are killed at random.

Oracle requests, withdrawals and feed rounds are made first, so that all are due at once when the
replicas start. Each kill (SIGKILL, and a new replica instead) comes when another part of the oracle
requests is done, so that all kills fall into the work. In the end everything must be done, each
once in effect: one result, one audit entry, one ledger entry, one round. What was asked of the
outside world more often than once is told, as a killed replica may have asked and not heard.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from load.burst import burst
from load.outside import Outside, outside_world
from load.sides import postgres_server
from load.wrk import Shot
from support.api_server import TENANT, TOKEN, ApiProcess, running_api
from support.postgres import make_database

if TYPE_CHECKING:
    import httpx

_IDLE = {"ORACLE_DISPATCH": "false", "RATE_LIMIT": "off", "LOG_LEVEL": "warning"}
_ADDRESS = "0x" + "5a" * 20
_POLL = 0.1
# What must be nothing in the end, by question; each is answered by a count.
_LEFT = {
    "oracle requests": "SELECT count(*) FROM oracle_requests WHERE status IN ('pending','running')",
    "withdrawals": "SELECT count(*) FROM gas_transactions "
    "WHERE type = 'withdrawal' AND status IN ('pending', 'dispatched')",
    "feeds": "SELECT count(*) FROM price_feeds WHERE round_id = 0",
}
_FAULTS = {
    "oracle requests without their own result": "SELECT count(*) FROM oracle_requests "
    "WHERE status <> 'succeeded' OR result IS DISTINCT FROM payload::jsonb ->> 'id'",
    "oracle requests without exactly one success in the audit log": "SELECT count(*) FROM "
    "oracle_requests r WHERE (SELECT count(*) FROM audit_log a WHERE a.resource_id = r.id::text "
    "AND a.action = 'oracle.request.succeeded') <> 1",
    "withdrawals that are not completed": "SELECT count(*) FROM gas_transactions "
    "WHERE type = 'withdrawal' AND status <> 'completed'",
    "withdrawals without exactly one ledger entry of each move": "SELECT count(*) FROM "
    "gas_transactions t WHERE type = 'withdrawal' AND (SELECT array_agg(kind ORDER BY seq) "
    "FROM gas_ledger l WHERE l.transaction_id = t.id) IS DISTINCT FROM "
    "ARRAY['withhold', 'settle']",
    "gas accounts whose balance is not what was deposited less what was withdrawn": "SELECT "
    "count(*) FROM gas_accounts g WHERE (available, pending) IS DISTINCT FROM "
    "((SELECT coalesce(sum(CASE type WHEN 'deposit' THEN amount ELSE -amount END), 0)::bigint "
    "FROM gas_transactions t WHERE t.gas_account_id = g.id), 0::bigint)",
    "observations beside another of the same time": "SELECT count(*) - count(DISTINCT (feed_id, "
    "slot, source)) FROM price_observations",
    "published rounds without exactly one snapshot": "SELECT count(*) FROM price_rounds r "
    "WHERE finalized AND (SELECT count(*) FROM price_snapshots s WHERE s.feed_id = r.feed_id "
    "AND s.round_id = r.round_id) <> 1",
    "rounds whose count is not that of their observations": "SELECT count(*) FROM price_rounds r "
    "WHERE observation_count <> (SELECT count(*) FROM price_observations o "
    "WHERE o.feed_id = r.feed_id AND o.round_id = r.round_id)",
}


# How many there must be of what was made; a check of nothing finds no fault.
_MADE = {
    "requests": "SELECT count(*) FROM oracle_requests",
    "withdrawals": "SELECT count(*) FROM gas_transactions WHERE type = 'withdrawal'",
    "feeds": "SELECT count(*) FROM price_feeds",
}


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is to do, and who does it."""

    requests: int
    withdrawals: int
    feeds: int
    replicas: int
    kills: int
    seed: int
    deadline: float


def main(arguments: list[str] | None = None) -> int:
    """Fill, fire, judge.

    Returns:
        0 when everything was done once, else 1.
    """
    work = _read(arguments)
    with tempfile.TemporaryDirectory(prefix="servicelayer-fire-") as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(postgres_server(folder))
        outside = stack.enter_context(outside_world())
        url = asyncio.run(make_database(server))
        _fill(url, folder, outside, work)
        print(
            f"due: {work.requests} oracle requests, {work.withdrawals} withdrawals, "
            f"{work.feeds} feeds",
            flush=True,
        )
        began = time.monotonic()
        left = _fire(url, folder, outside, work)
        seconds = time.monotonic() - began
        faults = _judge(url, work)
    for kind in ("source", "settle", "price"):
        times = outside.times(kind)
        print(f"{kind}: {times.total()} calls about {len(times)}, {max(times.values())} at most")
    for text, count in {**left, **faults}.items():
        print(f"WRONG: {count} {text}")
    good = not left and not faults
    print(f"{'each done once' if good else 'not as it should be'}; {seconds:.1f} s, {work}")
    return 0 if good else 1


def _judge(url: str, work: Work) -> dict[str, int]:
    faults = {text: count for text, count in _count(url, _FAULTS).items() if count}
    for what, count in _count(url, _MADE).items():
        if count != getattr(work, what):
            faults[f"{what} are there, not {getattr(work, what)}"] = count
    return faults


def _read(arguments: list[str] | None) -> Work:
    parser = argparse.ArgumentParser(prog="load.replicas_under_fire", description=__doc__)
    parser.add_argument("--requests", type=int, default=5000, help="oracle requests (5000)")
    parser.add_argument("--withdrawals", type=int, default=500, help="withdrawals (500)")
    parser.add_argument("--feeds", type=int, default=100, help="price feeds (100)")
    parser.add_argument("--replicas", type=int, default=3, help="servers at a time (3)")
    parser.add_argument("--kills", type=int, default=6, help="replicas that are killed (6)")
    parser.add_argument("--seed", type=int, default=1, help="chooses whom to kill (1)")
    parser.add_argument("--deadline", type=float, default=300, help="longest time, seconds (300)")
    return msgspec.convert(vars(parser.parse_args(arguments)), Work)


def _fill(url: str, folder: Path, outside: Outside, work: Work) -> None:
    """Make what is due, on a server that does none of it."""
    with running_api(url, folder, **_IDLE) as api, api.client() as client:
        account = _made(client, "/accounts", {"owner": "fire"})["ID"]
        base = f"/accounts/{account}"
        gas = _made(client, f"{base}/gasbank", {"wallet_address": _ADDRESS})["ID"]
        deposit = {"gas_account_id": gas, "amount": work.withdrawals + 1, "tx_id": "0x01"}
        _made(client, f"{base}/gasbank/deposit", deposit)
        source = {"name": "source", "url": f"{outside.url}/source"}
        source_id = _made(client, f"{base}/oracle/sources", source)["ID"]
        for number in range(work.feeds):
            pair = {"base_asset": f"T{number}", "quote_asset": "USD", "deviation_percent": 1}
            _made(client, f"{base}/pricefeeds", pair)
        withdrawal = {"gas_account_id": gas, "amount": 1, "to_address": _ADDRESS}
        _send(api, f"{base}/gasbank/withdraw", withdrawal, work.withdrawals)
        request = {
            "data_source_id": source_id,
            "payload": '{"id":"@N@"}',
            "result_path": "$.id",
        }
        _send(api, f"{base}/oracle/requests", request, work.requests)


def _made(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    if not answer.is_success:
        raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def _send(api: ApiProcess, path: str, body: dict[str, Any], count: int) -> None:
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "x-tenant-id": TENANT,
        "content-type": "application/json",
    }
    text = msgspec.json.encode(body).decode()
    shot = Shot(method="POST", url=api.url + path, headers=headers, body=text)
    sent = asyncio.run(burst(shot, tag="r", count=count))
    if sent.refused:
        raise RuntimeError(f"POST {path}: {sent.refused} of {count} were refused")


def _fire(url: str, folder: Path, outside: Outside, work: Work) -> dict[str, int]:
    """Let replicas work and kill some; give what was not done in time."""
    settings = {
        "RATE_LIMIT": "off",
        "LOG_LEVEL": "warning",
        "EGRESS_ALLOW": "127.0.0.1/32",
        "ORACLE_TIMEOUT": "2s",
        "ORACLE_BACKOFF": "100ms",
        "ORACLE_MAX_ATTEMPTS": "50",
        "GASBANK_RESOLVER_URL": f"{outside.url}/settle",
        "GASBANK_POLL_INTERVAL": "500ms",
        "GASBANK_MAX_ATTEMPTS": "50",
        "PRICEFEED_FETCH_URL": f"{outside.url}/price",
    }
    chance = random.Random(work.seed)  # noqa: S311 - chooses whom to kill
    killed = 0
    until = time.monotonic() + work.deadline
    with ExitStack() as stack:
        running = [ApiProcess(url, folder, settings) for _ in range(work.replicas)]
        stack.callback(lambda: [replica.close() for replica in running])
        while left := {what: n for what, n in _count(url, _LEFT).items() if n}:
            if time.monotonic() > until:
                return {f"{what} left": count for what, count in left.items()}
            open_requests = left.get("oracle requests", 0)
            if killed < work.kills and open_requests < work.requests * (
                1 - (killed + 1) / (work.kills + 1)
            ):
                place = chance.randrange(work.replicas)
                running[place].signal(signal.SIGKILL)
                running[place].wait()
                running[place] = ApiProcess(url, folder, settings)
                killed += 1
                print(f"killed replica {place}; left: {left}", flush=True)
            time.sleep(_POLL)
    return {} if killed == work.kills else {"kills that never came": work.kills - killed}


def _count(url: str, questions: dict[str, str]) -> dict[str, int]:
    async def ask() -> dict[str, int]:
        connection = await asyncpg.connect(url)
        try:
            return {what: await connection.fetchval(sql) for what, sql in questions.items()}
        finally:
            await connection.close()

    return asyncio.run(ask())


if __name__ == "__main__":
    sys.exit(main())
