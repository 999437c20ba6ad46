"""What the harness needs of the machine itself: packages, kernel settings, control groups.

Every kernel setting that it changes is written down first, so that `down` can put it back.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cluster.errors import ClusterError
from cluster.paths import cgroup_name
from cluster.progress import timed

_CGROUPS = Path("/sys/fs/cgroup")
_SYSCTL = Path("/proc/sys")

# Beside our own choice (forwarding), these are the settings that kubelet and kube-proxy write.
SYSCTLS = (
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "fs/inotify/max_user_instances",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
)
INOTIFY_INSTANCES = 1024


def ensure_packages(packages: Iterable[str]) -> None:
    """Install the Debian packages that are missing; say so, and do nothing when all are there."""
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise ClusterError(f"this system has no apt-get; install by hand: {' '.join(missing)}")
    names = " ".join(missing)
    with timed(f"packages installed ({names})", doing=f"installing packages: {names}"):
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", *missing)


def _installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout == "installed"


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        raise ClusterError(f"apt-get {arguments[0]} failed: {done.stderr.strip()[-600:]}")


def read_sysctls() -> dict[str, str]:
    """Return the present value of every setting that the cluster may change."""
    return {name: value for name in SYSCTLS if (value := read_sysctl(name)) is not None}


def read_sysctl(name: str) -> str | None:
    """Return one kernel setting, or None where the kernel has no such one."""
    try:
        return (_SYSCTL / name).read_text().strip()
    except OSError:
        return None


def write_sysctl(name: str, value: str) -> bool:
    """Set one kernel setting; False where the kernel does not let us."""
    if read_sysctl(name) == value:
        return True
    try:
        (_SYSCTL / name).write_text(value)
    except OSError:
        return False
    return True


def cgroup_hierarchies() -> list[Path]:
    """Return the root of each mounted hierarchy: one on cgroup v2, about ten on v1."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in sorted(_CGROUPS.iterdir()) if (path / "cgroup.procs").exists()]


def make_cgroups() -> Path | None:
    """Make our control group in every hierarchy; return the folder where daemons are listed.

    Daemons join only the process-counting hierarchy, whose one purpose here is to find them again.
    """
    for root in cgroup_hierarchies():
        _make_cgroup(root)
    for root in (_CGROUPS / "pids", _CGROUPS):
        daemons = root / cgroup_name() / "daemons"
        if daemons.parent.is_dir():
            daemons.mkdir(exist_ok=True)
            return daemons
    return None


def _make_cgroup(root: Path) -> None:
    folder = root / cgroup_name()
    folder.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        # A new cpuset on v1 is empty, and nothing can join it until it is filled.
        own, parent = folder / name, root / name
        if own.exists() and parent.exists() and not own.read_text().strip():
            own.write_text(parent.read_text().strip())
    controllers = folder / "cgroup.controllers"
    if controllers.exists():
        for name in controllers.read_text().split():
            (root / "cgroup.subtree_control").write_text(f"+{name}")


def our_cgroups() -> list[Path]:
    """Return every control group folder of ours, deepest first."""
    found: list[Path] = []
    for root in cgroup_hierarchies():
        top = root / cgroup_name()
        if top.is_dir():
            found += [top, *(p for p in top.rglob("*") if p.is_dir())]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)
