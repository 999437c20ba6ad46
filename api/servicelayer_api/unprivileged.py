"""Runs a program as nobody in particular, because PostgreSQL refuses to run as root.

Used as `python -m servicelayer_api.unprivileged FOLDER PROGRAM ARGUMENT...`: it becomes the
program. For root the first choice is a user namespace in which root is called otherwise: files keep
their owner, so the program reads what lies in private folders. Where namespaces are forbidden it
becomes the user `nobody`, who is given FOLDER. In any case the program is told to stop when the
process that started it dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_NOBODY = 65534
_SET_PARENT_DEATH_SIGNAL = 1


def main(argv: list[str]) -> None:
    """Become the program."""
    folder, program = argv[0], argv[1:]
    parent = os.getppid()
    if os.geteuid() == 0 and not _enter_namespace():
        _become_nobody(Path(folder))
    # Set last: the kernel forgets it when credentials change.
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - a fixed list, no shell


def _enter_namespace() -> bool:
    try:
        os.unshare(os.CLONE_NEWUSER)
    except OSError:
        return False
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{_NOBODY} 0 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{_NOBODY} 0 1", encoding="ascii")
    return True


def _become_nobody(folder: Path) -> None:
    for root, _, files in os.walk(folder):
        for name in (root, *(str(Path(root) / file) for file in files)):
            os.chown(name, _NOBODY, _NOBODY)
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


if __name__ == "__main__":
    main(sys.argv[1:])
