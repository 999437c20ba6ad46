"""How much of the building is done, and how long the rest may take.

The figures of `families.py` are seconds on two idle cores. What was built in this run tells how
much slower this machine is, and before the first is done its load does. An estimate, and said so.
"""

import os
import time
from collections.abc import Callable, Mapping

_MINUTE = 60


class Estimate:
    """The steps of one run: each has a name and the seconds it takes on two idle cores."""

    def __init__(
        self, steps: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = dict(steps)
        self._clock = clock
        self._done: dict[str, float] = {}
        self._running: tuple[str, float] | None = None

    @property
    def total(self) -> float:
        """Seconds that all steps take on two idle cores."""
        return sum(self._steps.values())

    def begin(self, step: str) -> None:
        """A step starts."""
        self._running = (step, self._clock())

    def end(self) -> None:
        """The running step is done."""
        if self._running is not None:
            step, started = self._running
            self._done[step] = self._clock() - started
            self._running = None

    def left(self) -> float:
        """Return the seconds that the rest may take on this machine as it is."""
        rest = {name: seconds for name, seconds in self._steps.items() if name not in self._done}
        slower = self._slower()
        spent = 0.0
        if self._running is not None and self._running[0] in rest:
            step, started = self._running
            # A step that is overdue still has a tenth of itself before it.
            spent = min(self._clock() - started, 0.9 * rest[step] * slower)
        return sum(rest.values()) * slower - spent

    def _slower(self) -> float:
        expected = sum(self._steps[name] for name in self._done)
        if expected >= _MINUTE:
            return sum(self._done.values()) / expected
        cores = len(os.sched_getaffinity(0))
        return max(2 / cores, os.getloadavg()[0] / cores)

    def line(self) -> str:
        """Say where the run stands: `step 2 of 6, about 9 min left`."""
        return f"step {len(self._done) + 1} of {len(self._steps)}, about {told(self.left())} left"


def told(seconds: float) -> str:
    """Say a span of time as people do: in whole minutes, or in tens of seconds below two."""
    if seconds < 2 * _MINUTE:
        return f"{max(10, round(seconds / 10) * 10)} s"
    return f"{round(seconds / _MINUTE)} min"
