"""The attacks of `load.attack`: what one hostile client does for some seconds, and no more.

Each runs in a process of its own, speaks to the loopback only, from an address that nobody else
uses, and ends by itself. None needs a credential but the two that say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import secrets
import time
from collections.abc import Awaitable, Callable  # noqa: TC003 - a NamedTuple's annotations
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.synchronize import Event

ADDRESS = "127.0.0.2"
_MIB = 1024 * 1024
_GIVE_UP = 5.0
_PREPARE = 60.0


class Target(NamedTuple):
    """What is attacked.

    Attributes:
        port: Of the server, on the loopback.
        seconds: How long.
        headers: A credential and a tenant, for the attacks that have one.
        user: Somebody whose name is known.
    """

    port: int
    seconds: float
    headers: dict[str, str]
    user: str


class Attack(NamedTuple):
    """One attack.

    Attributes:
        name: For the command line.
        title: For the table.
        run: Does it.
        logs_in: Whether the honest client logs in meanwhile, instead of listing accounts.
        prepare: What must be there before it begins.
    """

    name: str
    title: str
    run: Callable[[Target], Awaitable[None]]
    logs_in: bool = False
    prepare: Callable[[Target], Awaitable[None]] | None = None


async def _open(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.wait_for(
        asyncio.open_connection("127.0.0.1", target.port, local_addr=(ADDRESS, 0)), _GIVE_UP
    )


async def _hold(target: Target, count: int, sent: bytes) -> None:
    """Keep so many connections open, each with a few bytes sent, whatever the server closes."""
    end = time.monotonic() + target.seconds

    async def one() -> None:
        while time.monotonic() < end:
            try:
                reader, writer = await _open(target)
            except (OSError, TimeoutError):
                await asyncio.sleep(0.5)
                continue
            with contextlib.suppress(OSError, TimeoutError):
                writer.write(sent)
                await asyncio.wait_for(reader.read(), max(0.1, end - time.monotonic()))
            writer.close()
            await asyncio.sleep(0.5)

    await asyncio.gather(*(one() for _ in range(count)))


async def _slow_bodies(target: Target) -> None:
    head = b"POST /auth/login HTTP/1.1\r\nhost: api\r\ncontent-length: 100\r\n\r\n{"
    await _hold(target, 1100, head)


async def _slow_heads(target: Target) -> None:
    await _hold(target, 1100, b"GET /accounts HTTP/1.1\r\nhost: a")


async def _idle(target: Target) -> None:
    await _hold(target, 2100, b"")


async def _send(
    target: Target,
    at_once: int,
    method: str,
    path: Callable[[], str],
    body: Callable[[], bytes],
    headers: dict[str, str] | None = None,
) -> None:
    """Send requests, so many at once, until the time is over."""
    end = time.monotonic() + target.seconds
    transport = httpx.AsyncHTTPTransport(
        local_address=ADDRESS, limits=httpx.Limits(max_connections=at_once)
    )
    async with httpx.AsyncClient(
        transport=transport,
        base_url=f"http://127.0.0.1:{target.port}",
        headers={"content-type": "application/json", **(headers or {})},
        timeout=60,
        trust_env=False,
    ) as client:

        async def one() -> None:
            while (left := end - time.monotonic()) > 0:
                with contextlib.suppress(httpx.HTTPError, TimeoutError):
                    await asyncio.wait_for(
                        client.request(method, path(), content=body()), max(left, 0.1)
                    )

        await asyncio.gather(*(one() for _ in range(at_once)))


async def _large_logins(target: Target) -> None:
    body = json.dumps({"username": "a", "password": "b" * (4 * _MIB - 100)}).encode()
    await _send(target, 97, "POST", lambda: "/auth/login", lambda: body)


async def _brackets(target: Target) -> None:
    body = b"[" * (4 * _MIB - 100)
    await _send(target, 6, "POST", lambda: "/auth/login", lambda: body)


async def _brackets_with_credential(target: Target) -> None:
    body = b'{"owner":' + b"[" * (4 * _MIB - 100)
    await _send(target, 6, "POST", lambda: "/accounts", lambda: body, target.headers)


async def _fresh_names(target: Target) -> None:
    def body() -> bytes:
        return json.dumps({"username": secrets.token_hex(8), "password": "wrong"}).encode()

    await _send(target, 80, "POST", lambda: "/auth/login", body)


async def _wrong_passwords(target: Target) -> None:
    body = json.dumps({"username": target.user, "password": "wrong"}).encode()
    await _send(target, 4, "POST", lambda: "/auth/login", lambda: body)


async def _random_paths(target: Target) -> None:
    await _send(target, 16, "POST", lambda: f"/{secrets.token_hex(200)}", lambda: b"")


def _crowded(target: Target) -> dict[str, str]:
    return {**target.headers, "x-tenant-id": "tenant-of-large-accounts"}


async def _fill(target: Target) -> None:
    """Fill a tenant with the largest accounts that are taken."""
    headers = _crowded(target)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{target.port}", headers=headers, timeout=60, trust_env=False
    ) as client:
        for size in (4 * _MIB - 100, 60_000, 4_000, 200):
            answer = await client.post("/accounts", json={"owner": "o" * size})
            if answer.status_code < httpx.codes.BAD_REQUEST:
                for _ in range(60):
                    await client.post("/accounts", json={"owner": "o" * size})
                break


async def _large_lists(target: Target) -> None:
    await _send(target, 4, "GET", lambda: "/accounts", lambda: b"", _crowded(target))


ATTACKS = (
    Attack("slow-bodies", "1,100 connections, one byte of a body each", _slow_bodies),
    Attack("slow-heads", "1,100 connections, half a head each", _slow_heads),
    Attack("idle", "2,100 idle connections", _idle),
    Attack("large-logins", "97 logins of 4 MiB at once", _large_logins),
    Attack("brackets", "6 logins of 4 MiB of `[` at once", _brackets),
    Attack("brackets-inside", "the same with a credential", _brackets_with_credential),
    Attack("large-lists", "60 accounts as large as is taken, listed", _large_lists, prepare=_fill),
    Attack("fresh-names", "80 logins at once, fresh names", _fresh_names, logs_in=True),
    Attack(
        "wrong-passwords", "wrong passwords for somebody's name", _wrong_passwords, logs_in=True
    ),
    Attack("random-paths", "POST to random paths, no credential", _random_paths),
)


def _main(name: str, target: Target, began: Event) -> None:
    (attack,) = [one for one in ATTACKS if one.name == name]
    asyncio.run(_bounded(attack, target, began))


async def _bounded(attack: Attack, target: Target, began: Event) -> None:
    with contextlib.suppress(TimeoutError):
        if attack.prepare is not None:
            async with asyncio.timeout(_PREPARE):
                await attack.prepare(target)
    began.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(target.seconds + 10):
            await attack.run(target)


@contextmanager
def under(attack: Attack, target: Target) -> Generator[None]:
    """Run an attack beside what the caller does, from when it has begun."""
    context = multiprocessing.get_context("spawn")
    began = context.Event()
    process = context.Process(target=_main, args=(attack.name, target, began))
    process.start()
    try:
        began.wait(2 * _PREPARE)
        yield
    finally:
        process.terminate()
        process.join()
