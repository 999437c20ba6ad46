"""Processes the harness starts: how they are begun, recognised, watched and ended.

A process is named by its id together with the moment it started (and the boot it started in),
so that an id which the kernel gave to somebody else in the meantime is never signalled.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.progress import wait_until

PROC = Path("/proc")
LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class ProcessRecord:
    """One started program; `started` is field 22 of /proc/PID/stat, in clock ticks since boot."""

    name: str
    pid: int
    started: int
    boot: str
    log: str

    def alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        return self.boot == boot_id() and start_ticks(self.pid) == self.started


def boot_id() -> str:
    """Return the kernel's name of the present boot: ticks count from zero in each."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Return when `pid` started, or None when no such process runs."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The program's name stands in parentheses and may itself hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cgroup: Path | None = None,
    die_with_parent: bool = False,
) -> ProcessRecord:
    """Start `command` in a session of its own, its output appended to `log`.

    With `die_with_parent` the kernel kills it when the calling thread ends, whatever ended that.
    """
    words = [str(word) for word in command]
    if die_with_parent:
        words = ["setpriv", "--pdeathsig", "KILL", "--", *words]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={**_clean_environment(), **(env or {})},
        )
    # It outlives this object on purpose; the record keeps it, and Popen must not warn about it.
    process.returncode = 0
    if cgroup is not None:
        # Only one of several ways to find it again: the marker in its environment remains.
        with suppress(OSError):
            (cgroup / "cgroup.procs").write_text(str(process.pid))
    ticks = start_ticks(process.pid)
    if ticks is None:
        raise ClusterError(f"{name} ended at once\n{log_tail(log)}")
    return ProcessRecord(name, process.pid, ticks, boot_id(), str(log))


def _clean_environment() -> dict[str, str]:
    """Keep what a program needs to find its way; a proxy setting would cut it off from the pods."""
    kept = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH")
    return {name: value for name in kept if (value := os.environ.get(name)) is not None}


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last lines of a log with its path, for error texts."""
    try:
        text = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        text = ["(no log)"]
    return "\n".join([*(f"  | {line[:400]}" for line in text), f"  the whole log: {log}"])


def stop(records: Iterable[ProcessRecord], *, grace: float = 5.0) -> None:
    """Ask all of them to end, wait up to `grace` seconds, then kill what is left."""
    _end([r for r in records if r.alive()], grace)


def kill_pids(pids: Iterable[int]) -> None:
    """Kill processes found by their marks; each is pinned to its start time first."""
    boot = boot_id()
    records = [
        ProcessRecord("", pid, ticks, boot, "") for pid in pids if (ticks := start_ticks(pid))
    ]
    _end(records, 0.0)


def _end(records: list[ProcessRecord], grace: float) -> None:
    if grace:
        _signal(records, signal.SIGTERM)
        wait_until(lambda: not any(r.alive() for r in records), seconds=grace, pause=0.02)
    _signal(records, signal.SIGKILL)
    if not wait_until(lambda: not any(r.alive() for r in records), seconds=10, pause=0.02):
        left = ", ".join(f"{r.name or 'process'} {r.pid}" for r in records if r.alive())
        raise ClusterError(f"still running after SIGKILL: {left}")
    _reap(records)


def _signal(records: Iterable[ProcessRecord], number: signal.Signals) -> None:
    for record in records:
        if record.alive():
            try:
                os.kill(record.pid, number)
            except ProcessLookupError:
                continue


def _reap(records: Iterable[ProcessRecord]) -> None:
    """Collect our own children among them; others belong to init and are none of our business."""
    for record in records:
        try:
            os.waitpid(record.pid, os.WNOHANG)
        except ChildProcessError:
            continue


def pids_with_marker(marker: str, value: str) -> list[int]:
    """Return the processes whose environment carries `marker=value`, oldest first."""
    wanted = f"{marker}={value}".encode()
    return [pid for pid in all_pids() if wanted in _read(pid, "environ").split(b"\0")]


def pids_in_cgroup(name: str) -> list[int]:
    """Return the processes below a control group folder called `name`, in any hierarchy."""
    part = f"/{name}/".encode()
    return [
        pid
        for pid in all_pids()
        if any(part in line + b"/" for line in _read(pid, "cgroup").splitlines())
    ]


def all_pids() -> list[int]:
    """Return every process id but our own."""
    own = os.getpid()
    found = [int(p.name) for p in PROC.iterdir() if p.name.isdigit()]
    return sorted(pid for pid in found if pid != own and start_ticks(pid) is not None)


def command_line(pid: int) -> str:
    """Return what `pid` was started as, for people to read."""
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def program_name(pid: int) -> str:
    """Return the name of the program that `pid` runs (at most 15 characters of it)."""
    return _read(pid, "comm").decode(errors="replace").strip()


def same_network(pid: int) -> bool:
    """Tell whether `pid` lives in our network namespace; others' tables are not ours to see."""
    try:
        return (PROC / str(pid) / "ns/net").readlink() == (PROC / "self/ns/net").readlink()
    except OSError:
        return False


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
