"""Builders run where nothing of them can stay behind.

Each runs in mount and process namespaces of its own: its mounts vanish and its children are killed
with it, and it is killed with us, whatever ends us. The network stays the host's.
"""

from collections.abc import Sequence


def isolated(command: Sequence[str]) -> list[str]:
    """Return `command` wrapped so that no mount or process of it outlives this program."""
    guard = ["setpriv", "--pdeathsig", "KILL", "--"]
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    return [*guard, *spaces, *command]
