"""How long a test waits for something that comes in the end: a limit that only bounds a hang.

Limits are written for a quiet machine. They grow with the load that is measured when the wait
begins: beside eight busy programs on two cores everything takes four times as long, and is no more
broken for that.
"""

from __future__ import annotations

import os


def patience(seconds: float) -> float:
    """Seconds to wait on this machine now, for what takes so many at most on a quiet one."""
    cores = len(os.sched_getaffinity(0))
    return seconds * max(1.0, os.getloadavg()[0] / cores)
