"""The record of the assembled cluster: chosen ports, started processes, settings to put back.

Written at once whenever something is started or changed, and replaced as a whole, so that a run
that is killed leaves a record which is true or one step behind, never half a file.
"""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.processes import ProcessRecord
from cluster.progress import say

FILE = "state.json"
BEFORE = "before.json"
LOCK_SECONDS = 1800


@dataclass
class State:
    """What is known about the assembled cluster on this machine."""

    removing: bool = False
    ports: dict[str, int] = field(default_factory=dict[str, int])
    processes: dict[str, ProcessRecord] = field(default_factory=dict[str, ProcessRecord])
    digests: dict[str, str] = field(default_factory=dict[str, str])

    def save(self, folder: Path) -> None:
        """Replace the record in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".{FILE}"
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n")
        scratch.replace(folder / FILE)


def load(folder: Path) -> State | None:
    """Read the record, or None when there is none that can be read."""
    try:
        raw: dict[str, Any] = json.loads((folder / FILE).read_text())
        raw["processes"] = {name: ProcessRecord(**r) for name, r in raw["processes"].items()}
        return State(**raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@dataclass(frozen=True)
class Before:
    """How the machine was before the first `up`; written once, in a file of its own."""

    sysctls: dict[str, str]
    absent: list[str]


def remember(folder: Path, before: Before) -> None:
    """Write down how the machine is, unless an earlier run has."""
    path = folder / BEFORE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".{BEFORE}"
        scratch.write_text(json.dumps(asdict(before), indent=2) + "\n")
        scratch.replace(path)


def recall(folder: Path) -> Before:
    """Return how the machine was; nothing to put back when that is not known."""
    try:
        return Before(**json.loads((folder / BEFORE).read_text()))
    except (OSError, ValueError, TypeError):
        return Before({}, [])


@contextmanager
def machine_lock() -> Generator[None]:
    """Let one run at a time change the cluster of this machine.

    The lock is a name in the network namespace, which is also what the cluster occupies: it
    leaves no file, and the kernel drops it however its holder ends.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + LOCK_SECONDS
    told = False
    with lock:
        while True:
            try:
                lock.bind("\0servicelayer-cluster")
                break
            except OSError as exc:
                if time.monotonic() > deadline:
                    raise ClusterError("another run has held the cluster for too long") from exc
            if not told:
                say("another run is changing the cluster, waiting for it")
                told = True
            time.sleep(0.3)
        yield
