"""Group commit: requests that come while one group is written share the next.

Invariant: whoever joins goes on only when its group has been served, with its own outcome: what
refuses one leaves the others alone, and a client that has gone holds up nobody. One group is served
at a time. A group belongs to no request, so it runs in a context of its own and joins none of their
transactions.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakValueDictionary

from servicelayer_api.db.company import gather_company
from servicelayer_api.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from servicelayer_api.db.pool import Database

MOST: Final = 256


class Groups[T, R]:
    """Serves what arrives in groups of 256 at most."""

    def __init__(
        self,
        serve: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        name: str,
        gather: bool = False,
    ) -> None:
        """Serve groups.

        Args:
            serve: Gives an outcome for each member, in their order; an error that it raises is the
                outcome of all.
            name: Of the task.
            gather: Whether a group waits for more while the loop is busy (`company.py`).
        """
        self._serve = serve
        self._name = name
        self._gather = gather
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def join(self, member: T) -> R:
        """Wait for the group of a member; gives its outcome, or raises it.

        Raises:
            Unavailable: the program is stopping.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((member, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=self._name, context=Context())
        return await future

    async def _run(self) -> None:
        group: list[tuple[T, asyncio.Future[R]]] = []
        try:
            while self._waiting:
                if self._gather:
                    await gather_company(self._waiting, MOST)
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                _settle(group, await self._outcomes([member for member, _ in group]))
        finally:
            # Nobody is left here unless the program is being stopped.
            left, self._waiting, self._running = [*group, *self._waiting], [], None
            _settle(left, [Unavailable("the program is stopping") for _ in left])

    async def _outcomes(self, members: Sequence[T]) -> Sequence[R | Exception]:
        try:
            return await self._serve(members)
        except Exception as exc:  # noqa: BLE001 - handed to each request, which raises it
            return [exc] * len(members)


class Held:
    """The outcome of a member that could not be served without waiting for somebody else's lock."""


HELD: Final = Held()


class SplitGroups[T, R]:
    """Groups of all who come, but for those whose rows somebody else holds.

    These wait in a group of their own, one for each key, so that nobody else waits with them. A
    request that has a transaction already is not grouped: what it does commits with its answer.
    """

    def __init__(
        self,
        database: Database,
        serve: Callable[[Sequence[T], bool], Awaitable[Sequence[R | Held | Exception]]],
        *,
        name: str,
        key: Callable[[T], Hashable],
    ) -> None:
        """Serve groups.

        Args:
            database: Which they are written to.
            serve: As in `Groups`; told whether to wait for locks. Where it does not, `HELD` is the
                outcome of a member that would have to.
            name: Of the tasks.
            key: What a member waits for when it has to.
        """
        self._database = database
        self._serve = serve
        self._name = name
        self._key = key
        self._all = Groups(self._now, name=name, gather=True)
        # Kept alive by those who wait in them.
        self._of_one: WeakValueDictionary[Hashable, Groups[T, R | Held]] = WeakValueDictionary()

    async def join(self, member: T) -> R:
        """Wait for the group of a member; gives its outcome, or raises it.

        Raises:
            Unavailable: the program is stopping.
        """
        if self._database.in_ambient:
            (outcome,) = await self._later([member])
            if isinstance(outcome, Exception):
                raise outcome
            return cast("R", outcome)
        outcome = await self._all.join(member)
        if isinstance(outcome, Held):
            key = self._key(member)
            groups = self._of_one.get(key)
            if groups is None:
                groups = self._of_one[key] = Groups(self._later, name=self._name)
            outcome = await groups.join(member)
        return cast("R", outcome)

    async def _now(self, members: Sequence[T]) -> Sequence[R | Held | Exception]:
        return await self._serve(members, False)

    async def _later(self, members: Sequence[T]) -> Sequence[R | Held | Exception]:
        return await self._serve(members, True)


def _settle[T, R](
    group: Sequence[tuple[T, asyncio.Future[R]]], outcomes: Sequence[R | Exception]
) -> None:
    for (_, future), outcome in zip(group, outcomes, strict=True):
        if future.done():  # settled already, or its client has gone
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
