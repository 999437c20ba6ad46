"""What went wrong with the database lately: told to whoever runs the program, once a minute a kind.

A database that is away fails every request and every worker at once; a line for each of them would
hide the one that says what to do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from servicelayer_api.db.errors import DatabaseTrouble

_SECONDS: Final = 60.0

_log = structlog.get_logger(__name__)


class Troubles:
    """The troubles of one database.

    Attributes:
        writes_in_doubt: a write was refused for a reason that concerns every write; true until a
            write has been tried with success.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of none; `clock` gives seconds."""
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}
        self.writes_in_doubt = False

    def note(self, refusal: DatabaseTrouble) -> None:
        """Note that something failed; write a line unless the last one of its kind is recent."""
        trouble = refusal.trouble
        if trouble.stops_writes:
            self.writes_in_doubt = True
        if trouble.passes_by_itself:
            return
        now = self._clock()
        last, more = self._told.get(trouble.name, (-_SECONDS, 0))
        if now - last < _SECONDS:
            self._told[trouble.name] = (last, more + 1)
            return
        self._told[trouble.name] = (now, 0)
        _log.warning(
            "the database is in trouble",
            trouble=trouble.name,
            reason=refusal.told,
            remedy=trouble.remedy,
            more_since_last_line=more,
        )
