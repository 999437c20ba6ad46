"""Warnings of background work that say the same again and again, told once a minute.

A worker asks several times a second, and each failure is a warning; without this the log of an
outage is thousands of equal lines. Lines that belong to a request are never left out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping

_SECONDS: Final = 60.0
_MOST: Final = 1000
_CHANGING: Final = frozenset({"timestamp", "retry_seconds"})


class RepeatedWarnings:
    """A structlog processor; stands behind the one that adds level and logger."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of no warning yet; `clock` gives seconds."""
        self._clock = clock
        self._told: dict[Hashable, tuple[float, int]] = {}

    def __call__(
        self, _: Any, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Let a line through, or drop it.

        Raises:
            structlog.DropEvent: the same was told less than a minute ago.
        """
        if event["level"] != "warning" or "request_id" in event:
            return event
        key = tuple(sorted((k, repr(v)) for k, v in event.items() if k not in _CHANGING))
        now = self._clock()
        last, left_out = self._told.get(key, (None, 0))
        if last is not None and now - last < _SECONDS:
            self._told[key] = (last, left_out + 1)
            raise structlog.DropEvent
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[key] = (now, 0)
        if left_out:
            event["repeated"] = left_out
        return event
