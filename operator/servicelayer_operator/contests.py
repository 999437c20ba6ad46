"""Whether somebody else writes our objects under our own name: seen, told, and not fought.

Two operators that serve one ServiceLayer with other settings (a default image, a namespace of
their own) would take each object back from each other as fast as the API server lets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

ROUNDS = 3
WINDOW_SECONDS = 60.0


class Contests:
    """Counts how often an object that we wrote came back with another hash of ours.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lost: dict[Hashable, list[float]] = {}

    def lost(self, place: Hashable) -> bool:
        """Note one loss; tell whether there were so many lately that writing is of no use."""
        now = self._clock()
        recent = [when for when in self._lost.get(place, ()) if now - when < WINDOW_SECONDS]
        contested = len(recent) >= ROUNDS
        if not contested:
            recent.append(now)
        self._lost[place] = recent
        return contested

    def forget(self, place: Hashable) -> None:
        """Drop what is remembered of an object."""
        self._lost.pop(place, None)
