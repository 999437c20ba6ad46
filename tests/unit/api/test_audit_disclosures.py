"""Disclosures share a write, and each has its own outcome."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from servicelayer_api.audit import Change
from servicelayer_api.audit.disclosures import Disclosures
from servicelayer_api.audit.errors import AuditUnavailable
from servicelayer_api.errors import Invalid
from servicelayer_api.web.principal import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from servicelayer_api.db import Connection, Database

CALLER = Caller(method="GET", path="/", request_id="r", remote_addr="", user_agent="")


class Log:
    """A log whose writes wait until they are let go; it stands in for the database as well."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.go = asyncio.Event()
        self.failing: Exception | None = None
        self.bad = ""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        yield None

    async def write(self, _: Connection, disclosed: Sequence[Change]) -> None:
        names = [str(one.resource_id) for one in disclosed]
        self.groups.append(names)
        await self.go.wait()
        if self.failing is not None:
            raise self.failing
        if self.bad in names:
            raise Invalid("one of them cannot be stored")


def opened(log: Log) -> Disclosures:
    return Disclosures(cast("Database", log), log.write)


def shown(name: str) -> Change:
    return Change(caller=CALLER, action="secret.read", status=200, resource_id=name)


async def begin(disclosures: Disclosures, *names: str) -> list[asyncio.Task[None]]:
    """Ask for entries, and give each the time to get in line."""
    tasks = [asyncio.create_task(disclosures.record(shown(name))) for name in names]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_those_that_come_while_one_is_written_share_the_next_write() -> None:
    log = Log()
    disclosures = opened(log)

    tasks = await begin(disclosures, "a") + await begin(disclosures, "b", "c")
    assert not any(task.done() for task in tasks)
    log.go.set()
    await asyncio.gather(*tasks)

    assert log.groups == [["a"], ["b", "c"]]


async def test_one_that_cannot_be_stored_is_refused_alone() -> None:
    log = Log()
    log.bad = "c"
    disclosures = opened(log)

    tasks = await begin(disclosures, "a") + await begin(disclosures, "b", "c", "d")
    log.go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), Invalid, type(None)]


async def test_a_log_that_is_away_refuses_all_and_is_asked_again_by_the_next() -> None:
    log = Log()
    log.go.set()
    log.failing = AuditUnavailable("the audit log cannot be written")
    disclosures = opened(log)

    outcomes = await asyncio.gather(*await begin(disclosures, "a", "b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [AuditUnavailable] * 2
    assert log.groups == [["a", "b"]]

    log.failing = None
    await disclosures.record(shown("c"))
    assert log.groups[-1] == ["c"]


async def test_whoever_leaves_holds_up_nobody() -> None:
    log = Log()
    disclosures = opened(log)

    first, second = await begin(disclosures, "a", "b")
    first.cancel()
    log.go.set()
    await second

    with pytest.raises(asyncio.CancelledError):
        await first
