"""Group commit: who shares a group, whose outcome is whose, and what becomes of those left."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from servicelayer_api.db.groups import MOST, Groups
from servicelayer_api.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="none")


class Served:
    """Keeps what it was asked to serve; the first group waits until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.seen: list[str] = []
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, members: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(members))
        self.seen.append(REQUEST.get())
        self.begun.set()
        await self.go.wait()
        return [Invalid("odd") if member % 2 else member * 10 for member in members]


@pytest.mark.parametrize("gather", [False, True])
async def test_each_has_its_own_outcome_and_no_group_is_too_large(*, gather: bool) -> None:
    served = Served()
    groups = Groups(served, name="groups", gather=gather)
    served.go.set()

    joined = (groups.join(number) for number in range(MOST + 4))
    outcomes = await asyncio.gather(*joined, return_exceptions=True)

    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, Invalid) if number % 2 else outcome == number * 10
    assert max(len(group) for group in served.groups) == MOST
    assert [number for group in served.groups for number in group] == list(range(MOST + 4))


async def test_a_group_runs_in_no_requests_context() -> None:
    served = Served()
    served.go.set()
    REQUEST.set("mine")

    await Groups(served, name="groups").join(2)

    assert served.seen == ["none"]


async def test_who_waits_when_the_program_stops_is_told_so() -> None:
    served = Served()
    groups = Groups(served, name="groups")
    first = asyncio.create_task(groups.join(2))
    await served.begun.wait()
    second = asyncio.create_task(groups.join(4))
    await asyncio.sleep(0)

    (running,) = [task for task in asyncio.all_tasks() if task.get_name() == "groups"]
    running.cancel()
    outcomes = await asyncio.gather(first, second, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    served.go.set()
    assert await groups.join(6) == 60
