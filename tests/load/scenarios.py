"""What is measured: the request of each scenario, what it needs, and what it aims at."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from load.sides import Side
from load.wrk import Shot

if TYPE_CHECKING:
    import httpx

_WALLET = "0x" + "5a" * 20
_SECRET = "database-password"
_CROWD = 10_000
_CROWDED_TENANT = "tenant-of-ten-thousand"
_TENANTS = 500
_EACH = 3
SPREAD = 16
SPREAD_TENANT = "tenant-of-sixteen"


class World(msgspec.Struct, kw_only=True):
    """What stands in the database of one side before the load comes.

    Attributes:
        account_id: One of the three accounts of the tenant.
        gas_account_id: Its gas account; empty while there is no gas bank.
        secret: Name of its secret; empty while there are none.
        others: Sixteen accounts of another tenant, each with the same.
    """

    account_id: str
    gas_account_id: str = ""
    secret: str = ""
    others: tuple[World, ...] = ()


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request.

    Attributes:
        name: For the command line and the JSON.
        title: For the table.
        operation: Method and path that the server must offer, parameters as `{}`.
        shot: Makes the request for a server and its world.
        prepare: Fills a database, by its address, before the scenario.
        aim: Requests a second that are aimed at on two cores, if there is an aim.
    """

    name: str
    title: str
    operation: tuple[str, str]
    shot: Callable[[Side, World], Shot]
    prepare: Callable[[str], Coroutine[Any, Any, None]] | None = None
    aim: int | None = None


def build_world(side: Side) -> World:
    """Make three accounts and, where the server has the modules, a gas account and a secret."""
    offered = side.operations()
    with side.client() as client:
        accounts = [
            _created(client, "/accounts", {"owner": f"owner-{number}"})["ID"] for number in range(3)
        ]
        world = _filled(client, accounts[0], offered, _WALLET)
        # Of a tenant of their own, so that `list` has three rows to give.
        client.headers["x-tenant-id"] = SPREAD_TENANT
        world.others = tuple(
            _filled(
                client,
                _created(client, "/accounts", {"owner": f"spread-{number}"})["ID"],
                offered,
                f"0x{number:040x}",
            )
            for number in range(1, SPREAD + 1)
        )
    return world


def _filled(
    client: httpx.Client, account: str, offered: set[tuple[str, str]], wallet: str
) -> World:
    base = f"/accounts/{account}"
    world = World(account_id=account)
    if DEPOSIT.operation in offered:
        opened = _created(client, f"{base}/gasbank", {"wallet_address": wallet})
        world.gas_account_id = opened["ID"]
    if SECRET.operation in offered:
        _created(client, f"{base}/secrets", {"name": _SECRET, "value": "correct horse"})
        world.secret = _SECRET
    return world


def _created(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    if not answer.is_success:
        raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


async def crowd(database_url: str) -> None:
    """Give one other tenant ten thousand accounts."""
    await _insert(
        database_url,
        "SELECT $1::text, 'owner-' || n FROM generate_series(1, $2::int) AS n",
        _CROWDED_TENANT,
        _CROWD,
    )


async def many_tenants(database_url: str) -> None:
    """Give five hundred tenants, `tenant-1` to `tenant-500`, three accounts each."""
    await _insert(
        database_url,
        "SELECT 'tenant-' || t, 'owner-' || n "
        "FROM generate_series(1, $1::int) AS t, generate_series(1, $2::int) AS n",
        _TENANTS,
        _EACH,
    )


async def _insert(database_url: str, question: str, *values: object) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO accounts (id, tenant, owner, metadata, status, created_at, updated_at) "  # noqa: S608 - fixed text
            "SELECT gen_random_uuid(), tenant, owner, jsonb_build_object('tenant', tenant), "
            "'active', clock_timestamp(), clock_timestamp() "
            f"FROM ({question}) AS new (tenant, owner)",
            *values,
        )
        await connection.execute("ANALYZE accounts")
    finally:
        await connection.close()


def _get(path: Callable[[World], str]) -> Callable[[Side, World], Shot]:
    def make(side: Side, world: World) -> Shot:
        return Shot(method="GET", url=side.url + path(world), headers=side.headers)

    return make


def _post(
    path: Callable[[World], str], body: Callable[[World], dict[str, Any]]
) -> Callable[[Side, World], Shot]:
    def make(side: Side, world: World) -> Shot:
        return Shot(
            method="POST",
            url=side.url + path(world),
            headers={**side.headers, "content-type": "application/json"},
            body=msgspec.json.encode(body(world)).decode(),
        )

    return make


def _spread(one: Callable[[Side, World], Shot]) -> Callable[[Side, World], Shot]:
    """Send the same to sixteen accounts in turn, so that none is a hot row."""

    def make(side: Side, world: World) -> Shot:
        first, *others = [one(side, other) for other in world.others]
        return msgspec.structs.replace(
            first,
            headers={**first.headers, "x-tenant-id": SPREAD_TENANT},
            others=tuple((shot.url.removeprefix(side.url), shot.body) for shot in others),
        )

    return make


def _deposit(world: World) -> dict[str, Any]:
    return {
        "gas_account_id": world.gas_account_id,
        "amount": 0.5,
        "tx_id": "@N@",
        "from_address": _WALLET,
        "to_address": _WALLET,
    }


LIST = Scenario(
    name="list",
    title="list accounts, 3 rows",
    operation=("GET", "/accounts"),
    shot=_get(lambda _: "/accounts"),
    aim=8500,
)
LIST_IN_CROWD = Scenario(
    name="list-in-crowd",
    title="list accounts, 3 among 10,000 of another tenant",
    operation=("GET", "/accounts"),
    shot=_get(lambda _: "/accounts"),
    prepare=crowd,
    aim=8500,
)
LIST_OF_MANY = Scenario(
    name="list-of-many",
    title="list accounts, 3 rows, 500 tenants in turn",
    operation=("GET", "/accounts"),
    shot=lambda side, _: Shot(
        method="GET",
        url=f"{side.url}/accounts",
        headers={**side.headers, "x-tenant-id": "tenant-@T@"},
    ),
    prepare=many_tenants,
)
DEPOSIT = Scenario(
    name="deposit",
    title="deposit on one gas account",
    operation=("POST", "/accounts/{}/gasbank/deposit"),
    shot=_post(lambda world: f"/accounts/{world.account_id}/gasbank/deposit", _deposit),
    aim=4000,
)
RANDOM = Scenario(
    name="random",
    title="random, 32 bytes",
    operation=("POST", "/accounts/{}/random"),
    shot=_post(
        lambda world: f"/accounts/{world.account_id}/random",
        lambda _: {"length": 32, "request_id": "@N@"},
    ),
    aim=4500,
)
SECRET = Scenario(
    name="secret",
    title="read a secret",
    operation=("GET", "/accounts/{}/secrets/{}"),
    shot=_get(lambda world: f"/accounts/{world.account_id}/secrets/{world.secret}"),
)


def _of_many(one: Scenario) -> Scenario:
    return Scenario(
        name=f"{one.name}-of-many",
        title=f"{one.title}, {SPREAD} accounts in turn".replace("on one gas account, ", "on "),
        operation=one.operation,
        shot=_spread(one.shot),
    )


SCENARIOS = (
    *(LIST, LIST_IN_CROWD, LIST_OF_MANY),
    *(one for hot in (DEPOSIT, RANDOM, SECRET) for one in (hot, _of_many(hot))),
)
