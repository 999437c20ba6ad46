"""Where the harness keeps what it makes: a cache that lives on, and a state that `down` removes.

The cache belongs to the user (XDG). The state belongs to the machine: only one assembled cluster
can own the bridge and the service network, so a second user must find the first one's state.
Paths stay short because the kernel refuses unix sockets beyond 107 characters.
"""

import hashlib
import os
from pathlib import Path

TOOLS = Path(__file__).resolve().parent / "tools"
DEFAULT_STATE = Path("/var/lib/servicelayer/cluster")
MARKER = "SERVICELAYER_CLUSTER_DAEMON"


def cache_dir() -> Path:
    """Return the folder of built programs, outside the checkout."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "servicelayer" / "bin"


def cgroup_name() -> str:
    """Return the name of the cluster's control group; another state folder has another one.

    Tests run a second cluster in a network namespace of its own, beside the machine's one.
    """
    state = state_dir()
    if state == DEFAULT_STATE:
        return "servicelayer-cluster"
    return f"servicelayer-cluster-{hashlib.sha256(str(state).encode()).hexdigest()[:8]}"


def state_dir() -> Path:
    """Return the folder of the assembled cluster: certificates, data, logs, sockets, records."""
    return Path(os.environ.get("SERVICELAYER_CLUSTER_STATE") or DEFAULT_STATE)
