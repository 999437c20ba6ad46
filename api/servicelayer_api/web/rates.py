"""How fast somebody may ask: the generic cell rate algorithm, in process and without I/O.

A meter remembers for each subject the moment at which what it has asked for will have been used up
at the allowed pace (`busy_until`). A request is let through while that moment is no further away
than the burst. What other replicas let through is added when they are heard of (`adopt`), so that
between two exchanges each counts its own.

Invariant: memory is bounded; of more subjects than fit, those that asked longest ago are forgotten.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from typing import Final, NamedTuple

from servicelayer_api.settings import SettingsError

_FORM: Final = re.compile(r"(\d+)(?:/(s|m|h))?")
_WINDOWS: Final = {"s": 1, "m": 60, "h": 3600}
_MAX_SUBJECTS: Final = 20_000
_SLACK: Final = 1e-6


class Rate(NamedTuple):
    """So many requests in so many seconds, and `burst` more at once."""

    quota: int
    window: int
    burst: int

    @property
    def interval(self) -> float:
        """Seconds that one request takes of the allowance."""
        return self.window / self.quota


def parse_rate(text: str, burst: int) -> Rate | None:
    """Read `RATE_LIMIT`: `100/s`, `6000/m`, `off`.

    Returns:
        The rate; `None` for off.

    Raises:
        SettingsError: It is neither.
    """
    if text.strip().lower() in {"", "off"}:
        return None
    found = _FORM.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise SettingsError("RATE_LIMIT is no rate; write for example 100/s, 6000/m, or off")
    return Rate(int(found[1]), _WINDOWS[found[2] or "s"], burst)


class Verdict(NamedTuple):
    """Whether a request may pass.

    Attributes:
        allowed: Whether.
        remaining: Requests that could follow at once.
        reset: Seconds until all of the allowance is there again, rounded up.
        wait: Seconds until the next request may pass, rounded up; 0 when one may.
        delay: Seconds after which the request may pass.
    """

    allowed: bool
    remaining: int
    reset: int
    wait: int
    delay: float = 0.0


class _Meter:
    __slots__ = ("busy_until", "unreported")

    def __init__(self) -> None:
        self.busy_until = 0.0
        self.unreported = 0


class Meters:
    """The meters of all subjects of one kind."""

    def __init__(self, rate: Rate, *, patience: float = 0.0, most: int = _MAX_SUBJECTS) -> None:
        """Measure by a rate.

        Args:
            rate: For each subject.
            patience: Seconds that a request may be held back instead of being refused.
            most: Subjects to remember.
        """
        self.rate = rate
        self._patience = patience
        self._interval = rate.interval
        # The slack keeps the rounding of many fractions from refusing a whole request.
        self._tolerance = rate.interval * (rate.burst + _SLACK)
        # What is worth a row in the database: less is used up again before anybody hears of it.
        self._worth = max(1, rate.burst // 4)
        self._most = most
        self._meters: OrderedDict[str, _Meter] = OrderedDict()
        self._loud: dict[str, _Meter] = {}

    def __len__(self) -> int:
        return len(self._meters)

    def take(self, subject: str, now: float) -> Verdict:
        """Count a request.

        Args:
            subject: Who asks.
            now: Monotonic seconds.
        """
        meter = self._meters.get(subject)
        if meter is None:
            meter = self._meters[subject] = _Meter()
            if len(self._meters) > self._most:
                forgotten, _ = self._meters.popitem(last=False)
                self._loud.pop(forgotten, None)
        else:
            self._meters.move_to_end(subject)
        backlog = meter.busy_until - now
        if backlog <= 0.0:
            backlog = 0.0
            meter.unreported = 0
        delay = max(0.0, backlog - self._tolerance)
        if delay > self._patience:
            return Verdict(False, 0, math.ceil(backlog), max(1, math.ceil(delay)))
        backlog += self._interval
        meter.busy_until = now + backlog
        meter.unreported += 1
        if meter.unreported == self._worth:
            self._loud[subject] = meter
        remaining = int((self._tolerance - backlog) / self._interval + 1)
        return Verdict(True, max(0, remaining), math.ceil(backlog), 0, delay)

    def unreported(self, now: float) -> dict[str, float]:
        """Give the seconds of allowance that subjects used and other replicas do not know of.

        Who was reported is reported, with whatever it used since, until it is not busy any more: a
        report is also how others are heard of.
        """
        found: dict[str, float] = {}
        for subject, meter in list(self._loud.items()):
            if meter.busy_until <= now:
                del self._loud[subject]
                continue
            found[subject] = meter.unreported * self._interval
            meter.unreported = 0
        return found

    def adopt(self, subject: str, backlog: float, now: float) -> None:
        """Take over what all replicas together let through.

        Args:
            subject: Whom; one that was forgotten stays so.
            backlog: Seconds from now until which it is busy.
            now: Monotonic seconds.
        """
        meter = self._meters.get(subject)
        if meter is not None:
            own = meter.unreported * self._interval
            meter.busy_until = max(meter.busy_until, now + backlog + own)
