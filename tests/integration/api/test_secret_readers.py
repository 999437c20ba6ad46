"""What the product's own modules get of an account's secrets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from msgspec.structs import replace

from servicelayer_api import accounts, admin, audit, secrets, vault
from servicelayer_api.accounts.errors import AccountNotFound
from servicelayer_api.accounts.models import NewAccount
from servicelayer_api.app import build_core
from servicelayer_api.clock import FixedClock
from servicelayer_api.secrets import Reader
from servicelayer_api.secrets.errors import SecretAccessDenied, SecretExpired, SecretNotFound
from servicelayer_api.secrets.models import NewSecret
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.principal import (
    Caller,
    Credential,
    CredentialKind,
    Grant,
    Principal,
    Role,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servicelayer_api.web.feature import Core

_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_CREDENTIAL = Credential(user="token", role=Role.TOKEN, kind=CredentialKind.STATIC)
_CALLER = Caller(
    method="POST",
    path="/",
    request_id="r",
    remote_addr="",
    user_agent="",
    principal=Principal(credential=_CREDENTIAL, tenant="t"),
)


class World:
    """The services over a database, with a clock that can be moved, and one account."""

    def __init__(self, core: Core) -> None:
        log = audit.build_service(core)
        self.core = core
        self.safe = vault.build_service(core)
        self.accounts = accounts.build_service(core, log, admin.build_quotas(core))
        self.secrets = secrets.build_service(core, log, self.accounts, self.safe)
        self.account = ""

    async def keep(self, name: str, acl: Reader, expires_at: datetime | None = None) -> None:
        new = NewSecret(name=name, value=f"value of {name}", acl=acl.value, expires_at=expires_at)
        await self.secrets.add(_CALLER, self.account, new)

    async def reveal(self, name: str, reader: Reader) -> str:
        async with self.core.database.connection() as connection:
            account = await self.accounts.reach(connection, _CALLER, self.account)
            return await self.secrets.reveal(connection, account.id, name, reader=reader)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    settings = Settings(database_url=Secret(database_url), secret_encryption_key=Secret("ab" * 32))
    made = World(build_core(settings, clock=FixedClock(_NOW)))
    await made.core.database.open()
    await made.safe.unlock()
    made.account = str((await made.accounts.open_account(_CALLER, NewAccount(owner="o"))).id)
    yield made
    await made.core.database.close()


async def test_a_module_gets_what_its_own_bit_allows(world: World) -> None:
    for reader in Reader:
        await world.keep(f"for {reader.value}", reader)
    await world.keep("for none", Reader(0))

    for asking in Reader:
        for reader in Reader:
            name = f"FOR {reader.value}"
            if asking is reader:
                assert await world.reveal(name, asking) == f"value of for {reader.value}"
            else:
                with pytest.raises(SecretAccessDenied):
                    await world.reveal(name, asking)
        with pytest.raises(SecretAccessDenied):
            await world.reveal("for none", asking)
        with pytest.raises(SecretNotFound):
            await world.reveal("nothing", asking)


async def test_a_module_gets_no_secret_that_has_expired(world: World) -> None:
    await world.keep("s", Reader.ORACLE, _NOW + timedelta(minutes=1))
    assert await world.reveal("s", Reader.ORACLE) == "value of s"

    clock = world.core.clock
    assert isinstance(clock, FixedClock)
    clock.advance(timedelta(minutes=1))
    with pytest.raises(SecretExpired):
        await world.reveal("s", Reader.ORACLE)


async def test_what_a_module_gets_is_in_the_audit_log(world: World) -> None:
    await world.keep("s", Reader.ORACLE)
    await world.reveal("S", Reader.ORACLE)
    with pytest.raises(SecretAccessDenied):
        await world.reveal("s", Reader.FUNCTIONS)

    async with world.core.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT actor, role, account_id, resource_id FROM audit_log "
            "WHERE action = 'secret.read'"
        )
    assert [(row["actor"], row["role"]) for row in rows] == [("oracle", "system")]
    assert str(rows[0]["account_id"]) == world.account
    assert rows[0]["resource_id"].endswith("|1|s")


async def test_keys_of_a_deleted_account_leave_the_memory(world: World) -> None:
    await world.keep("s", Reader.ORACLE)
    world.accounts.when_closed(world.safe.forget)
    assert len(world.safe._cache) == 1

    await world.accounts.close_account(_CALLER, world.account)
    assert len(world.safe._cache) == 0


async def test_who_asks_at_the_same_time_gets_his_own_verdict_and_entry(world: World) -> None:
    await world.keep("shared", next(iter(Reader)))
    key = Credential(
        user="key",
        role=Role.TOKEN,
        kind=CredentialKind.KEY,
        grants=(Grant(account_id=UUID(world.account), person="platform"),),
    )
    principals = [
        Principal(credential=_CREDENTIAL, tenant="t"),
        Principal(credential=key, tenant="t"),
        Principal(credential=_CREDENTIAL, tenant="other"),
    ]
    callers = [
        replace(_CALLER, principal=principal, request_id=f"r-{number}", recorded=[])
        for number, principal in enumerate(principals * 5)
    ]

    found = await asyncio.gather(
        *(world.secrets.read(caller, world.account, "shared", None) for caller in callers),
        return_exceptions=True,
    )

    kinds = [type(one) for one in found]
    assert kinds == [tuple, SecretAccessDenied, AccountNotFound] * 5
    assert {one[0].value for one in found if isinstance(one, tuple)} == {"value of shared"}
    async with world.core.database.connection() as connection:
        noted = await connection.fetch(
            "SELECT request_id FROM audit_log WHERE action = 'secret.read' ORDER BY seq"
        )
    assert sorted(row["request_id"] for row in noted) == sorted(
        caller.request_id for caller in callers[::3]
    )
