"""What a process and all that it started have used, read from /proc.

CPU time is judged rather than the clock where a machine is shared: it hardly moves when others work
beside us.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
# Fields of /proc/PID/stat behind the closing parenthesis, counted from 0.
_PARENT, _USER, _CHILDREN_SYSTEM = 1, 11, 14


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a tree of processes has used.

    Attributes:
        cpu_seconds: User and system time, of children that ended too.
        largest_rss_mib: Resident memory of the largest process, in MiB.
        processes: How many there are.
    """

    cpu_seconds: float
    largest_rss_mib: float
    processes: int


def usage(root: int) -> Usage:
    """Read what a process and its descendants have used so far."""
    parents: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it ended meanwhile; its parent has its time
        fields = text.rpartition(")")[2].split()
        pid = int(entry.name)
        parents.setdefault(int(fields[_PARENT]), []).append(pid)
        ticks[pid] = sum(int(value) for value in fields[_USER : _CHILDREN_SYSTEM + 1])
    tree = [root]
    for pid in tree:
        tree.extend(parents.get(pid, []))
    return Usage(
        cpu_seconds=sum(ticks.get(pid, 0) for pid in tree) / _TICKS,
        largest_rss_mib=max(_resident(pid) for pid in tree),
        processes=len(tree),
    )


def _resident(pid: int) -> float:
    try:
        lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(found[0]) / 1024 if found else 0.0
