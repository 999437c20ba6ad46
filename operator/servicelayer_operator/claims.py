"""Which operator serves a ServiceLayer: marked in `status.servedBy`, asked before a change.

An operator that finds another's mark does nothing to the objects. It puts its own mark there, which
a living operator that has served the resource takes back at once, and waits: a mark that stays is
that of an operator that is gone. The invariant: who serves already is not disturbed by a newcomer.
An installation is named by its namespace and Lease, so replicas and restarts are one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from servicelayer_operator.contests import Contests

if TYPE_CHECKING:
    from collections.abc import Callable

    from servicelayer_operator.work_queue import Key

HOLD_SECONDS = 30.0
AGAIN_SECONDS = 600.0


class Standing(StrEnum):
    """What an operator may do with a resource."""

    SERVE = "serve"
    CLAIM = "claim"
    WAIT = "wait"
    CONTESTED = "contested"


class Claims:
    """Which resources this operator serves, and which it has asked for.

    Args:
        name: This installation.
        clock: Monotonic seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._clock = clock
        self._contests = Contests(clock)
        self._served: set[Key] = set()
        self._asked: dict[Key, float] = {}

    def stand(self, key: Key, mark: str) -> Standing:
        """Judge whether to serve a resource.

        Args:
            key: The resource.
            mark: Its `status.servedBy`, empty when it has none.
        """
        asked = self._asked.get(key)
        waited = None if asked is None else self._clock() - asked
        if mark in {"", self.name}:
            return self._serve(key) if waited is None or waited >= HOLD_SECONDS else Standing.WAIT
        if key in self._served:
            # A newcomer asks; one that never stops asking has been serving too.
            return Standing.CONTESTED if self._contests.lost(key) else Standing.SERVE
        if waited is None or waited >= AGAIN_SECONDS:
            self._asked[key] = self._clock()
            return Standing.CLAIM
        return Standing.CONTESTED

    def forget(self, key: Key) -> None:
        """Drop what is known of a resource that is gone."""
        self._served.discard(key)
        self._asked.pop(key, None)
        self._contests.forget(key)

    def _serve(self, key: Key) -> Standing:
        self._asked.pop(key, None)
        self._served.add(key)
        return Standing.SERVE
