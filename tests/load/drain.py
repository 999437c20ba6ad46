"""The oracle: requests in, a local stub answers, and the time until the last one is done.

A round's rate is requests that are done a second, from the first that was sent; its latencies are
those of sending them in.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from load.burst import burst
from load.measure import Comparison, Figures, Round
from load.processes import usage
from load.wrk import Shot
from support.api_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import httpx

    from load.scenarios import World
    from load.sides import Side

NAME = "oracle"
TITLE = "oracle drain, {count} requests until done"
OPERATION = ("POST", "/accounts/{}/oracle/requests")
_POLL = 0.05
_LONGEST = 120.0
_UNDONE = ("pending", "running")
_MOST = 500


def drain(
    worlds: Sequence[tuple[Side, World]],
    postgres_pid: int,
    *,
    count: int,
    rounds: int,
    say: Callable[[str], None],
) -> Comparison:
    """Measure the sides that offer an oracle.

    Args:
        worlds: The sides, each with what stands in its database.
        postgres_pid: Of the database that both use.
        count: Requests a round.
        rounds: How many of each side.
        say: Told each round.
    """
    able = [(s, w) for s, w in worlds if OPERATION in s.operations()]
    seen: dict[str, list[Round]] = {side.name: [] for side, _ in able}
    with _stub() as target:
        sources = [_make_source(side, world, target) for side, world in able]
        for number in range(rounds):
            order = list(zip(able, sources, strict=True))
            for (side, world), source in order if number % 2 == 0 else order[::-1]:
                path = f"/accounts/{world.account_id}/oracle/requests"
                body = {"data_source_id": source, "payload": '{"q":"@N@"}'}
                shot = Shot(
                    method="POST",
                    url=side.url + path,
                    headers={**side.headers, "content-type": "application/json"},
                    body=msgspec.json.encode(body).decode(),
                )
                one = _round(side, path, shot, postgres_pid, count, f"drain-{number}")
                seen[side.name].append(one)
                say(f"{NAME} {side.name} {number + 1}/{rounds}: {one.rate:.0f}/s done")
    figures = {name: Figures.of(done) for name, done in seen.items() if done}
    return Comparison(
        name=NAME,
        title=TITLE.format(count=count),
        product=figures.get("product"),
        peer=figures.get("peer"),
    )


@contextmanager
def _stub() -> Generator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "load.stub", str(port)])
    try:
        yield f"http://127.0.0.1:{port}/price"
    finally:
        process.terminate()
        process.wait()


def _make_source(side: Side, world: World, target: str) -> str:
    with side.client() as client:
        answer = client.post(
            f"/accounts/{world.account_id}/oracle/sources",
            json={"name": "prices", "url": target, "method": "GET"},
        )
    if not answer.is_success:
        raise RuntimeError(f"{side.name} refused the source: {answer.text[:300]}")
    made: dict[str, Any] = answer.json()
    return str(made["ID"])


def _round(side: Side, path: str, shot: Shot, postgres_pid: int, count: int, tag: str) -> Round:
    with side.client() as client:
        failed = _count(client, path, "failed")
        server, database = usage(side.pid), usage(postgres_pid)
        began = time.perf_counter()
        sent = asyncio.run(burst(shot, tag=tag, count=count))
        _wait_until_done(client, path)
        seconds = time.perf_counter() - began
        server_after, database_after = usage(side.pid), usage(postgres_pid)
        failed = _count(client, path, "failed") - failed
    each = 1000 / count
    return Round(
        rate=count / seconds,
        p50_ms=sent.percentile(0.5),
        p99_ms=sent.percentile(0.99),
        errors=sent.refused + failed,
        requests=count,
        server_cpu_ms=(server_after.cpu_seconds - server.cpu_seconds) * each,
        database_cpu_ms=(database_after.cpu_seconds - database.cpu_seconds) * each,
        load_cpu_ms=0.0,
        resident_mib=server_after.largest_rss_mib,
    )


def _wait_until_done(client: httpx.Client, path: str) -> None:
    deadline = time.monotonic() + _LONGEST
    while any(_count(client, path, status, most=1) for status in _UNDONE):
        if time.monotonic() > deadline:
            raise TimeoutError(f"requests are still open after {_LONGEST:.0f} s")
        time.sleep(_POLL)


def _count(client: httpx.Client, path: str, status: str, most: int = _MOST) -> int:
    answer = client.get(path, params={"status": status, "limit": most})
    return len(answer.raise_for_status().json())
