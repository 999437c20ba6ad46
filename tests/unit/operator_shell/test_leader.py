from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest

from servicelayer_operator.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from servicelayer_operator.leader import Elector, Timing
from support.fake_clock import FakeClock, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Lease:
    """The API server's side: optimistic concurrency on one object."""

    def __init__(self) -> None:
        self.live: dict[str, Any] | None = None
        self.version = 0
        self.broken = False
        self.hanging = False

    async def read(self) -> dict[str, Any]:
        await self._reach()
        if self.live is None:
            raise NotFoundError("no lease")
        return copy.deepcopy(self.live)

    async def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        await self._reach()
        if self.live is not None:
            raise AlreadyExistsError("somebody was first")
        return self._store(body)

    async def replace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        await self._reach()
        assert self.live is not None
        if body["metadata"]["resourceVersion"] != self.live["metadata"]["resourceVersion"]:
            raise ConflictError("somebody was first")
        return self._store(body)

    def touch(self) -> None:
        """What `kubectl annotate` does to the object."""
        assert self.live is not None
        self._store(self.live)

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.hanging:
            await asyncio.Event().wait()
        if self.broken:
            raise UnavailableError("cut")

    def _store(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.live = copy.deepcopy(dict(body))
        self.live["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.live)

    @property
    def holder(self) -> str:
        return self.live["spec"]["holderIdentity"] if self.live else ""


class Scene:
    """A Lease, a clock, and electors that run as tasks."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.lease = Lease()
        self.tasks: list[asyncio.Task[None]] = []

    def elector(self, identity: str) -> Elector:
        timing = Timing(monotonic=self.clock, now=self.clock.now, sleep=self.clock.sleep)
        return Elector(self.lease, identity, timing, name="lease", namespace="ns")

    async def start(self, identity: str) -> tuple[Elector, asyncio.Task[None]]:
        elector = self.elector(identity)

        async def campaign() -> None:
            await elector.acquire()
            await elector.hold()

        task = asyncio.create_task(campaign())
        self.tasks.append(task)
        await settle()
        return elector, task


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    built = Scene()
    yield built
    for task in built.tasks:
        task.cancel()
    await asyncio.gather(*built.tasks, return_exceptions=True)


async def test_the_first_one_leads_and_the_second_stands_by(scene: Scene) -> None:
    first, _ = await scene.start("first")
    second, _ = await scene.start("second")
    await scene.clock.advance(120)
    assert (first.leading, second.leading) == (True, False)
    assert scene.lease.holder == "first"


async def test_a_killed_leader_is_followed_within_20_seconds(scene: Scene) -> None:
    _, task = await scene.start("first")
    second, _ = await scene.start("second")
    await scene.clock.advance(31)
    task.cancel()
    await settle()
    killed = scene.clock.seconds
    while not second.leading:
        await scene.clock.advance(0.1)
    assert scene.clock.seconds - killed < 18
    assert scene.lease.live is not None
    assert scene.lease.live["spec"]["leaseTransitions"] == 1


async def test_a_released_lease_is_taken_at_the_next_look(scene: Scene) -> None:
    first, task = await scene.start("first")
    second, _ = await scene.start("second")
    await scene.clock.advance(10)
    task.cancel()
    await first.release()
    assert scene.lease.holder == ""
    await scene.clock.advance(2.1)
    assert second.leading


async def test_a_leader_that_cannot_renew_gives_up_before_another_may_start(scene: Scene) -> None:
    first, task = await scene.start("first")
    await scene.clock.advance(5)
    scene.lease.broken = True
    await scene.clock.advance(8)
    assert first.leading
    await scene.clock.advance(6)
    assert task.done()
    assert not first.leading


async def test_a_leader_survives_a_short_outage(scene: Scene) -> None:
    first, task = await scene.start("first")
    scene.lease.broken = True
    await scene.clock.advance(7)
    scene.lease.broken = False
    await scene.clock.advance(60)
    assert first.leading
    assert not task.done()


async def test_a_leader_whose_lease_was_stolen_gives_up_at_once(scene: Scene) -> None:
    first, task = await scene.start("first")
    assert scene.lease.live is not None
    scene.lease.live["spec"]["holderIdentity"] = "thief"
    scene.lease.touch()
    await scene.clock.advance(2.1)
    assert task.done()
    assert not first.leading


async def test_an_annotated_lease_does_not_end_the_leadership(scene: Scene) -> None:
    first, task = await scene.start("first")
    for _ in range(10):
        scene.lease.touch()
        await scene.clock.advance(2)
    assert first.leading
    assert not task.done()


async def test_a_foreign_clock_does_not_matter(scene: Scene) -> None:
    """The record's own times are ages old; what counts is how long we saw it unchanged."""
    elector = scene.elector("old")
    await elector.acquire()
    assert scene.lease.live is not None
    scene.lease.live["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    second, _ = await scene.start("second")
    await scene.clock.advance(14)
    assert not second.leading
    await scene.clock.advance(2)
    assert second.leading


async def test_a_standby_waits_while_the_api_server_is_away(scene: Scene) -> None:
    scene.lease.broken = True
    elector, task = await scene.start("first")
    await scene.clock.advance(100)
    assert not task.done()
    scene.lease.broken = False
    await scene.clock.advance(3)
    assert elector.leading
