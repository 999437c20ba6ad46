"""Several server processes on one port (`WEB_WORKERS`), started, watched and stopped together.

Each is a whole `serve` of its own; the kernel spreads the connections over them (SO_REUSEPORT). The
first one migrates. When one ends by itself, all end with its exit code, so that whoever restarts
this program sees it; a process that outlives its parent is told to stop by the kernel.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_MARK = "SERVICELAYER_WORKER"
_SET_PARENT_DEATH_SIGNAL = 1


def is_worker() -> bool:
    """Tell whether this process is one of several; asks the kernel to end it with its parent."""
    if _MARK not in os.environ:
        return False
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    return True


def run(count: int, arguments: Sequence[str]) -> int:
    """Run several processes until one ends or a signal comes.

    Args:
        count: How many.
        arguments: Of the command line, the same for each.

    Returns:
        The exit code of the first that ended with another than 0, else 0.
    """
    processes = [_start(number, arguments) for number in range(count)]

    stopping: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        stopping.append(number)
        for process in processes:
            if process.returncode is None:
                os.kill(process.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    left = {process.pid: process for process in processes}
    worst = 0
    while left:
        pid, status = os.wait()
        process = left.pop(pid, None)
        if process is None:
            continue
        process.returncode = os.waitstatus_to_exitcode(status)
        worst = worst or process.returncode
        # Told once only: a second signal means haste, and would cut what is in flight.
        if not stopping:
            forward(signal.SIGTERM, None)
    return worst if worst >= 0 else 1


def _start(number: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "WEB_WORKERS": "1", _MARK: str(number)}
    if number > 0:
        environ["MIGRATE"] = "false"
    command = [sys.executable, "-m", "servicelayer_api", *arguments]
    return subprocess.Popen(command, env=environ)  # noqa: S603 - this program itself
