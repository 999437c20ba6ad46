"""Finds everything an assembled cluster has on this machine, and removes it.

It asks the machine, not the record: marks in environments, our control group, mounts below the
state folder, our link, our tables. So it cleans as well when the record is lost, a part was
killed, or only the mounts are left. What does not carry our names is never touched.
"""

import ctypes
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cluster import network
from cluster.control_plane import stale_folders
from cluster.errors import ClusterError
from cluster.host import our_cgroups, write_sysctl
from cluster.layout import NETWORK
from cluster.paths import MARKER, cgroup_name, state_dir
from cluster.processes import (
    ProcessRecord,
    command_line,
    kill_pids,
    pids_in_cgroup,
    pids_with_marker,
    program_name,
    stop,
)
from cluster.progress import say, wait_until
from cluster.state import load, recall

if TYPE_CHECKING:
    from collections.abc import Callable

_MNT_DETACH = 2
_GRACE_SECONDS = 5.0
# The kubelet and the CNI library make these whatever their configuration says.
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_CNI_RESULTS = Path("/var/lib/cni/results")
_LOG_LINKS = Path("/var/log/containers")
FIXED_PLACES = (
    _DEVICE_PLUGINS,
    _DEVICE_PLUGINS.parent,
    _CNI_RESULTS,
    _CNI_RESULTS.parent,
    _LOG_LINKS,
)


def find() -> list[str]:
    """Return one line for each thing of ours on this machine; empty after a good `down`."""
    state = state_dir()
    return [
        *(f"process {pid}: {command_line(pid)[:120]}" for pid in processes()),
        *(f"mount {path}" for path in mounts(state)),
        *(f"link {name}" for name in network.links()),
        *(f"nftables table {family} {name}" for family, name in network.tables()),
        *(f"control group {path}" for path in our_cgroups()),
        *(f"file {path}" for path in files(state)),
        *(f"folder of a light control plane {path}" for path in stale_folders()),
    ]


def processes() -> list[int]:
    """Return the daemons, shims and pods' processes of ours, recorded or not."""
    return sorted({*pids_with_marker(MARKER, str(state_dir())), *pids_in_cgroup(cgroup_name())})


def strays(known: set[int], names: set[str]) -> list[int]:
    """Return daemons of ours that no record knows: started by a run that was killed just then."""
    marked = pids_with_marker(MARKER, str(state_dir()))
    return [pid for pid in marked if pid not in known and program_name(pid) in names]


def mounts(folder: Path) -> list[str]:
    """Return the mount points in `folder`, the innermost first."""
    prefix = f"{folder}/"
    table = Path("/proc/self/mounts").read_text().splitlines()
    points = [_unescape(line.split()[1]) for line in table]
    return [point for point in reversed(points) if point.startswith(prefix)]


def _unescape(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)


def files(state: Path) -> list[Path]:
    """Return the files and folders of ours, the state folder last."""
    results = _CNI_RESULTS.glob(f"{NETWORK}-*")
    links = [p for p in _LOG_LINKS.glob("*.log") if p.is_symlink()]
    own_links = [p for p in links if str(p.readlink()).startswith(f"{state}/")]
    absent = recall(state).absent
    made = [path for path in FIXED_PLACES if str(path) in absent or _only_plugins(path)]
    return [
        path for path in (*results, *own_links, *made, state) if path.exists() or path.is_symlink()
    ]


def _only_plugins(path: Path) -> bool:
    """Tell whether this is the folder of a kubelet that keeps everything else elsewhere: ours."""
    root = _DEVICE_PLUGINS.parent
    if path not in {root, _DEVICE_PLUGINS} or not root.is_dir():
        return False
    return [entry.name for entry in root.iterdir()] == [_DEVICE_PLUGINS.name]


def absent_places() -> list[str]:
    """Return which of the fixed places do not exist, to be written down before `up` starts."""
    return [str(path) for path in FIXED_PLACES if not path.exists()]


def remove_all() -> None:
    """Remove everything that `find` finds, in the order in which it lets go of each other."""
    state = load(state_dir())
    records = list(state.processes.values()) if state else []
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("programs", lambda: _stop_programs(records)),
        ("mounts", _unmount_all),
        ("links", network.remove_links),
        ("nftables tables", network.remove_tables),
        ("control groups", _remove_cgroups),
        ("kernel settings", lambda: _restore(recall(state_dir()).sysctls)),
        ("files", _remove_files),
    )
    for what, step in steps:
        try:
            step()
        except (OSError, ClusterError) as exc:
            # Go on: what is left is reported at the end, and the next run tries again.
            say(f"{what}: {exc}")


def _stop_programs(records: list[ProcessRecord]) -> None:
    by_name = {record.name: record for record in records}
    # The kubelet first, or it would start again what is stopped after it.
    if "kubelet" in by_name:
        stop([by_name["kubelet"]], grace=1.0)
    kill_pids(pids_in_cgroup(f"{cgroup_name()}/kubepods"))
    stop(records, grace=_GRACE_SECONDS)
    # A dying shim may still start `runc delete`: ask until nobody is there.
    if not wait_until(_killed, seconds=15, pause=0.05):
        raise ClusterError(f"processes that do not end: {processes()}")


def _killed() -> bool:
    kill_pids(processes())
    return not processes()


def _unmount_all() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for point in mounts(state_dir()):
        if libc.umount2(point.encode(), _MNT_DETACH) != 0:
            say(f"{point} cannot be unmounted: {os.strerror(ctypes.get_errno())}")


def _remove_cgroups() -> None:
    # A group stays busy for a moment after its last process has ended.
    if not wait_until(_cgroups_removed, seconds=10):
        raise ClusterError(f"still busy: {our_cgroups()[0]}")


def _cgroups_removed() -> bool:
    for path in our_cgroups():
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _restore(sysctls: dict[str, str]) -> None:
    for name, value in sysctls.items():
        if not write_sysctl(name, value):
            say(f"{name} could not be set back to {value}")


def _remove_files() -> None:
    state = state_dir()
    if mounts(state):
        raise ClusterError(f"not removing {state}: something is still mounted in it")
    for path in [*files(state), *stale_folders()]:
        if path in FIXED_PLACES and path != _DEVICE_PLUGINS:
            _prune(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    # The folder above holds nothing but ours when the default place is used.
    parent = state.parent
    if parent.name == "servicelayer" and parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()


def _prune(path: Path) -> None:
    """Remove a folder that was not there before, unless somebody else put something in it."""
    with suppress(OSError):
        path.rmdir()
