"""Who may wait for company before a transaction begins, and how long.

A transaction costs the same whether it carries one change or thirty. So those who commit in groups
let in first what is on its way: while the loop is busy with other requests there is nothing to lose
by gathering, since the work goes on; as soon as it has nothing else to do, the group begins. Alone
on an idle server a request waits for a few turns of the loop, some microseconds.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sized

_IDLE_TURNS: Final = 4
# A turn of the loop that only polls is shorter; one that serves a request is longer.
_BUSY_TURN: Final = 0.000_06
LONGEST_WAIT: Final = 0.008


async def gather_company(waiting: Sized, most: int) -> None:
    """Wait while more may come, for 8 ms at most.

    Args:
        waiting: Who is there already; it grows meanwhile.
        most: As many as the group can take.
    """
    seen = len(waiting)
    now = time.perf_counter()
    deadline = now + LONGEST_WAIT
    idle = 0
    while idle < _IDLE_TURNS and seen < most and now < deadline:
        await asyncio.sleep(0)
        before, now = now, time.perf_counter()
        grown = len(waiting) > seen
        seen = len(waiting)
        idle = 0 if grown or now - before > _BUSY_TURN else idle + 1
