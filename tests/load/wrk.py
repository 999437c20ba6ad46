"""One round of load by `wrk`: 32 connections kept alive, from two threads, on the loopback."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

_SCRIPT = Path(__file__).with_name("load.lua")
_MARK = b"result "
_GRACE = 30.0


class WrkError(Exception):
    """wrk did not end as it should; the message holds what it said."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What wrk itself prints at the end of a round.

    Attributes:
        requests: Answered, whatever the status.
        microseconds: The round took.
        bytes: Received.
        p50_us: Half of the answers took no longer, in microseconds.
        p99_us: 99 of 100 answers took no longer.
        max_us: The slowest answer.
        refused: Answers with a status of 400 or more.
        broken: Connections that failed, or failed to be read or written.
        timeouts: Answers that did not come within wrk's two seconds.
    """

    requests: int
    microseconds: int
    bytes: int
    p50_us: int
    p99_us: int
    max_us: int
    refused: int
    broken: int
    timeouts: int

    @property
    def errors(self) -> int:
        """All that went wrong, added up."""
        return self.refused + self.broken + self.timeouts

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / (self.microseconds / 1_000_000)


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, over and over.

    Attributes:
        method: Of HTTP.
        url: Of the server, with the path.
        headers: `@T@` in one becomes a number from 1 to 500, another for each request.
        body: `@N@` in it is made unique for each request.
        others: Paths and bodies that are sent in turn with the first.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: str = ""
    others: tuple[tuple[str, str], ...] = ()


def run_wrk(
    shot: Shot, *, tag: str, seconds: float, connections: int = 32
) -> tuple[Counted, float]:
    """Run a round.

    Args:
        shot: What to send.
        tag: Makes the bodies of this round unique among all rounds.
        seconds: How long.
        connections: Kept open, one request in flight on each.

    Returns:
        What was counted, and the CPU seconds that wrk itself used.

    Raises:
        WrkError: It failed or printed no result.
    """
    command = [
        *("wrk", "--threads", "2", "--connections", str(connections)),
        *("--duration", f"{max(1, round(seconds))}s", "--script", str(_SCRIPT), shot.url, "--"),
        *(shot.method, tag, shot.body, str(len(shot.others))),
        *(part for pair in shot.others for part in pair),
        *(part for pair in shot.headers.items() for part in pair),
    ]
    before = _children_cpu()
    done = subprocess.run(command, capture_output=True, check=False, timeout=seconds + _GRACE)
    return parse(done.stdout, done.stderr), _children_cpu() - before


def parse(stdout: bytes, stderr: bytes = b"") -> Counted:
    """Find the result in what wrk printed.

    Raises:
        WrkError: There is none.
    """
    for line in stdout.splitlines():
        if line.startswith(_MARK):
            return msgspec.json.decode(line.removeprefix(_MARK), type=Counted)
    said = (stderr or stdout).decode(errors="replace").strip()
    raise WrkError(f"wrk gave no result: {said[-500:]}")


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
